package httpapi

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// stampIndex puts the store's revision into the header. Call it before reading what the answer shows: the revision may
// then be older than the body, never newer, so a follower never acknowledges what it has not seen.
func (s *Server) stampIndex(w http.ResponseWriter) {
	w.Header().Set(api.IndexHeader, strconv.FormatUint(s.backend.Index(), 10))
}

// listApps is GET /v2/apps.
func (s *Server) listApps(w http.ResponseWriter, c *call) error {
	keep, err := filterOf(c)
	if err != nil {
		return err
	}
	s.stampIndex(w)
	return s.replyApps(w, c, "apps", keep)
}

// listAppsBelow is GET /v2/apps/{group}/*.
func (s *Server) listAppsBelow(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	return s.replyApps(w, c, "*", func(a *api.AppInfo) bool { return api.Inside(a.ID, c.id) })
}

func (s *Server) replyApps(w http.ResponseWriter, c *call, key string, keep func(*api.AppInfo) bool) error {
	all := s.backend.Apps()
	apps := make([]*api.AppInfo, 0, len(all))
	for _, a := range all {
		if keep(a) {
			apps = append(apps, a)
		}
	}
	v := s.view(listEmbeds.parse(c.query["embed"]))
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	if err := v.apps(buf, key, apps); err != nil {
		return err
	}
	send(w, c.Request, http.StatusOK, jsonType, buf.Bytes())
	return nil
}

// filterOf reads the parameters id and cmd (parts of the text, whatever their case) and label (a selector).
func filterOf(c *call) (func(*api.AppInfo) bool, error) {
	id, cmd := strings.ToLower(c.query.Get("id")), strings.ToLower(c.query.Get("cmd"))
	byLabel := func(map[string]string) bool { return true }
	if text := c.query.Get("label"); text != "" {
		sel, err := api.ParseSelector(text)
		if err != nil {
			return nil, badParameter("parameter label: " + err.Error())
		}
		byLabel = sel.Matches
	}
	return func(a *api.AppInfo) bool {
		return strings.Contains(strings.ToLower(a.ID), id) && strings.Contains(strings.ToLower(a.Cmd), cmd) &&
			byLabel(a.Labels)
	}, nil
}

// showApp is GET /v2/apps/{id}.
func (s *Server) showApp(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	a, err := s.app(c.id)
	if err != nil {
		return err
	}
	v := s.view(singleEmbeds.parse(c.query["embed"]))
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	buf.WriteString(`{"app":`)
	if err := v.app(buf, a); err != nil {
		return err
	}
	buf.WriteByte('}')
	send(w, c.Request, http.StatusOK, jsonType, buf.Bytes())
	return nil
}

// app finds the app that a path addresses. An id that no app could have is simply not there.
func (s *Server) app(id string) (*api.AppInfo, error) {
	if abs, err := api.ParseID(id, "/"); err == nil {
		if a, ok := s.backend.App(abs); ok {
			return a, nil
		}
	}
	return nil, api.NotFound("App", id)
}
