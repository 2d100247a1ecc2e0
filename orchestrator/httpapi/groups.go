package httpapi

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"berth/orchestrator/api"
)

// groupView writes groups as a read shows them.
type groupView struct {
	view
	apps, groups bool
}

// groupView reads the embed parameter; without one, groups and apps are shown, but not what runs of them.
func (s *Server) groupView(c *call) groupView {
	values := c.query["embed"]
	v := groupView{view: s.view(embeds{}.parse(values))}
	if len(values) == 0 {
		v.apps, v.groups = true, true
	}
	for _, e := range values {
		switch {
		case e == "group.groups":
			v.groups = true
		case e == "group.apps" || strings.HasPrefix(e, "group.apps."):
			v.apps = true
		}
	}
	return v
}

// showGroup is GET /v2/groups and /v2/groups/{id}: the bare group.
func (s *Server) showGroup(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	id, err := groupID(c)
	if err != nil {
		return err
	}
	g, ok := s.backend.Group(id)
	if !ok {
		return api.NotFound("Group", id)
	}
	return s.replyGroup(w, c, g)
}

// listGroupVersions is GET /v2/groups/versions and /v2/groups/{id}/versions: a bare list, newest first.
func (s *Server) listGroupVersions(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	id, err := groupID(c)
	if err != nil {
		return err
	}
	versions, err := s.backend.GroupVersions(id)
	if err != nil {
		return err
	}
	return s.reply(w, c, http.StatusOK, list(versions))
}

// showGroupVersion is GET /v2/groups/versions/{version} and /v2/groups/{id}/versions/{version}.
func (s *Server) showGroupVersion(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	v, err := api.ParseTimestamp(c.arg)
	if err != nil {
		return badParameter("version: " + err.Error())
	}
	id, err := groupID(c)
	if err != nil {
		return err
	}
	g, err := s.backend.GroupVersion(id, v)
	if err != nil {
		return err
	}
	return s.replyGroup(w, c, g)
}

// groupID is the group that a path addresses. An id that no group could have is simply not there.
func groupID(c *call) (string, error) {
	if c.id == "" || c.id == "/" {
		return "/", nil
	}
	id, err := api.ParseID(c.id, "/")
	if err != nil {
		return "", api.NotFound("Group", c.id)
	}
	return id, nil
}

// newGroupID is groupID for an endpoint that makes the group if there is none.
func newGroupID(c *call) (string, error) {
	if c.id == "" || c.id == "/" {
		return "/", nil
	}
	return newID(c.id)
}

// createGroup is POST /v2/groups and /v2/groups/{id}; the document's id is relative to the path's.
func (s *Server) createGroup(w http.ResponseWriter, c *call) error {
	base, err := newGroupID(c)
	if err != nil {
		return err
	}
	data, err := c.body(w)
	if err != nil {
		return err
	}
	update, notes, err := api.ParseNewGroup(data, base)
	if err != nil {
		return err
	}
	if !update.Rollback.IsZero() || update.ScaleBy != nil {
		return invalid("/", "version and scaleBy are for groups that exist; a new one has apps, groups and dependencies")
	}
	return s.changeGroup(w, c, GroupChange{ID: update.ID, Update: update, Create: true}, notes, http.StatusCreated)
}

// putGroup is PUT /v2/groups and /v2/groups/{id}.
func (s *Server) putGroup(w http.ResponseWriter, c *call) error {
	id, err := newGroupID(c)
	if err != nil {
		return err
	}
	data, err := c.body(w)
	if err != nil {
		return err
	}
	update, notes, err := api.ParseGroup(data, id)
	if err != nil {
		return err
	}
	return s.changeGroup(w, c, GroupChange{ID: id, Update: update}, notes, http.StatusOK)
}

// deleteGroup is DELETE /v2/groups and /v2/groups/{id}. Unlike with apps, force is off by default.
func (s *Server) deleteGroup(w http.ResponseWriter, c *call) error {
	id, err := groupID(c)
	if err != nil {
		return err
	}
	return s.changeGroup(w, c, GroupChange{ID: id}, api.Notes{}, http.StatusOK)
}

func (s *Server) changeGroup(w http.ResponseWriter, c *call, change GroupChange, notes api.Notes, status int) error {
	if err := (editor{strict: c.flag("strict", false)}).check(notes); err != nil {
		return err
	}
	opt := c.writeOptions(false)
	res, err := s.backend.ChangeGroup(c.Context(), change, opt)
	if err != nil {
		return err
	}
	announce(w, deploymentOf(res, opt), notes, res.Warnings)
	if opt.DryRun {
		return s.reply(w, c, http.StatusOK, dryRun{
			Steps: filledSteps(res.Steps), Placements: list(res.Placements), Warnings: list(res.Warnings),
		})
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", "/v2/groups"+change.ID)
	}
	return s.reply(w, c, status, res.DeploymentResult)
}

func (s *Server) replyGroup(w http.ResponseWriter, c *call, g *api.GroupInfo) error {
	v := s.groupView(c)
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	if err := v.group(buf, g); err != nil {
		return err
	}
	send(w, c.Request, http.StatusOK, jsonType, buf.Bytes())
	return nil
}

func (v groupView) group(buf *bytes.Buffer, g *api.GroupInfo) error {
	buf.Write(appendString([]byte(`{"id":`), g.ID))
	buf.WriteString(`,"apps":[`)
	if v.apps {
		for i, a := range g.Apps {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := v.app(buf, a); err != nil {
				return err
			}
		}
	}
	buf.WriteString(`],"groups":[`)
	if v.groups {
		for i, sub := range g.Groups {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := v.group(buf, sub); err != nil {
				return err
			}
		}
	}
	buf.WriteString(`],"pods":[],"dependencies":`)
	if err := encode(buf, list(g.Dependencies)); err != nil {
		return err
	}
	version := max(g.Version, 1) // a group that never changed is as old as time
	fmt.Fprintf(buf, `,"enforceRole":%t,"version":"%s"}`, g.EnforceRole, version)
	return nil
}
