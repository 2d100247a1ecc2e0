package client

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

// history remembers, for a server whose apps carry the index of their last change as label, what was true at which index.
type history struct {
	mu   sync.Mutex
	apps map[string][]revision
	bad  []string
}

// revision is a change of an app: its existence from index on.
type revision struct {
	index  uint64
	exists bool
}

const revLabel = "REV"

func (h *history) note(id string, index uint64, exists bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.apps[id] = append(h.apps[id], revision{index, exists})
}

// at returns what was true of an app at index.
func at(revs []revision, index uint64) revision {
	var r revision
	for _, v := range revs {
		if v.index <= index {
			r = v
		}
	}
	return r
}

// check makes sure that s contains everything up to its index.
func (h *history) check(s *Snapshot) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, revs := range h.apps {
		want, have := at(revs, s.Index), find(s, id)
		switch {
		case have != nil && revOf(have) < want.index:
			h.bad = append(h.bad, fmt.Sprintf("index %d claimed, but %s is of %d, not %d", s.Index, id, revOf(have), want.index))
		case have == nil && want.exists && !goneAfter(revs, want.index):
			h.bad = append(h.bad, fmt.Sprintf("index %d claimed, but %s is missing", s.Index, id))
		}
	}
}

func goneAfter(revs []revision, index uint64) bool {
	for _, r := range revs {
		if r.index > index && !r.exists {
			return true
		}
	}
	return false
}

func revOf(a *api.AppInfo) uint64 {
	var n uint64
	_, _ = fmt.Sscan(a.Labels[revLabel], &n)
	return n
}

// world is a cluster of two nodes that changes at random. One of them at times lies or fails; the other can be silent, but
// what it says is true, so that a lie is never confirmed.
type world struct {
	a, b *clienttest.Server
	h    *history
	has  map[string]bool
}

func (w *world) change(ids []string, n int) {
	var apps []*api.AppInfo
	next := w.a.Index() + 1
	for _, id := range ids {
		ap := app(id, n)
		ap.Labels[revLabel] = fmt.Sprint(next)
		apps = append(apps, ap)
		w.h.note(id, next, true) // before it is visible, so that nothing newer than the history can be seen
		w.has[id] = true
	}
	w.a.SetApps(apps...)
}

func (w *world) remove(id string) {
	if !w.has[id] {
		return
	}
	w.h.note(id, w.a.Index()+1, false)
	delete(w.has, id)
	w.a.RemoveApp(id)
}

// TestConvergesAndNeverClaimsMoreThanItContains is the law of Watch: whatever changes, breaks and lies come, it ends with
// the server's state, and no snapshot on the way lacks a change up to its index.
func TestConvergesAndNeverClaimsMoreThanItContains(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := &scope{TB: t}
		defer s.end()
		converge(s, rt)
	})
}

// scope is a test within a test: what is to be cleaned up is at its end.
type scope struct {
	testing.TB
	ends []func()
}

func (s *scope) Cleanup(f func()) { s.ends = append(s.ends, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.ends) {
		f()
	}
}

func converge(t testing.TB, rt *rapid.T) {
	a := clienttest.NewServer(t)
	w := &world{a: a, b: a.NewPeer(t), h: &history{apps: map[string][]revision{}}, has: map[string]bool{}}
	a.Delay(time.Duration(rapid.IntRange(0, 3).Draw(rt, "delay")) * time.Millisecond)
	w.change([]string{"/app0", "/app1", "/app2"}, 1)
	opt := testOptions(w.a.URL(), w.b.URL())
	opt.HoldDown, opt.Silence = 15*time.Millisecond, 30*time.Millisecond
	opt.Quiet, opt.Ceiling = 2*time.Millisecond, 10*time.Millisecond
	opt.Resync = time.Duration(rapid.SampledFrom([]int{5, 50, 5000}).Draw(rt, "resync")) * time.Millisecond
	a.Heartbeat(5 * time.Millisecond)
	w.b.Heartbeat(5 * time.Millisecond)
	f := follow(t, opt, func(_ *Client, s *Snapshot) { w.h.check(s) })
	for range rapid.IntRange(1, 25).Draw(rt, "steps") {
		w.step(rt)
		time.Sleep(time.Duration(rapid.IntRange(0, 5).Draw(rt, "pause")) * time.Millisecond)
	}
	for _, s := range []*clienttest.Server{w.a, w.b} {
		s.Fail(0)
		s.Silent(false)
	}
	w.change([]string{"/last"}, 1)
	got := f.settled(w.a)
	f.stop()
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	for _, b := range w.h.bad {
		rt.Error(b)
	}
	for id, revs := range w.h.apps {
		last := revs[len(revs)-1]
		if have := find(got, id); (have != nil) != last.exists || have != nil && revOf(have) != last.index {
			rt.Errorf("in the end %s is %v, want %+v", id, have, last)
		}
	}
}

func (w *world) step(rt *rapid.T) {
	node := w.a
	if rapid.Bool().Draw(rt, "on b") {
		node = w.b
	}
	id := func() string { return fmt.Sprintf("/app%d", rapid.IntRange(0, 5).Draw(rt, "app")) }
	switch rapid.SampledFrom([]string{"one", "one", "many", "remove", "cut", "lie", "fail", "silent", "loud", "vague"}).Draw(rt, "step") {
	case "one":
		w.change([]string{id()}, rapid.IntRange(0, 3).Draw(rt, "tasks"))
	case "many":
		w.change(rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"/app0", "/app1", "/app2", "/app3", "/app4"}), 2, 4,
			rapid.ID[string]).Draw(rt, "apps"), 1)
	case "remove":
		w.remove(id())
	case "cut":
		w.a.CutStreams()
	case "lie":
		w.a.EmptyOnce()
	case "fail":
		w.a.FailNext(rapid.IntRange(1, 3).Draw(rt, "failures"), 503, `{"message":"not now"}`)
	case "silent":
		node.Silent(true)
	case "loud":
		node.Silent(false)
	case "vague": // an event that names no app
		next := w.a.Index() + 1
		ap := app(id(), 1)
		ap.Labels[revLabel] = fmt.Sprint(next)
		w.h.note(ap.ID, next, true)
		w.has[ap.ID] = true
		w.a.SetVaguely(ap)
	}
}
