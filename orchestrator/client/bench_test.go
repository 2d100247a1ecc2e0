package client

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

// manyApps makes n apps with four tasks each.
func manyApps(n int) []*api.AppInfo {
	apps := make([]*api.AppInfo, n)
	for i := range apps {
		apps[i] = app(fmt.Sprintf("/group%d/app%d", i%100, i), 4)
		apps[i].Labels["HAPROXY_GROUP"] = "external"
		apps[i].Labels["HAPROXY_0_VHOST"] = fmt.Sprintf("app%d.example", i)
	}
	return apps
}

// BenchmarkOneChangeAmong10000 is the time from a change to its delivery, the quiet time of 5 ms included. The fake
// orchestrator runs in the same process, so its allocations count, too.
func BenchmarkOneChangeAmong10000(b *testing.B) {
	s := clienttest.NewServer(b)
	s.SetApps(manyApps(10_000)...)
	c := newTestClient(b, Options{URLs: []string{s.URL()}})
	ctx, cancel := context.WithCancel(b.Context())
	got, done := make(chan uint64, 100), make(chan error, 1)
	go func() { done <- c.Watch(ctx, func(_ context.Context, s *Snapshot) { got <- s.Index }) }()
	defer func() { cancel(); <-done }()
	<-got
	b.ReportAllocs()
	var worst time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		s.SetApp(app("/group0/app0", i%5+1))
		for want := s.Index(); <-got < want; {
		}
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
}

// BenchmarkApplyOneAmong10000 is the follower's own work for one changed app, without network and waiting.
func BenchmarkApplyOneAmong10000(b *testing.B) {
	st := newState()
	for _, a := range manyApps(10_000) {
		st.put(item{id: a.ID, app: a}, true)
	}
	var text [2][]byte
	for i := range text {
		text[i] = fmt.Appendf(nil, `{"app":{"id":"/group0/app0","instances":%d,"tasks":[{"id":"app0.1","state":"TASK_RUNNING"}]}}`, i+1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		it, err := readApp(bytes.NewReader(text[i%2]), "/group0/app0")
		if err != nil {
			b.Fatal(err)
		}
		st.put(it, false)
		if s := st.snapshot(uint64(i), time.Time{}, "", false); len(s.Apps) != 10_000 {
			b.Fatal(len(s.Apps))
		}
	}
}

// BenchmarkFullRead10000 reads everything: the first time, and again with nothing changed.
func BenchmarkFullRead10000(b *testing.B) {
	s := clienttest.NewServer(b)
	s.SetApps(manyApps(10_000)...)
	c := newTestClient(b, Options{URLs: []string{s.URL()}})
	all := func(string) bool { return false }
	for name, again := range map[string]bool{"first": false, "unchanged": true} {
		b.Run(name, func(b *testing.B) {
			st := newState()
			b.ReportAllocs()
			for b.Loop() {
				if !again {
					st = newState()
				}
				r := c.readAll(b.Context(), st.known(), "")
				if r.err != nil || !st.merge(r.items, all) {
					b.Fatal(r.err)
				}
			}
		})
	}
}
