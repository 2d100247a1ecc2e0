package httpapi

import (
	"errors"
	"fmt"
	"net/http"

	"berth/orchestrator/api"
)

// putApps is PUT /v2/apps: create or update all apps of a list in one deployment.
func (s *Server) putApps(w http.ResponseWriter, c *call) error {
	return s.editApps(w, c, editor{partial: c.flag("partialUpdate", true), create: true})
}

// patchApps is PATCH /v2/apps: as putApps, but all apps must exist.
func (s *Server) patchApps(w http.ResponseWriter, c *call) error {
	return s.editApps(w, c, editor{partial: true})
}

// plan is POST /v1/plan (Berth only): what PUT /v2/apps would do with the same list, and the removal of the apps named by
// the parameter remove. It changes nothing, so the role read is enough.
func (s *Server) plan(w http.ResponseWriter, c *call) error {
	return s.editApps(w, c, editor{partial: c.flag("partialUpdate", true), create: true})
}

// maxRemovals bounds the apps that one plan removes.
const maxRemovals = 1000

func removals(ids []string) ([]AppChange, error) {
	if len(ids) > maxRemovals {
		return nil, badParameter(fmt.Sprintf("parameter remove: given %d times; expected at most %d", len(ids), maxRemovals))
	}
	out := make([]AppChange, len(ids))
	for i, text := range ids {
		id, err := api.ParseID(text, "/")
		if err != nil {
			return nil, api.NotFound("App", text)
		}
		out[i] = AppChange{ID: id, Apply: func(stored *api.App) (*api.App, error) {
			if stored == nil {
				return nil, api.NotFound("App", id)
			}
			return nil, nil
		}}
	}
	return out, nil
}

func (s *Server) editApps(w http.ResponseWriter, c *call, ed editor) error {
	data, err := c.body(w)
	if err != nil {
		return err
	}
	ed.backend, ed.strict = s.backend, c.flag("strict", false)
	edits, err := ed.edits(data)
	if err != nil {
		return err
	}
	changes := make([]AppChange, len(edits))
	for i, e := range edits {
		changes[i] = AppChange{ID: e.id, Path: fmt.Sprintf("(%d)", i), Apply: func(stored *api.App) (*api.App, error) {
			app, err := e.apply(stored)
			return app, at(i, err)
		}}
	}
	if c.route == routePlan {
		removals, err := removals(c.query["remove"])
		if err != nil {
			return err
		}
		changes = append(changes, removals...)
	}
	opt := c.writeOptions(false)
	res, err := s.backend.Change(c.Context(), changes, opt)
	if err != nil {
		return err
	}
	announce(w, deploymentOf(res, opt), notesOf(edits), res.Warnings)
	return s.replyResult(w, c, http.StatusOK, res, opt)
}

// edits reads a list of documents and reports what is wrong with any of them in one answer.
func (ed editor) edits(data []byte) ([]*edit, error) {
	elements, err := decodeList(data)
	if err != nil {
		return nil, err
	}
	var out []*edit
	var broken *api.Error
	seen := map[string]int{}
	for i, raw := range elements {
		e, err := ed.edit(raw, "")
		if err == nil {
			if first, ok := seen[e.id]; ok {
				err = invalid("/id", fmt.Sprintf("is the same app as element %d", first))
			} else {
				seen[e.id] = i
			}
		}
		if err != nil {
			if broken, err = collect(broken, at(i, err)); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, e)
	}
	if broken != nil {
		return nil, broken
	}
	return out, nil
}

// collect adds the broken rules in err to those already found; another kind of error stops the collecting.
func collect(found *api.Error, err error) (*api.Error, error) {
	var e *api.Error
	if !errors.As(err, &e) || e.Code != api.CodeInvalid {
		return nil, err
	}
	if found == nil {
		return e, nil
	}
	found.Details = append(found.Details, e.Details...)
	return found, nil
}

// at puts the position in the list before the paths of an error.
func at(i int, err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return e.In(fmt.Sprintf("(%d)", i))
	}
	return err
}

func notesOf(edits []*edit) api.Notes {
	var n api.Notes
	for i, e := range edits {
		for _, path := range e.notes.Unknown {
			n.Unknown = append(n.Unknown, fmt.Sprintf("(%d)%s", i, path))
		}
		n.Warnings = append(n.Warnings, e.notes.Warnings...)
	}
	n.Warnings = unique(n.Warnings)
	return n
}
