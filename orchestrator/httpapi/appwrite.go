package httpapi

import (
	"bytes"
	"net/http"

	"berth/orchestrator/api"
)

// createApp is POST /v2/apps.
func (s *Server) createApp(w http.ResponseWriter, c *call) error {
	data, err := c.body(w)
	if err != nil {
		return err
	}
	e, err := editor{backend: s.backend, create: true, strict: c.flag("strict", false)}.edit(data, "")
	if err != nil {
		return err
	}
	change := AppChange{ID: e.id, Apply: func(stored *api.App) (*api.App, error) {
		if stored != nil {
			return nil, &api.Error{Code: api.CodeConflict, Message: "An app with id [" + e.id + "] already exists."}
		}
		return e.apply(nil)
	}}
	opt := c.writeOptions(false)
	res, err := s.backend.Change(c.Context(), []AppChange{change}, opt)
	if err != nil {
		return err
	}
	announce(w, deploymentOf(res, opt), e.notes, res.Warnings)
	if opt.DryRun {
		return s.replyDryRun(w, c, res)
	}
	w.Header().Set("Location", location(e.id))
	return s.replyCreated(w, c, res)
}

func location(id string) string { return "/v2/apps" + id }

// replyCreated answers with the app as stored, before any of its tasks exists.
func (s *Server) replyCreated(w http.ResponseWriter, c *call, res WriteResult) error {
	info := &api.AppInfo{App: *res.Apps[0], Deployments: []api.DeploymentRef{{ID: res.DeploymentID}}}
	v := s.view(embeds{counts: true, tasks: true, deployments: true})
	var buf bytes.Buffer
	if err := v.app(&buf, info); err != nil {
		return err
	}
	send(w, c.Request, http.StatusCreated, jsonType, buf.Bytes())
	return nil
}

// putApp is PUT /v2/apps/{id}.
func (s *Server) putApp(w http.ResponseWriter, c *call) error {
	return s.editApp(w, c, editor{partial: c.flag("partialUpdate", true), create: true})
}

// patchApp is PATCH /v2/apps/{id}.
func (s *Server) patchApp(w http.ResponseWriter, c *call) error {
	return s.editApp(w, c, editor{partial: true})
}

func (s *Server) editApp(w http.ResponseWriter, c *call, ed editor) error {
	data, err := c.body(w)
	if err != nil {
		return err
	}
	id, err := newID(c.id)
	if err != nil {
		if !ed.create {
			return api.NotFound("App", c.id)
		}
		return err
	}
	ed.backend, ed.strict = s.backend, c.flag("strict", false)
	e, err := ed.edit(data, id)
	if err != nil {
		return err
	}
	opt := c.writeOptions(false)
	res, err := s.backend.Change(c.Context(), []AppChange{e.change()}, opt)
	if err != nil {
		return err
	}
	announce(w, deploymentOf(res, opt), e.notes, res.Warnings)
	status := http.StatusOK
	if e.created && !opt.DryRun {
		w.Header().Set("Location", location(id))
		status = http.StatusCreated
	}
	return s.replyResult(w, c, status, res, opt)
}

// deleteApp is DELETE /v2/apps/{id}. Unlike elsewhere, force is on by default: deleting an app ends its deployment.
func (s *Server) deleteApp(w http.ResponseWriter, c *call) error {
	return s.changeKnown(w, c, c.writeOptions(true), AppChange{
		Apply: func(*api.App) (*api.App, error) { return nil, nil },
	})
}

// restartApp is POST /v2/apps/{id}/restart.
func (s *Server) restartApp(w http.ResponseWriter, c *call) error {
	return s.changeKnown(w, c, c.writeOptions(false), AppChange{
		Restart: true,
		Apply:   func(stored *api.App) (*api.App, error) { return stored, nil },
	})
}

// changeKnown makes a change, without a document, of an app that must exist.
func (s *Server) changeKnown(w http.ResponseWriter, c *call, opt WriteOptions, change AppChange) error {
	id, err := api.ParseID(c.id, "/")
	if err != nil {
		return api.NotFound("App", c.id)
	}
	apply := change.Apply
	change.ID = id
	change.Apply = func(stored *api.App) (*api.App, error) {
		if stored == nil {
			return nil, api.NotFound("App", id)
		}
		return apply(stored)
	}
	res, err := s.backend.Change(c.Context(), []AppChange{change}, opt)
	if err != nil {
		return err
	}
	announce(w, deploymentOf(res, opt), api.Notes{}, res.Warnings)
	return s.replyResult(w, c, http.StatusOK, res, opt)
}

// deploymentOf names the deployment that a write started; a dry run starts none.
func deploymentOf(res WriteResult, opt WriteOptions) string {
	if opt.DryRun {
		return ""
	}
	return res.DeploymentID
}

func (s *Server) replyResult(w http.ResponseWriter, c *call, status int, res WriteResult, opt WriteOptions) error {
	if opt.DryRun {
		return s.replyDryRun(w, c, res)
	}
	return s.reply(w, c, status, res.DeploymentResult)
}

// dryRun says what a write would do: the steps, and the apps as they would be stored.
type dryRun struct {
	Steps []api.DeploymentStep `json:"steps"`
	App   *api.App             `json:"app,omitempty"`
	Apps  []*api.App           `json:"apps,omitempty"`
	// Berth only.
	Placements []api.Placement `json:"placements"`
	Warnings   []string        `json:"warnings"`
}

func (s *Server) replyDryRun(w http.ResponseWriter, c *call, res WriteResult) error {
	body := dryRun{Steps: filledSteps(res.Steps), Placements: list(res.Placements), Warnings: list(res.Warnings)}
	for _, a := range res.Apps {
		if a != nil {
			body.Apps = append(body.Apps, filled(a))
		}
	}
	if c.route != routePlan && (c.route != routeApps || c.Method == http.MethodPost) { // one app, not a list
		if len(body.Apps) > 0 {
			body.App = body.Apps[0]
		}
		body.Apps = nil
	}
	return s.reply(w, c, http.StatusOK, body)
}
