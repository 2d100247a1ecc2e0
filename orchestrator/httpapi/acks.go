package httpapi

import (
	"fmt"
	"net/http"

	"berth/orchestrator/api"
)

// ack is POST /v1/acks: a follower of the event stream reports how far it has come.
func (s *Server) ack(w http.ResponseWriter, c *call) error {
	data, err := c.body(w)
	if err != nil {
		return err
	}
	a, err := parseAck(data)
	if err != nil {
		return err
	}
	if err := s.backend.Ack(a); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func parseAck(data []byte) (api.Ack, error) {
	var a api.Ack
	obj, err := decodeObject(data)
	if err != nil {
		return a, err
	}
	for _, f := range []struct {
		name, expected string
		into           any
	}{
		{"subscriber", "a name", &a.Subscriber},
		{"role", "mlb, dnsd or vip", &a.Role},
		{"index", "a number from 0", &a.Index},
		{"sessions", "an object of task ids and numbers", &a.Sessions},
		{"leaving", "true or false", &a.Leaving},
	} {
		if err := field(obj, f.name, f.expected, f.into); err != nil {
			return a, err
		}
	}
	switch {
	case a.Subscriber == "" || len(a.Subscriber) > maxName:
		return a, invalid("/subscriber", fmt.Sprintf("must have 1 to %d characters", maxName))
	case len(a.Role) > maxName:
		return a, invalid("/role", fmt.Sprintf("must have at most %d characters", maxName))
	}
	for task, n := range a.Sessions {
		if n < 0 {
			return a, invalid("/sessions/"+task, fmt.Sprintf("is %d; expected a number from 0", n))
		}
	}
	return a, nil
}
