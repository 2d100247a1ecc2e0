package httpapi

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// group is a node of the tree that the apps' ids span (marathon-api.md section 8.3). Groups are not stored: one exists
// while an app lies below it.
type group struct {
	id      string
	apps    []*api.AppInfo
	groups  []*group
	version api.Timestamp // the newest of the apps below
}

// tree builds the group with the given id from apps, sorted by id. ok is false if no app lies below it; the root always
// exists.
func tree(id string, apps []*api.AppInfo) (*group, bool) {
	g := &group{id: id}
	found := id == "/"
	for _, a := range apps {
		if below(a.ID, id) {
			found = true
			g.insert(a)
		}
	}
	return g, found
}

// insert puts a into g or a group below it. Apps come sorted by id, but "/a-b" sorts between "/a" and "/a/b".
func (g *group) insert(a *api.AppInfo) {
	g.version = max(g.version, a.Version)
	rest := strings.TrimPrefix(strings.TrimPrefix(a.ID, g.id), "/")
	name, _, deeper := strings.Cut(rest, "/")
	if !deeper {
		g.apps = append(g.apps, a)
		return
	}
	id := strings.TrimSuffix(g.id, "/") + "/" + name
	i := slices.IndexFunc(g.groups, func(sub *group) bool { return sub.id == id })
	if i < 0 {
		i = len(g.groups)
		g.groups = append(g.groups, &group{id: id})
	}
	g.groups[i].insert(a)
}

// groupView writes groups as a read shows them.
type groupView struct {
	view
	apps, groups bool
}

// groupViewOf reads the embed parameter; without one, groups and apps are shown, but not what runs of them.
func groupViewOf(c *call) groupView {
	values := c.query["embed"]
	v := groupView{view: view{embeds: embeds{}.parse(values)}}
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
	id := c.id
	if id == "" {
		id = "/"
	}
	g, ok := tree(id, s.backend.Apps())
	if !ok {
		return api.NotFound("Group", id)
	}
	v := groupViewOf(c)
	v.now = s.opt.Now()
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	if err := v.group(buf, g); err != nil {
		return err
	}
	send(w, c.Request, http.StatusOK, jsonType, buf.Bytes())
	return nil
}

func (v groupView) group(buf *bytes.Buffer, g *group) error {
	buf.Write(appendString([]byte(`{"id":`), g.id))
	buf.WriteString(`,"apps":[`)
	if v.apps {
		for i, a := range g.apps {
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
		for i, sub := range g.groups {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := v.group(buf, sub); err != nil {
				return err
			}
		}
	}
	version := max(g.version, 1) // a group without apps is as old as time
	buf.WriteString(`],"pods":[],"dependencies":[],"enforceRole":false,"version":"` + version.String() + `"}`)
	return nil
}
