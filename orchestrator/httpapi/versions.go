package httpapi

import (
	"net/http"

	"berth/orchestrator/api"
)

// listVersions is GET /v2/apps/{id}/versions, newest first.
func (s *Server) listVersions(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	id, err := api.ParseID(c.id, "/")
	if err != nil {
		return api.NotFound("App", c.id)
	}
	versions, err := s.backend.Versions(id)
	if err != nil {
		return err
	}
	return s.reply(w, c, http.StatusOK, struct {
		Versions []api.Timestamp `json:"versions"`
	}{list(versions)})
}

// showVersion is GET /v2/apps/{id}/versions/{version}: the bare definition.
func (s *Server) showVersion(w http.ResponseWriter, c *call) error {
	s.stampIndex(w)
	v, err := api.ParseTimestamp(c.arg)
	if err != nil {
		return badParameter("version: " + err.Error())
	}
	id, err := api.ParseID(c.id, "/")
	if err != nil {
		return api.NotFound("App", c.id)
	}
	app, err := s.backend.Version(id, v)
	if err != nil {
		return err
	}
	app = filled(app)
	if s.opt.LegacyFields {
		app = withLegacy(app)
	}
	return s.reply(w, c, http.StatusOK, app)
}
