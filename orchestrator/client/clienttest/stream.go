package clienttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/orchestrator/api"
)

// stream is one subscriber. Its queue has no limit: tests are small.
type stream struct {
	types []string // event types wanted; empty means all

	mu     sync.Mutex
	events []event
	wake   chan struct{}
	ended  chan struct{}
	once   sync.Once
}

func (s *stream) queue(events []event) {
	s.mu.Lock()
	for _, e := range events {
		if len(s.types) == 0 || slices.Contains(s.types, e.kind) {
			s.events = append(s.events, e)
		}
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) cut() { s.once.Do(func() { close(s.ended) }) }

// text takes everything queued, as it goes over the wire.
func (s *stream) text(plain bool) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b bytes.Buffer
	for _, e := range s.events {
		data := e.data
		if plain {
			data = withoutIndex(data)
		}
		fmt.Fprintf(&b, "event: %s\r\ndata: %s\r\n\r\n", e.kind, data)
	}
	s.events = nil
	return b.Bytes()
}

func withoutIndex(data []byte) []byte {
	var m map[string]any
	_ = json.Unmarshal(data, &m)
	delete(m, "index")
	out, _ := json.Marshal(m)
	return out
}

// events serves one event stream until somebody ends it.
func (s *Server) events(w http.ResponseWriter, r *http.Request, b behaviour) {
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	st := &stream{types: r.URL.Query()["event_type"], wake: make(chan struct{}, 1), ended: make(chan struct{})}
	s.c.mu.Lock()
	s.c.streams[st] = true
	st.queue([]event{s.c.event(api.EventStreamAttached, map[string]any{"remoteAddress": r.RemoteAddr})})
	s.c.mu.Unlock()
	defer func() {
		s.c.mu.Lock()
		delete(s.c.streams, st)
		s.c.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	s.pump(w, r, st, b)
}

func (s *Server) pump(w http.ResponseWriter, r *http.Request, st *stream, b behaviour) {
	beat := time.NewTicker(b.heartbeat)
	defer beat.Stop()
	lost := false // a stream that has lost events never speaks again, as it would be with TCP
	for {
		var text []byte
		select {
		case <-st.wake:
			text = st.text(b.plain)
		case <-beat.C:
			text = []byte("\r\n")
		case <-st.ended:
			return
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		}
		s.mu.Lock()
		silent := s.b.silent
		s.mu.Unlock()
		if lost = lost || silent && len(bytes.TrimSpace(text)) > 0; lost || silent {
			continue
		}
		if _, err := w.Write(text); err != nil {
			return
		}
		_ = http.NewResponseController(w).Flush()
	}
}
