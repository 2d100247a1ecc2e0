package httpapi

import (
	"encoding/json"
	"errors"
	"slices"

	"berth/orchestrator/api"
)

// edit is one app's part of a write, read from a client's document. Its outcome (created, notes) is known when the
// backend has called apply.
type edit struct {
	id      string
	apply   func(stored *api.App) (*api.App, error)
	created bool
	notes   api.Notes
}

// editor says how documents are to be read.
type editor struct {
	backend Backend
	partial bool // fields not given keep their value, rather than return to their default
	create  bool // an unknown app is made
	strict  bool // unknown fields are an error
}

func (e *edit) change() AppChange { return AppChange{ID: e.id, Apply: e.apply} }

// edit reads a document. id is the app that the URL names, or "" if only the document does.
func (ed editor) edit(data []byte, id string) (*edit, error) {
	if id != "" {
		var err error
		if data, err = addressed(data, id); err != nil {
			return nil, err
		}
	}
	if ed.partial {
		return ed.update(data)
	}
	return ed.replace(data)
}

func (ed editor) replace(data []byte) (*edit, error) {
	app, notes, err := api.ParseApp(data)
	if err != nil {
		return nil, err
	}
	if err := ed.check(notes); err != nil {
		return nil, err
	}
	e := &edit{id: app.ID, notes: notes}
	e.apply = func(stored *api.App) (*api.App, error) {
		e.created = stored == nil
		if stored == nil && !ed.create {
			return nil, api.NotFound("App", app.ID)
		}
		return app, nil
	}
	return e, nil
}

func (ed editor) update(data []byte) (*edit, error) {
	u, parsed, err := api.ParseUpdate(data)
	if err != nil {
		return nil, err
	}
	if u.ID == "" {
		return nil, invalid("/id", "is missing")
	}
	if err := ed.check(parsed); err != nil {
		return nil, err
	}
	if !u.Rollback.IsZero() {
		return ed.rollback(u, parsed)
	}
	e := &edit{id: u.ID}
	e.apply = func(stored *api.App) (*api.App, error) {
		e.created = stored == nil
		if stored == nil && !ed.create {
			return nil, api.NotFound("App", u.ID)
		}
		app, notes, err := u.Apply(stored)
		if err != nil {
			return nil, err
		}
		e.notes = merge(parsed, notes)
		return app, ed.check(notes)
	}
	return e, nil
}

// rollback returns an app to the definition it had; the version is looked up before the write lock is taken.
func (ed editor) rollback(u *api.Update, notes api.Notes) (*edit, error) {
	old, err := ed.backend.Version(u.ID, u.Rollback)
	if err != nil {
		return nil, err
	}
	e := &edit{id: u.ID, notes: notes}
	e.apply = func(stored *api.App) (*api.App, error) {
		if stored == nil {
			return nil, api.NotFound("App", u.ID)
		}
		return old, nil
	}
	return e, nil
}

// check refuses unknown fields under ?strict=true.
func (ed editor) check(n api.Notes) error {
	if !ed.strict || len(n.Unknown) == 0 {
		return nil
	}
	e := &api.Error{Code: api.CodeInvalid, Message: "Object is not valid"}
	for _, path := range n.Unknown {
		e.Details = append(e.Details, api.Detail{Path: path, Errors: []string{"unknown field"}})
	}
	return e
}

// addressed gives a document without an id the URL's, and refuses one that names another app. What else is wrong with
// the document is for the parser to say.
func addressed(data []byte, id string) ([]byte, error) {
	var obj map[string]json.RawMessage
	if json.Unmarshal(data, &obj) != nil || obj == nil {
		return data, nil
	}
	raw, ok := obj["id"]
	if !ok || string(raw) == "null" {
		quoted, err := json.Marshal(id)
		if err != nil {
			return nil, err
		}
		obj["id"] = quoted
		return json.Marshal(obj)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return data, nil
	}
	if abs, err := api.ParseID(text, "/"); err == nil && abs != id {
		return nil, invalid("/id", "names the app "+abs+", but the URL names "+id)
	}
	return data, nil
}

// newID reads the id in a URL for an endpoint that may create the app.
func newID(text string) (string, error) {
	id, err := api.ParseID(text, "/")
	if err == nil {
		return id, nil
	}
	var e *api.Error
	if errors.As(err, &e) {
		return "", e
	}
	return "", invalid("/id", err.Error())
}

func merge(a, b api.Notes) api.Notes {
	return api.Notes{
		Unknown:  unique(slices.Concat(a.Unknown, b.Unknown)),
		Warnings: unique(slices.Concat(a.Warnings, b.Warnings)),
	}
}

// unique drops repeats and keeps the order.
func unique(texts []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(texts, func(t string) bool {
		if seen[t] {
			return true
		}
		seen[t] = true
		return false
	})
}
