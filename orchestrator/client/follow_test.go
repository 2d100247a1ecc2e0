package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

// follower is a running Watch and the snapshots it got.
type follower struct {
	*Client
	t    testing.TB
	mu   sync.Mutex
	got  []*Snapshot
	stop func()
}

// testOptions are fast enough for tests and never time out in them.
func testOptions(urls ...string) Options {
	return Options{
		URLs: urls, HoldDown: 100 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
		DiskAfter: 50 * time.Millisecond, Resync: time.Hour,
	}
}

func newTestClient(t testing.TB, opt Options) *Client {
	t.Helper()
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// follow starts a Watch that ends with the test, or at stop.
func follow(t testing.TB, opt Options, each ...func(*Client, *Snapshot)) *follower {
	t.Helper()
	if testing.Verbose() {
		opt.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	f := &follower{Client: newTestClient(t, opt), t: t}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- f.Watch(ctx, func(_ context.Context, s *Snapshot) {
			for _, e := range each {
				e(f.Client, s)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.got = append(f.got, s)
		})
	}()
	f.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returned %v, want the context's error", err)
		}
	})
	t.Cleanup(f.stop)
	return f
}

func (f *follower) all() []*Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*Snapshot{}, f.got...)
}

func (f *follower) last() *Snapshot {
	if all := f.all(); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// wait waits until the last snapshot satisfies ok.
func (f *follower) wait(what string, ok func(*Snapshot) bool) *Snapshot {
	f.t.Helper()
	var s *Snapshot
	eventually(f.t, what, func() bool { s = f.last(); return s != nil && ok(s) })
	return s
}

// settled waits for a snapshot of everything the server has.
func (f *follower) settled(s *clienttest.Server) *Snapshot {
	f.t.Helper()
	return f.wait("the server's index", func(sn *Snapshot) bool { return sn.Index == s.Index() })
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// app makes an app with n running tasks.
func app(id string, n int) *api.AppInfo {
	a := &api.AppInfo{App: api.App{ID: id, Instances: n, Labels: map[string]string{}}}
	for i := range n {
		a.Tasks = append(a.Tasks, api.Task{
			ID: fmt.Sprintf("%s.%d", id[1:], i), AppID: id, Host: "127.0.0.1", Ports: []int{31000 + i},
			State: api.TaskRunning,
		})
	}
	return a
}

func find(s *Snapshot, id string) *api.AppInfo {
	for _, a := range s.Apps {
		if a.ID == id {
			return a
		}
	}
	return nil
}
