package client

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

var t0 = time.Unix(1_700_000_000, 0)

func TestCoalescerWaitsForQuietButNotBeyondTheCeiling(t *testing.T) {
	c := coalescer{quiet: 5 * time.Millisecond, ceiling: 50 * time.Millisecond}
	if !c.due().IsZero() {
		t.Error("due without a note")
	}
	for ms := range 100 {
		now := t0.Add(time.Duration(ms) * time.Millisecond)
		c.note(now)
		want := min(ms+5, 50)
		if got := c.due().Sub(t0); got != time.Duration(want)*time.Millisecond {
			t.Fatalf("noted until %d ms, due at %v", ms, got)
		}
	}
	c.reset()
	c.note(t0.Add(time.Hour))
	if got := c.due().Sub(t0); got != time.Hour+5*time.Millisecond {
		t.Errorf("after a reset due at %v", got)
	}
}

func TestBackoffIsFastFirstThenDoublesToItsMaximum(t *testing.T) {
	b := backoff{base: 250 * time.Millisecond, max: 30 * time.Second}
	var got []int64
	for range 10 {
		got = append(got, b.next(1).Milliseconds())
	}
	if d := cmp.Diff([]int64{31, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000}, got); d != "" {
		t.Error(d)
	}
	for range 1000 {
		b.next(0)
	}
	if low := b.next(0); low != 15*time.Second {
		t.Errorf("least wait %v", low)
	}
}

func TestInboxBoundsItsLengthWithoutHidingAnIndex(t *testing.T) {
	b := newInbox()
	for i := range maxNotices + 100 {
		b.put(notice{change: change{apps: []string{fmt.Sprint("/", i)}, index: uint64(i + 1)}})
	}
	b.put(notice{err: errors.New("ended")})
	l := b.take()
	if len(l) != maxNotices+1 {
		t.Fatalf("%d notices", len(l))
	}
	if got := l[maxNotices-1].change; !got.all || got.since != maxNotices || got.index != maxNotices+100 {
		t.Errorf("last event %+v", got)
	}
	p := newProgress()
	p.startFull(true)
	p.endFull(0, func(string) bool { return true })
	for _, n := range l[maxNotices-1:] {
		p.event(n.change)
	}
	if got := p.claim(); got != maxNotices-1 {
		t.Errorf("claim %d", got)
	}
}

func TestProgress(t *testing.T) {
	all := func(string) bool { return true }
	synced := func(index uint64) *progress {
		p := newProgress()
		p.startFull(true)
		p.endFull(index, all)
		return p
	}
	ev := func(index uint64, ids ...string) change { return change{apps: ids, index: index} }
	claim := func(p *progress, want uint64) {
		t.Helper()
		if got := p.claim(); got != want {
			t.Errorf("claim %d, want %d", got, want)
		}
	}
	t.Run("an open app caps the claim below its first event", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.event(ev(7, "/b"))
		p.event(ev(8, "/a"))
		claim(p, 5)
		p.take(9, t0)
		claim(p, 5)
		p.done("/a", 8, t0)
		claim(p, 6)
		p.done("/b", 8, t0)
		claim(p, 8)
	})
	t.Run("an event during a read opens the app again, but only for itself", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.take(9, t0)
		p.event(ev(7, "/a"))
		if p.done("/a", 6, t0) != applied {
			t.Error("not applied")
		}
		claim(p, 6)
		if ids := p.take(9, t0); len(ids) != 1 {
			t.Errorf("to be read: %v", ids)
		}
	})
	t.Run("an answer that contains an event during its read settles it", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.take(9, t0)
		p.event(ev(7, "/a"))
		p.done("/a", 7, t0)
		claim(p, 7)
	})
	t.Run("an answer older than its event is stale and read again later", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.take(9, t0)
		if p.done("/a", 5, t0.Add(time.Second)) != stale {
			t.Error("not stale")
		}
		claim(p, 5)
		if ids := p.take(9, t0); len(ids) != 0 {
			t.Errorf("read again at once: %v", ids)
		}
		if ids := p.take(9, t0.Add(time.Second)); len(ids) != 1 {
			t.Errorf("not read again: %v", ids)
		}
	})
	t.Run("a full answer older than what was known is stale", func(t *testing.T) {
		p := newProgress()
		p.event(change{start: true, index: 4})
		p.startFull(true)
		if !p.staleFull(3) || p.staleFull(4) || p.staleFull(0) {
			t.Error("4 is the least index")
		}
	})
	t.Run("a full read settles what it contains and makes reads in flight void", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.take(9, t0)
		p.event(ev(7, "/b"))
		p.event(ev(9, "/c"))
		p.startFull(false)
		p.endFull(8, all)
		claim(p, 8)
		if p.done("/a", 6, t0) != void {
			t.Error("an answer of unknown age was applied")
		}
		if ids := p.take(9, t0); !cmp.Equal(ids, []string{"/c"}) {
			t.Errorf("to be read: %v", ids)
		}
	})
	t.Run("an announced app that a full read does not list is read alone", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.event(ev(7, "/b"))
		p.startFull(true)
		p.endFull(8, func(id string) bool { return id == "/b" })
		claim(p, 5)
		if ids := p.take(9, t0); !cmp.Equal(ids, []string{"/a"}) {
			t.Errorf("to be read: %v", ids)
		}
		p.done("/a", 8, t0)
		claim(p, 8)
	})
	t.Run("a full read that fails gives everything back", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.event(change{all: true, index: 7})
		p.startFull(true)
		p.event(ev(8, "/b"))
		claim(p, 5)
		p.dropFull()
		claim(p, 5)
		if ids := p.take(9, t0); len(ids) != 2 {
			t.Errorf("to be read: %v", ids)
		}
	})
	t.Run("an event without an index counts as not older than those before", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.event(ev(0, "/b"))
		p.take(9, t0)
		p.done("/a", 6, t0)
		claim(p, 5)
		p.done("/b", 0, t0)
		claim(p, 6)
	})
	t.Run("a new stream begins with nothing", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		p.take(9, t0)
		p.reset()
		claim(p, 0)
		if p.done("/a", 6, t0) != void || p.idle() {
			t.Error("an answer from before was applied")
		}
	})
	t.Run("the failures of an app are counted until it is read", func(t *testing.T) {
		p := synced(5)
		p.event(ev(6, "/a"))
		for want := 1; want <= 3; want++ {
			p.take(9, t0)
			if got := p.failed("/a", t0); got != want {
				t.Errorf("%d failures, want %d", got, want)
			}
		}
	})
}

func TestSuspicious(t *testing.T) {
	c := func(pairs ...any) census {
		m := census{}
		for i := 0; i < len(pairs); i += 3 {
			m[pairs[i].(string)] = counts{pairs[i+1].(int), pairs[i+2].(int)}
		}
		return m
	}
	four := c("/a", 1, 1, "/b", 1, 1, "/c", 1, 1, "/d", 1, 1)
	for name, tc := range map[string]struct {
		old, read census
		want      bool
	}{
		"nothing lost":             {four, four, false},
		"half of the apps":         {four, c("/a", 1, 1, "/b", 1, 1), false},
		"most of the apps":         {four, c("/a", 1, 1), true},
		"the only app":             {c("/a", 1, 1), c(), true},
		"one of one, and another":  {c("/a", 1, 1), c("/b", 1, 1), false},
		"most of the tasks":        {c("/a", 5, 5, "/b", 1, 1), c("/a", 1, 5, "/b", 1, 1), true},
		"tasks no longer wanted":   {c("/a", 5, 5, "/b", 1, 1), c("/a", 1, 1, "/b", 1, 1), false},
		"one task of one":          {c("/a", 1, 1), c("/a", 0, 1), false},
		"most tasks with two apps": {c("/a", 5, 5, "/b", 5, 5, "/c", 1, 1, "/d", 1, 1, "/e", 1, 1), c("/c", 1, 1, "/d", 1, 1, "/e", 1, 1), true},
	} {
		if got := suspicious(tc.old, tc.read); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
		s := suspicion{hold: time.Second, any: true}
		believed := []bool{
			s.believe(tc.old, tc.read, t0),
			s.believe(tc.old, tc.read, t0.Add(time.Second/2)),
			s.believe(tc.old, tc.read, t0.Add(time.Second)),
		}
		if d := cmp.Diff([]bool{!tc.want, !tc.want, true}, believed); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestSecondReadThatShowsMuchLessDoesNotAgree(t *testing.T) {
	believed, half := census{}, census{}
	for i := range 10 {
		believed[fmt.Sprint("/", i)] = counts{1, 1}
	}
	half["/1"], half["/2"] = counts{1, 1}, counts{1, 1}
	s := suspicion{hold: time.Second, any: true}
	for i, read := range []census{half, {}, half} {
		if s.believe(believed, read, t0.Add(time.Duration(i)*time.Second)) {
			t.Errorf("read %d believed", i)
		}
	}
	if !s.believe(believed, half, t0.Add(3*time.Second)) {
		t.Error("not believed although two reads agree")
	}
}

func TestSourceThatIsStillFindingItsStateIsPutOff(t *testing.T) {
	believed := census{}
	for i := range 100 {
		believed[fmt.Sprint("/", i)] = counts{1, 1}
	}
	s := suspicion{hold: time.Second, any: true}
	found, now := census{}, t0
	for i := range 100 {
		found[fmt.Sprint("/", i)] = counts{1, 1}
		if i%20 != 0 {
			continue
		}
		if got := s.believe(believed, maps.Clone(found), now); got != (i >= 49) {
			t.Errorf("with %d apps found: believed %v", i+1, got)
		}
		now = now.Add(time.Second)
	}
	for i := range 2 * maxHolds { // but not for ever
		found = census{fmt.Sprint("/", i): counts{1, 1}}
		if s.believe(believed, found, now) {
			return
		}
		now = now.Add(time.Second)
	}
	t.Error("never believed")
}

func TestVerdictsAreBoundedOldestFirst(t *testing.T) {
	v := newVerdicts(3)
	for i := range 10 {
		v.keep(fmt.Sprint(i), []api.HealthResult{{Alive: true}})
		v.keep("again", []api.HealthResult{{}})
	}
	if len(v.byTask) != 3 || len(v.order) != 3 || v.byTask["9"] == nil || v.byTask["8"] == nil {
		t.Errorf("%v", v.byTask)
	}
}

func TestEmptyResultsAreAVerdict(t *testing.T) {
	old := &api.AppInfo{Tasks: []api.Task{{ID: "1", HealthCheckResults: []api.HealthResult{{Alive: true}}}}}
	now := &api.AppInfo{App: api.App{HealthChecks: []api.HealthCheck{{}}}, Tasks: []api.Task{{ID: "1", HealthCheckResults: []api.HealthResult{}}}}
	newVerdicts(1).fill(now, old)
	if len(now.Tasks[0].HealthCheckResults) != 0 {
		t.Error("filled in")
	}
}

func TestSavedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := saved{at: t0.UTC(), source: rapid.String().Draw(t, "source")}
		for i := range rapid.IntRange(0, 4).Draw(t, "apps") {
			a := app(fmt.Sprint("/", i), rapid.IntRange(1, 3).Draw(t, "tasks"))
			a.Labels["x"] = rapid.String().Draw(t, "label")
			want.apps = append(want.apps, a)
		}
		var b bytes.Buffer
		if err := encode(&b, want); err != nil {
			t.Fatal(err)
		}
		whole := b.Bytes()
		cut := rapid.IntRange(0, len(whole)-2).Draw(t, "cut")
		if _, err := decodeSaved(bytes.NewReader(whole[:cut])); err == nil {
			t.Error("a cut file was accepted")
		}
		got, err := decodeSaved(bytes.NewReader(whole))
		if err != nil || got.source != want.source || !got.at.Equal(want.at) || len(got.apps) != len(want.apps) {
			t.Fatalf("%+v, %v", got, err)
		}
		for i, a := range got.apps {
			if a.Labels["x"] != want.apps[i].Labels["x"] || len(a.Tasks) != len(want.apps[i].Tasks) {
				t.Errorf("app %+v", a)
			}
		}
	})
}

func TestSaveStopsAtItsLimit(t *testing.T) {
	c := &capped{w: &bytes.Buffer{}, left: 10}
	if err := encode(c, saved{apps: []*api.AppInfo{app("/a", 1)}}); err == nil {
		t.Error("no error")
	}
}

// A server that is restarted again and again is found again at once each time; one that takes no connection, or drops it
// at once, is asked more and more seldom.
func TestBackoffForgetsAfterAStreamThatLived(t *testing.T) {
	b := backoff{base: streamBase, max: 30 * time.Second}
	for range 30 {
		if d := b.after(3*time.Second, 1); d > streamBase {
			t.Fatalf("waits %v after a stream of 3 s", d)
		}
	}
	var last time.Duration
	for range 30 {
		last = b.after(10*time.Millisecond, 1)
	}
	if last != 30*time.Second {
		t.Errorf("waits %v after many streams that did not live", last)
	}
}
