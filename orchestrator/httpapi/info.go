package httpapi

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"strconv"

	"berth/orchestrator/api"
)

// marathonVersion is the version whose API this is. Clients refuse what does not look like one of Marathon's.
const marathonVersion = "1.11.24"

type infoBody struct {
	Name            string         `json:"name"`
	Version         string         `json:"version"`
	BuildRef        string         `json:"buildref"`
	Elected         bool           `json:"elected"`
	Leader          string         `json:"leader"`
	FrameworkID     string         `json:"frameworkId"`
	MarathonConfig  map[string]any `json:"marathon_config"`
	ZookeeperConfig struct{}       `json:"zookeeper_config"`
	HTTPConfig      httpConfig     `json:"http_config"`
	Orchestrator    orchestrator   `json:"orchestrator"` // not in Marathon: who really answers
}

type httpConfig struct {
	HTTPPort  int `json:"http_port"`
	HTTPSPort int `json:"https_port"`
}

type orchestrator struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// info is GET /v2/info.
func (s *Server) info(w http.ResponseWriter, c *call) error {
	host, port := s.hostPort()
	config := map[string]any{"hostname": host, "http_port": port, "features": []string{}}
	maps.Copy(config, s.backend.Config())
	return s.reply(w, c, http.StatusOK, infoBody{
		Name:           "marathon",
		Version:        marathonVersion,
		BuildRef:       "berth",
		Elected:        true,
		Leader:         s.opt.Advertise,
		FrameworkID:    "berth",
		MarathonConfig: config,
		HTTPConfig:     httpConfig{HTTPPort: port, HTTPSPort: 0},
		Orchestrator:   orchestrator{Name: "berth", Version: s.opt.Version},
	})
}

func (s *Server) hostPort() (string, int) {
	host, text, err := net.SplitHostPort(s.opt.Advertise)
	if err != nil {
		return s.opt.Advertise, 0
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return host, 0
	}
	return host, port
}

// leader is GET /v2/leader.
func (s *Server) leader(w http.ResponseWriter, c *call) error {
	if s.opt.Advertise == "" {
		return &api.Error{Code: api.CodeNotFound, Message: "there is no leader"}
	}
	return s.reply(w, c, http.StatusOK, map[string]string{"leader": s.opt.Advertise})
}

// abdicate is DELETE /v2/leader.
func (s *Server) abdicate(http.ResponseWriter, *call) error {
	return &api.Error{
		Code:    api.CodeNotFound,
		Message: "there is no other server that could become the leader",
	}
}

// ping is GET /ping: text, or a JSON string when JSON is asked for.
func (s *Server) ping(w http.ResponseWriter, c *call) error {
	if accept := c.Header.Get("Accept"); accepts(accept, jsonType) && !wantsText(accept) {
		send(w, c.Request, http.StatusOK, jsonType, []byte(`"pong"`))
		return nil
	}
	send(w, c.Request, http.StatusOK, "text/plain; charset=utf-8", []byte("pong"))
	return nil
}

// healthz is GET /healthz: the process answers.
func (s *Server) healthz(w http.ResponseWriter, c *call) error {
	return s.reply(w, c, http.StatusOK, map[string]string{"message": "ok"})
}

// readyz is GET /readyz: the state is loaded and writes are taken.
func (s *Server) readyz(w http.ResponseWriter, c *call) error {
	if s.opt.Ready != nil {
		if err := s.opt.Ready(); err != nil {
			return &api.Error{Code: api.CodeUnavailable, Message: fmt.Sprintf("not ready: %v", err)}
		}
	}
	return s.reply(w, c, http.StatusOK, map[string]string{"message": "ready"})
}

// callbacks answers /v2/eventSubscriptions. Marathon removed HTTP callbacks in 1.5, but clients can still ask.
func (s *Server) callbacks(http.ResponseWriter, *call) error {
	return &api.Error{
		Code:    api.CodeBadRequest,
		Message: "HTTP callbacks are not supported; follow /v2/events instead",
	}
}

// root is GET /.
func (s *Server) root(w http.ResponseWriter, _ *call) error {
	w.Header().Set("Location", "/ui/")
	w.WriteHeader(http.StatusFound)
	return nil
}

// page serves the web page under /ui/.
func (s *Server) page(w http.ResponseWriter, c *call) error {
	if s.opt.UI == nil {
		return &api.Error{Code: api.CodeNotFound, Message: "no such endpoint: " + c.URL.Path}
	}
	s.opt.UI.ServeHTTP(w, c.Request)
	return nil
}
