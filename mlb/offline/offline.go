// Package offline makes a configuration from a document of apps without a daemon and without HAProxy: what "mlb render"
// does.
//
//	document → Parse → model.Build → render.Files → Write
package offline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"berth/mlb/model"
	"berth/mlb/render"
	"berth/orchestrator/api"
)

// maxDocument bounds a document of apps.
const maxDocument = 1 << 30

// Parse reads the document that GET /v2/apps?embed=apps.tasks returns, or the list in it. An app that cannot be read is
// reported and left out; an error means that there is no list of apps at all.
func Parse(doc []byte) ([]*api.AppInfo, []model.Problem, error) {
	if len(doc) > maxDocument {
		return nil, nil, fmt.Errorf("parse apps: the document has %d bytes, expected at most %d", len(doc), maxDocument)
	}
	list, err := split(doc)
	if err != nil {
		return nil, nil, fmt.Errorf("parse apps: %w", err)
	}
	apps := make([]*api.AppInfo, 0, len(list))
	var found []model.Problem
	for i, raw := range list {
		var a api.AppInfo
		if err := json.Unmarshal(raw, &a); err != nil || a.ID == "" {
			found = append(found, unreadable(i, raw, err))
			continue
		}
		apps = append(apps, &a)
	}
	return apps, found, nil
}

// split returns the elements of the list of apps.
func split(doc []byte) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if bytes.HasPrefix(bytes.TrimSpace(doc), []byte("[")) {
		err := json.Unmarshal(doc, &list)
		return list, err
	}
	var whole struct {
		Apps *[]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(doc, &whole); err != nil {
		return nil, err
	}
	if whole.Apps == nil {
		return nil, fmt.Errorf(`expected an object with the member "apps"`)
	}
	return *whole.Apps, nil
}

func unreadable(index int, raw json.RawMessage, err error) model.Problem {
	var named struct {
		ID any `json:"id"`
	}
	_ = json.Unmarshal(raw, &named) // what cannot be read has no name
	p := model.Problem{
		App: fmt.Sprintf("number %d", index), Severity: model.SeverityError, Value: model.Shorten(string(raw)),
		Field: "id", Reason: "expected an app with an id",
	}
	if id, ok := named.ID.(string); ok && id != "" {
		p.App = model.Shorten(id)
	}
	if err != nil {
		p.Field, p.Reason = "", err.Error()
	}
	return p
}

// Render makes the configuration for a document of apps.
func Render(doc []byte, mo model.Options, ro render.Options) (*render.Output, []model.Problem, error) {
	apps, found, err := Parse(doc)
	if err != nil {
		return nil, nil, err
	}
	if mo.Reserved == nil {
		mo.Reserved = ro.Reserved()
	}
	m, more := model.Build(apps, mo)
	out, late := render.Files(m, ro)
	return out, append(append(found, more...), late...), nil
}

// ConfigName is the name of the configuration file in the directory that Write fills.
const ConfigName = "haproxy.cfg"

// Write puts the configuration and the maps into dir, which is made if it is missing. Each file is replaced as a whole;
// the configuration, which names the maps, comes last. It may hold password hashes, so only the owner can read it.
func Write(dir string, out *render.Output) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	for _, m := range out.Maps {
		if err := renameio.WriteFile(filepath.Join(dir, m.Name), m.Data, 0o644); err != nil {
			return fmt.Errorf("write map %s: %w", m.Name, err)
		}
	}
	if err := renameio.WriteFile(filepath.Join(dir, ConfigName), out.Config(), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}
