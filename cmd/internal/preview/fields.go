package preview

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// Field is one difference between two definitions of an app.
type Field struct {
	Path string          `json:"path"` // as in the API's errors, /labels/HAPROXY_GROUP
	Old  json.RawMessage `json:"old,omitempty"`
	New  json.RawMessage `json:"new,omitempty"`
}

// notDefined are fields that no change is made of.
var notDefined = []string{"/version", "/versionInfo"}

// Fields lists what differs between two definitions, sorted by path. Lists are compared as a whole.
func Fields(from, to *api.App) ([]Field, error) {
	a, err := flat(from)
	if err != nil {
		return nil, err
	}
	b, err := flat(to)
	if err != nil {
		return nil, err
	}
	out := []Field{}
	for path, v := range a {
		if w := b[path]; !bytes.Equal(v, w) {
			out = append(out, Field{path, v, w})
		}
	}
	for path, w := range b {
		if _, ok := a[path]; !ok {
			out = append(out, Field{path, nil, w})
		}
	}
	out = slices.DeleteFunc(out, func(f Field) bool {
		return slices.ContainsFunc(notDefined, func(p string) bool { return f.Path == p || strings.HasPrefix(f.Path, p+"/") })
	})
	slices.SortFunc(out, func(x, y Field) int { return strings.Compare(x.Path, y.Path) })
	return out, nil
}

// flat gives every member of an app, and of the objects in it, by its path.
func flat(a *api.App) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	if a == nil {
		return out, nil
	}
	data, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", a.ID, err)
	}
	var walk func(path string, raw json.RawMessage)
	walk = func(path string, raw json.RawMessage) {
		var obj map[string]json.RawMessage
		if len(raw) > 0 && raw[0] == '{' && json.Unmarshal(raw, &obj) == nil {
			for k, v := range obj {
				walk(path+"/"+k, v)
			}
			return
		}
		out[path] = raw
	}
	walk("", data)
	return out, nil
}
