package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

func TestFirstSnapshotHoldsEverything(t *testing.T) {
	s := clienttest.NewServer(t)
	s.Gzip(true)
	s.SetApps(app("/b", 2), app("/a", 1))
	f := follow(t, testOptions(s.URL()))
	got := f.settled(s)
	if len(got.Apps) != 2 || got.Apps[0].ID != "/a" || len(got.Apps[1].Tasks) != 2 {
		t.Errorf("apps %v", got.Apps)
	}
	if !got.Full || got.Source != s.URL() || time.Since(got.Time) > time.Minute {
		t.Errorf("full %v, source %s, time %v", got.Full, got.Source, got.Time)
	}
	if st := f.Status(); !st.Connected || st.SnapshotApps != 2 || st.FullReads != 1 || st.LastSync.IsZero() {
		t.Errorf("status %+v", st)
	}
}

func TestEventRefetchesOnlyTheAppConcerned(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApps(app("/a", 1), app("/b", 1), app("/gone", 1))
	f := follow(t, testOptions(s.URL()))
	before := f.settled(s)

	s.SetApp(app("/b", 3))
	after := f.settled(s)
	if find(after, "/a") != find(before, "/a") {
		t.Error("an app that did not change is a new pointer")
	}
	if len(find(after, "/b").Tasks) != 3 || after.Full {
		t.Errorf("b %v, full %v", find(after, "/b"), after.Full)
	}
	if len(find(before, "/b").Tasks) != 1 {
		t.Error("a delivered snapshot changed")
	}
	s.RemoveApp("/gone")
	if got := f.settled(s); find(got, "/gone") != nil || len(got.Apps) != 2 {
		t.Errorf("removed app is still there: %v", got.Apps)
	}
	if n := s.Requests("GET /v2/apps/a"); n != 0 {
		t.Errorf("app a read %d times on its own", n)
	}
	if st := f.Status(); st.FullReads != 1 {
		t.Errorf("%d full reads", st.FullReads)
	}
}

func TestBurstIsOneSnapshot(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	opt := testOptions(s.URL())
	opt.Quiet, opt.Ceiling = 200*time.Millisecond, 5*time.Second
	f := follow(t, opt)
	f.settled(s)
	before := len(f.all())
	for i := range 20 {
		s.SetApp(app("/a", i))
		s.SetApp(app(fmt.Sprintf("/x%d", i), 1))
	}
	f.settled(s)
	if n := len(f.all()) - before; n != 1 {
		t.Errorf("%d snapshots for one burst", n)
	}
	if n := s.Requests("GET /v2/apps/a"); n != 1 {
		t.Errorf("app a read %d times for one burst", n)
	}
}

func TestIndexAdvanceIsDeliveredWithTheSameApps(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	f := follow(t, testOptions(s.URL()))
	before := f.settled(s)
	s.SetApp(app("/a", 1)) // changes nothing but the index
	after := f.settled(s)
	if after.Index != before.Index+1 || after.Apps[0] != before.Apps[0] {
		t.Errorf("index %d after %d, same pointer %v", after.Index, before.Index, after.Apps[0] == before.Apps[0])
	}
	s.Emit("scheduler_registered_event", nil) // not asked for
	s.Emit(api.EventInstanceHealthChanged, map[string]any{"runSpecId": "/a"})
	f.settled(s)
}

func TestEventWithoutAppReadsEverything(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	f := follow(t, testOptions(s.URL()))
	f.settled(s)
	s.Quietly(map[string]*api.AppInfo{"/new": app("/new", 1)})
	s.Emit(api.EventStatusUpdate, map[string]any{"nothing": "known"})
	if got := f.settled(s); find(got, "/new") == nil || !got.Full {
		t.Errorf("apps %v, full %v", got.Apps, got.Full)
	}
}

func TestReconnectReadsEverything(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApps(app("/a", 1), app("/b", 1))
	f := follow(t, testOptions(s.URL()))
	before := f.settled(s)
	s.Quietly(map[string]*api.AppInfo{"/c": app("/c", 1)})
	s.CutStreams()
	after := f.settled(s)
	if find(after, "/c") == nil || find(after, "/a") != find(before, "/a") {
		t.Errorf("apps %v", after.Apps)
	}
	if st := f.Status(); st.Reconnects == 0 || st.FullReads < 2 {
		t.Errorf("status %+v", st)
	}
}

func TestResyncFindsWhatNoEventTold(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApps(app("/a", 1), app("/b", 1))
	opt := testOptions(s.URL())
	opt.Resync = 50 * time.Millisecond
	f := follow(t, opt)
	f.settled(s)
	s.Quietly(map[string]*api.AppInfo{"/c": app("/c", 1), "/a": nil})
	if got := f.settled(s); find(got, "/c") == nil || find(got, "/a") != nil {
		t.Errorf("apps %v", got.Apps)
	}
	n := len(f.all())
	was := f.Status().FullReads
	eventually(t, "more resyncs", func() bool { return f.Status().FullReads > was+3 })
	if m := len(f.all()); m != n {
		t.Errorf("%d snapshots although nothing changed", m-n)
	}
}

func TestSilentStreamIsReplaced(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	opt := testOptions(s.URL())
	opt.Silence = 150 * time.Millisecond
	s.Heartbeat(20 * time.Millisecond)
	f := follow(t, opt)
	f.settled(s)
	s.Silent(true)
	s.SetApp(app("/a", 2))
	f.settled(s) // by the full read of the next stream
	if st := f.Status(); st.Reconnects == 0 {
		t.Errorf("status %+v", st)
	}
	s.Silent(false)
	eventually(t, "a stream that stays", func() bool { return f.Status().Connected })
	synced := f.Status().LastSync
	eventually(t, "heartbeats to prove that the state is current", func() bool { return f.Status().LastSync.After(synced) })
}

func TestOtherURLTakesOver(t *testing.T) {
	a := clienttest.NewServer(t)
	b := a.NewPeer(t)
	a.SetApp(app("/a", 1))
	f := follow(t, testOptions(a.URL(), b.URL()))
	f.settled(a)
	a.Fail(http.StatusBadGateway)
	a.CutStreams()
	a.SetApp(app("/a", 2))
	if got := f.settled(a); got.Source != b.URL() {
		t.Errorf("source %s, want %s", got.Source, b.URL())
	}
}

func TestSuddenLossIsBelievedTheSecondTime(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApps(app("/a", 1), app("/b", 1), app("/c", 1))
	opt := testOptions(s.URL())
	opt.HoldDown = 300 * time.Millisecond
	f := follow(t, opt)
	f.settled(s)
	s.EmptyOnce()
	s.CutStreams()
	eventually(t, "suspicion", func() bool { return f.Status().Suspicious })
	s.SetApp(app("/b", 2)) // announced changes still travel
	f.wait("the change of b", func(sn *Snapshot) bool { return len(find(sn, "/b").Tasks) == 2 })
	s.RemoveApp("/c") // announced losses, too
	f.wait("the loss of c", func(sn *Snapshot) bool { return len(sn.Apps) == 2 })
	f.settled(s)
	for _, sn := range f.all() {
		if len(sn.Apps) < 2 {
			t.Fatalf("a lie was delivered: %d apps", len(sn.Apps))
		}
	}
	if st := f.Status(); st.Suspicious || st.Suspicions != 1 {
		t.Errorf("status %+v", st)
	}

	s.Quietly(map[string]*api.AppInfo{"/a": nil, "/b": nil})
	s.CutStreams()
	start := time.Now()
	f.wait("the true loss", func(sn *Snapshot) bool { return len(sn.Apps) == 0 })
	if d := time.Since(start); d < opt.HoldDown {
		t.Errorf("believed after %v", d)
	}
}

func TestEmptyFirstReadIsAskedTwice(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	s.EmptyOnce()
	f := follow(t, testOptions(s.URL()))
	f.settled(s)
	if got := f.all()[0]; len(got.Apps) != 1 {
		t.Errorf("first snapshot has %d apps", len(got.Apps))
	}
	none := clienttest.NewServer(t)
	if got := follow(t, testOptions(none.URL())).wait("an empty snapshot", func(*Snapshot) bool { return true }); len(got.Apps) != 0 {
		t.Errorf("apps %v", got.Apps)
	}
}

func TestUndecodableAppIsAProblem(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	s.SetRawApp("/bad", `{"id":["/bad"]}`)
	f := follow(t, testOptions(s.URL()))
	got := f.settled(s)
	if len(got.Apps) != 1 || got.Problems["apps(1)"] == "" {
		t.Errorf("apps %v, problems %v", got.Apps, got.Problems)
	}
	s.SetRawApp("/a", `"nonsense"`)
	if got = f.settled(s); len(got.Apps) != 0 || got.Problems["/a"] == "" {
		t.Errorf("apps %v, problems %v", got.Apps, got.Problems)
	}
	s.SetApps(app("/a", 1), app("/bad", 1))
	if got = f.settled(s); len(got.Apps) != 2 || got.Problems["/a"] != "" {
		t.Errorf("apps %v, problems %v", got.Apps, got.Problems)
	}
	s.CutStreams()
	f.wait("no problems", func(sn *Snapshot) bool { return len(sn.Apps) == 2 && len(sn.Problems) == 0 })
}

func TestAckThatIsRefusedIsNotRepeated(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	proxy := proxyTo(t, s, func(r *http.Request) {
		if r.URL.Path == "/v1/acks" {
			r.Body.Close()
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{")), 1 // answered by 400
		}
	})
	opt := testOptions(proxy)
	opt.Subscriber = "me"
	f := follow(t, opt, func(c *Client, sn *Snapshot) { _ = c.Ack(t.Context(), api.Ack{Index: sn.Index}) })
	f.settled(s)
	eventually(t, "the refusal", func() bool { return f.Status().LastError != "" })
	s.SetApp(app("/a", 2))
	f.settled(s)
	eventually(t, "the next report", func() bool { return s.Requests("POST /v1/acks") >= 2 })
	if n := s.Requests("POST /v1/acks"); n != 2 {
		t.Errorf("%d reports", n)
	}
}

func TestPlainMarathonIsFollowedWithoutIndex(t *testing.T) {
	s := clienttest.NewServer(t)
	s.Plain(true)
	s.SetApp(app("/a", 1))
	opt := testOptions(s.URL())
	opt.Subscriber, opt.Role = "me", "mlb"
	f := follow(t, opt, func(c *Client, sn *Snapshot) { _ = c.Ack(t.Context(), api.Ack{Index: sn.Index}) })
	f.wait("a", func(sn *Snapshot) bool { return len(sn.Apps) == 1 })
	for i := range 5 {
		s.SetApp(app("/a", i+2))
		f.wait("the change", func(sn *Snapshot) bool { return len(sn.Apps[0].Tasks) == i+2 })
	}
	eventually(t, "the refusal", func() bool { return f.Status().AcksRefused })
	if got := f.last(); got.Index != 0 {
		t.Errorf("index %d", got.Index)
	}
	if n := s.Requests("POST /v1/acks"); n != 1 {
		t.Errorf("acknowledged %d times to a server that knows none", n)
	}
}

func TestAcksReachTheServer(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	opt := testOptions(s.URL())
	opt.Subscriber, opt.Role = "me", "vip"
	f := follow(t, opt, func(c *Client, sn *Snapshot) {
		_ = c.Ack(t.Context(), api.Ack{Index: sn.Index, Sessions: map[string]int{"t": 1}})
		_ = c.Ack(t.Context(), api.Ack{Index: sn.Index + 1}) // more than is contained
	})
	acked := func() bool {
		acks := s.Acks()
		return len(acks) > 0 && acks[len(acks)-1].Index == s.Index()
	}
	f.settled(s)
	eventually(t, "an acknowledgement", func() bool { return len(s.Acks()) > 0 })
	s.SetApp(app("/a", 2))
	eventually(t, "the acknowledgement of the change", acked)
	last := s.Acks()[len(s.Acks())-1]
	if last.Subscriber != "me" || last.Role != "vip" || last.Sessions["t"] != 1 {
		t.Errorf("ack %+v", last)
	}
	n := len(s.Acks())
	s.CutStreams() // the new subscription has heard nothing of us yet
	eventually(t, "an acknowledgement to the new stream", func() bool { return len(s.Acks()) > n })
}

func TestGoodbyeReachesTheServer(t *testing.T) {
	s := clienttest.NewServer(t)
	opt := testOptions(s.URL())
	opt.Subscriber, opt.Role = "me", "mlb"
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if acks := s.Acks(); len(acks) != 1 || acks[0].Subscriber != "me" || acks[0].Role != "mlb" || !acks[0].Leaving {
		t.Errorf("acknowledgements %+v", acks)
	}
	s.Plain(true)
	if err := c.Leave(t.Context()); err != nil {
		t.Errorf("goodbye to a Marathon: %v", err)
	}
}

func TestResetStoreBeginsItsIndexAnew(t *testing.T) {
	s := clienttest.NewServer(t)
	for i := range 10 {
		s.SetApp(app("/a", i+1))
	}
	f := follow(t, testOptions(s.URL()))
	if got := f.settled(s); got.Index != 10 {
		t.Fatalf("index %d", got.Index)
	}
	s.Reset()
	s.SetApp(app("/b", 1))
	if got := f.wait("index 1", func(sn *Snapshot) bool { return sn.Index == 1 }); find(got, "/b") == nil {
		t.Errorf("apps %v", got.Apps)
	}
}

func TestOneSlowAppDoesNotHoldBackOthers(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApps(app("/a", 1), app("/b", 1))
	slow := make(chan struct{})
	proxy := proxyTo(t, s, func(r *http.Request) {
		if r.URL.Path == "/v2/apps/a" {
			select {
			case <-slow:
			case <-r.Context().Done():
			}
		}
	})
	f := follow(t, testOptions(proxy))
	before := f.settled(s).Index
	s.SetApp(app("/a", 2))
	s.SetApp(app("/b", 2))
	got := f.wait("b", func(sn *Snapshot) bool { return len(find(sn, "/b").Tasks) == 2 })
	if got.Index != before {
		t.Errorf("index %d claimed while app a is not read", got.Index)
	}
	close(slow)
	if got := f.settled(s); len(find(got, "/a").Tasks) != 2 {
		t.Errorf("a %v", find(got, "/a"))
	}
}

func TestAppThatCannotBeReadDoesNotHoldBackTheIndex(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApps(app("/a", 1), app("/b", 1))
	proxy := proxyTo(t, s, func(r *http.Request) {
		if r.URL.Path == "/v2/apps/a" {
			panic(http.ErrAbortHandler)
		}
	})
	f := follow(t, testOptions(proxy))
	f.settled(s)
	s.SetApp(app("/a", 2))
	if got := f.settled(s); len(find(got, "/a").Tasks) != 2 {
		t.Errorf("a %v", find(got, "/a"))
	}
}

func TestVerdictSurvivesAReadWithoutResults(t *testing.T) {
	s := clienttest.NewServer(t)
	checked := app("/a", 1)
	checked.HealthChecks = []api.HealthCheck{{Protocol: api.ProtocolHTTP}}
	checked.Tasks[0].HealthCheckResults = []api.HealthResult{{Alive: true}}
	s.SetApps(checked, app("/b", 1))
	opt := testOptions(s.URL())
	opt.CacheFile = filepath.Join(t.TempDir(), "cache")
	f := follow(t, opt)
	f.settled(s)

	bare := app("/a", 1)
	bare.HealthChecks = checked.HealthChecks
	bare.Tasks = append(bare.Tasks, api.Task{ID: "new", State: api.TaskRunning})
	s.SetApp(bare)
	a := find(f.settled(s), "/a")
	if !a.Tasks[0].Healthy(1) || a.Tasks[1].Healthy(1) {
		t.Errorf("tasks %+v", a.Tasks)
	}
	none := *bare
	none.Tasks = nil
	s.SetApp(&none)
	f.settled(s)
	f.stop()

	s.SetApp(bare) // the task is back, and the follower was restarted meanwhile
	f = follow(t, opt)
	if a = find(f.settled(s), "/a"); !a.Tasks[0].Healthy(1) || a.Tasks[1].Healthy(1) {
		t.Errorf("tasks after a restart %+v", a.Tasks)
	}
}

func TestLastSnapshotIsServedFromDisk(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApps(app("/a", 1), app("/b", 2))
	opt := testOptions(s.URL())
	opt.CacheFile = filepath.Join(t.TempDir(), "cache")
	f := follow(t, opt)
	live := f.settled(s)
	f.stop()
	info, err := os.Stat(opt.CacheFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("cache file %v, %v", info, err)
	}

	s.Fail(http.StatusServiceUnavailable)
	f = follow(t, opt)
	got := f.wait("the snapshot from disk", func(*Snapshot) bool { return true })
	if got.Source != "disk" || got.Index != 0 || !got.Time.Equal(live.Time) || len(got.Apps) != 2 {
		t.Errorf("%+v", got)
	}
	if !f.Status().FromDisk {
		t.Errorf("status %+v", f.Status())
	}
	s.Fail(0)
	if got = f.settled(s); got.Source != s.URL() || f.Status().FromDisk {
		t.Errorf("%+v", got)
	}
	f.stop()

	opt.DiskAfter = time.Hour // not when a source answers
	f = follow(t, opt)
	f.settled(s)
	if slices.ContainsFunc(f.all(), func(sn *Snapshot) bool { return sn.Source == "disk" }) {
		t.Error("served from disk although the source answered")
	}
}

func TestDamagedCacheIsIgnored(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	opt := testOptions(s.URL())
	opt.CacheFile = filepath.Join(t.TempDir(), "cache")
	for _, text := range []string{"", "{", `{"format":9}`, `{"format":1,"apps":[{"id":7}]}`, "\x00\x01"} {
		if err := os.WriteFile(opt.CacheFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := follow(t, opt)
		f.settled(s)
		f.stop()
		if got, err := load(opt.CacheFile); err != nil || len(got.apps) != 1 {
			t.Errorf("%q: cache not replaced: %v", text, err)
		}
	}
}

func TestReadsGoOnWithoutAnEventStream(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	proxy := proxyTo(t, s, func(r *http.Request) {
		if r.URL.Path == "/v2/events" {
			panic(http.ErrAbortHandler)
		}
	})
	f := follow(t, testOptions(proxy))
	f.settled(s)
	if f.Status().Connected {
		t.Error("connected without a stream")
	}
}

func TestSlowFollowerGetsTheLastStateOnly(t *testing.T) {
	s := clienttest.NewServer(t)
	s.SetApp(app("/a", 1))
	busy := make(chan struct{})
	f := follow(t, testOptions(s.URL()), func(*Client, *Snapshot) { <-busy })
	eventually(t, "the stream", func() bool { return s.Streams() == 1 })
	for i := range 50 {
		s.SetApp(app("/a", i))
	}
	close(busy)
	f.settled(s)
	if n := len(f.all()); n > 5 {
		t.Errorf("%d snapshots", n)
	}
}

func TestSecondWatchWaitsForTheFirst(t *testing.T) {
	s := clienttest.NewServer(t)
	f := follow(t, testOptions(s.URL()))
	f.settled(s)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := f.Watch(ctx, func(context.Context, *Snapshot) { t.Error("delivered") })
	if err != context.DeadlineExceeded {
		t.Error(err)
	}
}
