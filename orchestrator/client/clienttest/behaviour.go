package clienttest

import (
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
)

func (s *Server) set(f func(*behaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.b)
}

// Silent makes event streams send nothing, not even heartbeats, without closing them.
func (s *Server) Silent(on bool) { s.set(func(b *behaviour) { b.silent = on }) }

// Fail answers every request with status until told 0.
func (s *Server) Fail(status int) { s.FailNext(-1, status, `{"message":"told to fail"}`) }

// FailNext answers the next n requests with status and body; negative means all.
func (s *Server) FailNext(n, status int, body string) {
	s.set(func(b *behaviour) { b.status, b.failing, b.body = status, n, body })
}

// EmptyOnce answers the next list of all apps with an empty one.
func (s *Server) EmptyOnce() { s.EmptyNext(1) }

// EmptyNext answers the next n lists of all apps with empty ones.
func (s *Server) EmptyNext(n int) { s.set(func(b *behaviour) { b.emptyLists = n }) }

// Plain makes the node a real Marathon: no index, no acknowledgements.
func (s *Server) Plain(on bool) { s.set(func(b *behaviour) { b.plain = on }) }

// Gzip packs the answers to reads if asked to.
func (s *Server) Gzip(on bool) { s.set(func(b *behaviour) { b.gzip = on }) }

// Heartbeat sets how often new streams send an empty line [10 s].
func (s *Server) Heartbeat(d time.Duration) { s.set(func(b *behaviour) { b.heartbeat = d }) }

// Delay makes reads wait before they answer with the state as it was when they came.
func (s *Server) Delay(d time.Duration) { s.set(func(b *behaviour) { b.delay = d }) }

// CutStreams ends all event streams of the cluster.
func (s *Server) CutStreams() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for st := range s.c.streams {
		st.cut()
	}
}

// Streams counts the cluster's open event streams.
func (s *Server) Streams() int {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return len(s.c.streams)
}

// Acks returns all acknowledgements the cluster has got.
func (s *Server) Acks() []api.Ack {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return slices.Clone(s.c.acks)
}

// Requests counts this node's requests whose method and path, "GET /v2/apps/web", start with prefix.
func (s *Server) Requests(prefix string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}
