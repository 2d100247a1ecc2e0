package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"

	"berth/orchestrator/api"
)

// hashSeed makes the hashes of one process; they tell whether an app's text is the one read before.
var hashSeed = maphash.MakeSeed()

// decodeApp reads one app as the API shows it. An odd field stays empty; only a document without a usable id is refused.
func decodeApp(data []byte) (*api.AppInfo, error) { return api.DecodeAppInfo(data) }

// item is one app of an answer. app is nil if the text is known or could not be read.
type item struct {
	id      string
	hash    uint64
	app     *api.AppInfo
	known   bool
	problem string
}

// readItem decodes one app unless known, from hash to id, has its text. pos names an app whose id cannot be read.
func readItem(raw []byte, known map[uint64]string, pos string) item {
	it := item{hash: maphash.Bytes(hashSeed, raw)}
	if id, ok := known[it.hash]; ok {
		it.id, it.known = id, true
		return it
	}
	app, err := decodeApp(raw)
	if err == nil && app.ID == "" {
		err = errors.New("id: expected an app's path, got none")
	}
	if err != nil {
		it.id, it.problem = idOf(raw, pos), err.Error()
		return it
	}
	app.LastTaskFailure = nil // a full read does not show it: the two must not differ by it
	it.id, it.app = app.ID, app
	return it
}

// idOf finds the id of an app that could not be decoded.
func idOf(raw []byte, pos string) string {
	var v struct {
		ID any `json:"id"`
	}
	_ = json.Unmarshal(raw, &v)
	if s, ok := v.ID.(string); ok && s != "" {
		return s
	}
	return pos
}

// readList reads {"apps":[…]} app by app. Anything else, a cut text included, is an error.
func readList(r io.Reader, known map[uint64]string) ([]item, error) {
	var items []item
	found, err := readMember(r, "apps", func(dec *json.Decoder) error {
		if t, err := dec.Token(); err != nil || t != json.Delim('[') {
			return fmt.Errorf("apps: expected a list (%v, %w)", t, orEOF(err))
		}
		var raw json.RawMessage
		for dec.More() {
			raw = raw[:0]
			if err := dec.Decode(&raw); err != nil {
				return fmt.Errorf("app %d: %w", len(items), err)
			}
			items = append(items, readItem(raw, known, fmt.Sprintf("apps(%d)", len(items))))
		}
		_, err := dec.Token()
		return err
	})
	if err == nil && !found {
		err = errors.New("expected an object with apps")
	}
	return items, err
}

// readApp reads {"app":{…}}.
func readApp(r io.Reader, id string) (item, error) {
	var it item
	found, err := readMember(r, "app", func(dec *json.Decoder) error {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		it = readItem(raw, nil, id)
		return nil
	})
	switch {
	case err != nil:
		return it, err
	case !found:
		return it, errors.New("expected an object with app")
	case it.id != id:
		return it, fmt.Errorf("asked for app %s, got %s", id, it.id)
	}
	return it, nil
}

// readMember reads an object to its end and hands the value of one member to value.
func readMember(r io.Reader, name string, value func(*json.Decoder) error) (found bool, err error) {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return false, fmt.Errorf("expected a JSON object (%v, %w)", t, orEOF(err))
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return false, err
		}
		if key == name {
			found = true
			if err := value(dec); err != nil {
				return false, err
			}
			continue
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return false, err
		}
	}
	_, err = dec.Token()
	return found, err
}

var errNotThat = errors.New("it is something else")

func orEOF(err error) error {
	if err == nil {
		return errNotThat
	}
	return err
}
