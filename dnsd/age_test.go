package dnsd

import (
	"context"
	"sync"
	"testing"
	"time"

	"berth/dnsd/server"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// quiet is a source that was heard of last at a time.
type quiet struct {
	mu   sync.Mutex
	last time.Time
}

func (q *quiet) heard(at time.Time) { q.mu.Lock(); defer q.mu.Unlock(); q.last = at }

func (q *quiet) Status() client.Status {
	q.mu.Lock()
	defer q.mu.Unlock()
	return client.Status{LastSync: q.last, LastError: "connection refused"}
}

func (q *quiet) Watch(ctx context.Context, _ func(context.Context, *client.Snapshot)) error {
	<-ctx.Done()
	return ctx.Err()
}
func (q *quiet) Ack(context.Context, api.Ack) error        { return nil }
func (q *quiet) Info(context.Context) (client.Info, error) { return client.Info{}, nil }
func unloaded(s *server.Server) bool                       { _, loaded := s.Zone(); return !loaded }

// The clock is the test's: the source is gone for minutes, then for hours, then back.
func TestSourceGoneForMinutes(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		expire  time.Duration
		silence time.Duration
		stale   bool
		expired bool
	}{
		{"a moment", time.Hour, 29 * time.Second, false, false},
		{"half a minute", time.Hour, 31 * time.Second, true, false},
		{"ten minutes", time.Hour, 10 * time.Minute, true, false},
		{"an hour and more", time.Hour, 61 * time.Minute, true, true},
		{"a month, when nothing expires", 0, 30 * 24 * time.Hour, true, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			b := newBuilder(t)
			s, err := server.New(server.DefaultConfig(), b.Update(nil, 1), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			src := &quiet{last: began}
			d := New(Options{Source: src, Server: s, Builder: b, ExpireAfter: tt.expire})
			d.deliver(t.Context(), &client.Snapshot{Apps: []*api.AppInfo{app("/web", "10.0.0.1")}, Time: began})
			serial := d.Zone().Serial()
			now := began.Add(tt.silence)
			d.checkAge(now)
			if st := d.Status(); st.Stale != tt.stale || st.Expired != tt.expired || !st.Loaded {
				t.Errorf("stale %v, expired %v", st.Stale, st.Expired)
			}
			if unloaded(s) != tt.expired || !tt.expired && !has(s, "web.marathon.mesos") {
				t.Errorf("answers: %v", !unloaded(s))
			}
			src.heard(now)
			d.checkAge(now.Add(time.Second))
			if st := d.Status(); st.Stale || st.Expired || !has(s, "web.marathon.mesos") || st.Serial != serial {
				t.Errorf("heard of again: %+v", st)
			}
		})
	}
}
