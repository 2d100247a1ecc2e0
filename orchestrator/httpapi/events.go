package httpapi

import (
	"net/http"
	"slices"
	"time"

	"berth/orchestrator/api"
)

// events is GET /v2/events: everything that happens from now on, as server-sent events (marathon-api.md section 9).
func (s *Server) events(w http.ResponseWriter, c *call) error {
	if !accepts(c.Header.Get("Accept"), eventStream) {
		return &refusal{
			status:  http.StatusMethodNotAllowed,
			message: "Method Not Allowed",
			details: "the event stream needs the header Accept: " + eventStream,
			header:  http.Header{"Allow": {"GET, HEAD, OPTIONS"}},
		}
	}
	name, role := c.query.Get("subscriber"), c.query.Get("role")
	if len(name) > maxName || len(role) > maxName {
		return badParameter("parameters subscriber and role may have at most 128 characters each")
	}
	if c.Method == http.MethodHead {
		w.Header().Set("Content-Type", eventStream)
		return nil
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		return &api.Error{Code: api.CodeUnavailable, Message: "too many event streams are open"}
	}
	s.metrics.subscribers.Inc()
	defer s.metrics.subscribers.Dec()
	s.stream(w, c, name, role)
	return nil
}

// maxName bounds the names followers give themselves.
const maxName = 128

// stream serves one subscriber until it leaves, is too slow, or the server ends.
func (s *Server) stream(w http.ResponseWriter, c *call, name, role string) {
	sub := s.backend.Subscribe(name, role, c.RemoteAddr)
	defer sub.Close()
	out := newEventWriter(w, s.opt.WriteTimeout)
	keep := typeFilter(c.query["event_type"])
	log := s.log.With("subscriber", name, "role", role, "remote", c.RemoteAddr)
	log.Info("event stream attached")
	defer func() { log.Info("event stream detached", "events", out.events) }()

	err := out.open()
	tick := time.NewTicker(s.opt.Heartbeat)
	defer tick.Stop()
	for err == nil {
		select {
		case e, ok := <-sub.C:
			if !ok {
				s.metrics.dropped.Inc()
				log.Warn("event stream cut off", "reason", "the subscriber is too slow or the orchestrator ends")
				return
			}
			if keep(e.Type) {
				err = out.event(e)
			}
		case <-tick.C:
			err = out.heartbeat()
		case <-c.Context().Done():
			return
		case <-s.closing:
			return
		}
	}
	s.metrics.dropped.Inc()
	log.Warn("event stream cut off", "reason", err)
}

// typeFilter keeps the events of the types asked for, all if none is; a name that is no type matches nothing.
func typeFilter(types []string) func(string) bool {
	if len(types) == 0 {
		return func(string) bool { return true }
	}
	return func(t string) bool { return slices.Contains(types, t) }
}
