package dnsd

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/dnsd/server"
	"berth/dnsd/zone"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/orchestrator/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func app(id, host string) *api.AppInfo {
	return &api.AppInfo{
		App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkHost}}, PortDefinitions: []api.PortDefinition{{}}},
		Tasks: []api.Task{{
			ID: id + ".1", AppID: id, Host: host, SlaveID: "a-S1", State: api.TaskRunning, Ports: []int{31000},
		}},
	}
}

func newBuilder(t testing.TB) *zone.Builder {
	t.Helper()
	o, err := zone.DefaultOptions().Validate()
	if err != nil {
		t.Fatal(err)
	}
	return zone.NewBuilder(o)
}

// start runs a loop until the test ends, or stop is called.
func start(t testing.TB, dir string, urls ...string) (d *Daemon, s *server.Server, stop func()) {
	t.Helper()
	c, err := client.New(client.Options{
		URLs: urls, Subscriber: "dnsd-test", Role: "dnsd", CacheFile: filepath.Join(dir, "apps.json"),
		DiskAfter: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(t)
	if s, err = server.New(server.DefaultConfig(), b.Update(nil, 1), nil, nil); err != nil {
		t.Fatal(err)
	}
	d = New(Options{
		Source: c, Server: s, Builder: b, InfraFile: filepath.Join(dir, "infra.json"), StaleAfter: 300 * time.Millisecond,
	})
	end := runUntilEnd(t, d)
	stop = func() {
		end()
		c.Close()
	}
	t.Cleanup(stop)
	return d, s, stop
}

// runUntilEnd runs a loop until the test ends, or stop is called.
func runUntilEnd(t testing.TB, d *Daemon) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func has(s *server.Server, name string) bool {
	z, loaded := s.Zone()
	return loaded && z.Lookup(name, zone.TypeA).Answer == zone.Success
}

func TestFollowsAndAcknowledges(t *testing.T) {
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	d, s, _ := start(t, t.TempDir(), src.URL())
	wait(t, "the first app", func() bool { return has(s, "web.marathon.mesos") })
	src.SetApp(app("/db", "10.0.0.2"))
	wait(t, "a new app", func() bool { return has(s, "db.marathon.mesos") })
	killing := app("/db", "10.0.0.2").Tasks[0]
	killing.State = api.TaskKilling
	src.SetTasks("/db", killing)
	wait(t, "a task that is to end is gone", func() bool { return !has(s, "db.marathon.mesos") })
	wait(t, "that is acknowledged", func() bool {
		acks := src.Acks()
		return len(acks) > 0 && acks[len(acks)-1].Index == src.Index() && acks[len(acks)-1].Role == "dnsd"
	})
	if st := d.Status(); !st.Loaded || st.Stale || st.Apps != 2 {
		t.Errorf("status %+v", st)
	}
}

func TestSourceGoneIsStaleAndServedOn(t *testing.T) {
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	d, s, _ := start(t, t.TempDir(), src.URL())
	wait(t, "the first app", func() bool { return has(s, "web.marathon.mesos") })
	src.Fail(503)
	src.CutStreams()
	wait(t, "stale", func() bool { return d.Status().Stale })
	if !has(s, "web.marathon.mesos") {
		t.Error("the zone is gone with its source")
	}
	src.Fail(0)
	wait(t, "fresh again", func() bool { return !d.Status().Stale })
}

func TestAnswersBeforeTheSourceIsBack(t *testing.T) {
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	dir := t.TempDir()
	_, s, stop := start(t, dir, src.URL())
	wait(t, "the first app", func() bool { return has(s, "web.marathon.mesos") })
	stop()
	src.Fail(503)
	began := time.Now()
	d, s, _ := start(t, dir, src.URL())
	wait(t, "the last zone", func() bool { return has(s, "web.marathon.mesos") })
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("that took %s", took)
	}
	wait(t, "stale", func() bool { return d.Status().Stale })
}

func TestSuddenEmptinessIsNotBelievedOnce(t *testing.T) {
	src := clienttest.NewServer(t)
	for _, id := range []string{"/a", "/b", "/c", "/d"} {
		src.SetApp(app(id, "10.0.0.1"))
	}
	d, s, _ := start(t, t.TempDir(), src.URL())
	wait(t, "the first apps", func() bool { return has(s, "d.marathon.mesos") })
	serial := d.Zone().Serial()
	src.EmptyOnce()
	src.CutStreams()
	wait(t, "a second read", func() bool { return d.Status().Watch.FullReads >= 2 && d.Status().Watch.Connected })
	if !has(s, "a.marathon.mesos") || d.Zone().Serial() != serial {
		t.Error("an empty answer emptied the zone")
	}
}

// A leader that is known before the apps, of which there are none, must not keep the zone from being served.
func TestAnEmptyClusterIsServed(t *testing.T) {
	src := clienttest.NewServer(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "infra.json"), []byte(`{"leader":"10.0.0.9:8080"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Options{URLs: []string{src.URL()}, Subscriber: "dnsd-test", Role: "dnsd"})
	if err != nil {
		t.Fatal(err)
	}
	b := newBuilder(t)
	s, err := server.New(server.DefaultConfig(), b.Update(nil, 1), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{Source: c, Server: s, Builder: b, InfraFile: filepath.Join(dir, "infra.json")})
	d.setLeader("10.0.0.8:8080")
	d.SetVIPs(nil)
	if _, loaded := s.Zone(); loaded {
		t.Error("served before apps were read")
	}
	d.deliver(t.Context(), &client.Snapshot{Time: time.Now()})
	if !has(s, "leader.mesos") {
		t.Error("the zone of a cluster without apps is not served")
	}
	c.Close()
}

// Changes faster than one a second put the serial ahead of the clock. After kill -9 it goes on from there.
func TestTheSerialNeverGoesBack(t *testing.T) {
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	dir := t.TempDir()
	d, s, stop := start(t, dir, src.URL())
	wait(t, "the first app", func() bool { return has(s, "web.marathon.mesos") })
	d.mu.Lock()
	d.floor = uint32(time.Now().Unix()) + 5000
	d.mu.Unlock()
	src.SetApp(app("/db", "10.0.0.1"))
	wait(t, "the second app", func() bool { return has(s, "db.marathon.mesos") })
	serial := d.Zone().Serial()
	wait(t, "the serial is on disk", func() bool { return loadKept(filepath.Join(dir, "infra.json")).Serial >= serial })
	stop()
	d, s, _ = start(t, dir, src.URL())
	wait(t, "the first zone", func() bool { return has(s, "db.marathon.mesos") })
	if next := d.Zone().Serial(); next <= serial {
		t.Errorf("serial %d after %d", next, serial)
	}
}

func TestDamagedFilesAreOfNoUse(t *testing.T) {
	for _, text := range []string{"", "{", `{"leader":7}`, `{"leader":"` + strings.Repeat("x", maxLeader+1) + `","serial":9}`, "\x00"} {
		file := filepath.Join(t.TempDir(), "infra.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k := loadKept(file); k != (kept{}) {
			t.Errorf("%.20q gave %v", text, k)
		}
	}
}

func TestNextWaitsForAChange(t *testing.T) {
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	d, _, _ := start(t, t.TempDir(), src.URL())
	z, err := d.Next(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	src.SetApp(app("/db", "10.0.0.2"))
	next, err := d.Next(t.Context(), z.Serial())
	if err != nil || next.Serial() <= z.Serial() {
		t.Errorf("serial %d after %d, %v", next.Serial(), z.Serial(), err)
	}
	d.SetVIPs(map[string][]netip.Addr{"web.marathon.l4lb.thisdcos.directory": {netip.MustParseAddr("11.0.0.1")}})
	if d.Zone().Lookup("web.marathon.l4lb.thisdcos.directory", zone.TypeA).Answer != zone.Success {
		t.Error("no name for a virtual address")
	}
}

// From a change at the source to answers that know of it, with 10,000 apps of 4 tasks; 5 ms of that is the watch's quiet time.
func BenchmarkChangeVisible10000x4(b *testing.B) {
	src := clienttest.NewServer(b)
	apps := make([]*api.AppInfo, 10_000)
	for i := range apps {
		apps[i] = app(fmt.Sprintf("/g-%d/app-%d", i%100, i), "10.0.0.1")
		for j := range 3 {
			t := apps[i].Tasks[0]
			t.ID, t.Host = fmt.Sprint(t.ID, j), fmt.Sprintf("10.0.%d.%d", i%250, j+2)
			apps[i].Tasks = append(apps[i].Tasks, t)
		}
	}
	src.SetApps(apps...)
	d, s, _ := start(b, b.TempDir(), src.URL())
	wait(b, "the first zone", func() bool { return has(s, "app-9999-g-99.marathon.mesos") })
	i, own := 0, time.Duration(0)
	for b.Loop() {
		i++
		name := fmt.Sprintf("new-%d", i)
		src.SetApp(app("/"+name, "10.9.9.9"))
		for !has(s, name+".marathon.mesos") {
			time.Sleep(100 * time.Microsecond)
		}
		own += d.Status().Took
	}
	b.ReportMetric(float64(own.Microseconds())/float64(i), "own-µs/op")
}
