package httpapi

import (
	"net/http"

	"berth/orchestrator/api"
)

// listNodes is GET /v1/nodes: the agents, ours alone. /v2/nodes is the same.
func (s *Server) listNodes(w http.ResponseWriter, c *call) error {
	return s.reply(w, c, http.StatusOK, struct {
		Nodes []api.Node `json:"nodes"`
	}{s.backend.Nodes()})
}

// showNode is GET /v1/nodes/{id}.
func (s *Server) showNode(w http.ResponseWriter, c *call) error {
	n, ok := s.backend.Node(c.arg)
	if !ok {
		return api.NotFound("Node", c.arg)
	}
	return s.reply(w, c, http.StatusOK, struct {
		Node api.NodeInfo `json:"node"`
	}{n})
}

// drainNode is POST /v1/nodes/{id}/drain. It answers when the drain has begun; repeating it does no harm.
func (s *Server) drainNode(w http.ResponseWriter, c *call) error { return s.setDrain(w, c, true) }

// resumeNode is POST /v1/nodes/{id}/resume.
func (s *Server) resumeNode(w http.ResponseWriter, c *call) error { return s.setDrain(w, c, false) }

func (s *Server) setDrain(w http.ResponseWriter, c *call, drain bool) error {
	if err := s.backend.Drain(c.Context(), c.arg, drain); err != nil {
		return err
	}
	return s.showNode(w, c)
}
