package vip

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/orchestrator/client/clienttest"
	"berth/vip/nft"
	"berth/vip/ruleset"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

type rig struct {
	source *clienttest.Server
	kernel *kernel
	host   *host
	lb     *LB
	stop   func()
}

// newRig starts a loop between a fake orchestrator and a fake kernel.
func newRig(t *testing.T, k *kernel, change func(*Options)) *rig {
	t.Helper()
	r := &rig{source: clienttest.NewServer(t), kernel: k, host: newHost()}
	c, err := client.New(client.Options{URLs: []string{r.source.URL()}, Role: "vip", Subscriber: "vip-test"})
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{Source: c, Kernel: k, Host: r.host, Retry: 10 * time.Millisecond}
	if change != nil {
		change(&opt)
	}
	r.lb = New(opt)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.lb.Run(ctx) }()
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		c.Close()
	}
	t.Cleanup(r.stop)
	return r
}

func (r *rig) acknowledged(t *testing.T) {
	t.Helper()
	index := r.source.Index()
	eventually(t, fmt.Sprintf("index %d acknowledged", index), func() bool {
		acks := r.source.Acks()
		return len(acks) > 0 && acks[len(acks)-1].Index >= index && acks[len(acks)-1].Role == "vip"
	})
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatal("never: " + what)
}

func app(id, vip string, tasks ...string) *api.AppInfo {
	zero := 0
	a := &api.AppInfo{App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkBridge}},
		Container: &api.Container{Type: api.ContainerDocker, PortMappings: []api.PortMapping{
			{ContainerPort: 80, HostPort: &zero, Protocol: "tcp", Labels: map[string]string{"VIP_0": vip}}}}}}
	for i, text := range tasks {
		host, own, _ := strings.Cut(text, " ")
		a.Tasks = append(a.Tasks, api.Task{ID: fmt.Sprintf("%s.%d", id[1:], i), AppID: id, Host: host, State: api.TaskRunning,
			Ports: []int{31000}, IPAddresses: []api.Address{{IPAddress: own}}})
	}
	return a
}

func slots(r *ruleset.Ruleset, addr string) string {
	if r == nil {
		return "no table"
	}
	s := r.Find(ruleset.Key{Addr: netip.MustParseAddr(addr), Proto: ruleset.TCP, Port: 80})
	if s == nil {
		return "no VIP"
	}
	return fmt.Sprint(s.Slots)
}

func TestAChangeIsInForceBeforeItIsAcknowledged(t *testing.T) {
	r := newRig(t, &kernel{}, nil)
	r.source.SetApp(app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1", "agent 10.9.0.1"))
	r.acknowledged(t)
	if got := slots(r.kernel.table(), "1.1.1.1"); got != "[10.0.0.2:31000 10.9.0.1:80]" {
		t.Fatalf("got %s", got)
	}
	if !r.host.Hairpin("veth-10.9.0.1") {
		t.Error("the backend's port has no hairpin mode")
	}
	r.source.RemoveApp("/web")
	r.acknowledged(t)
	if got := slots(r.kernel.table(), "1.1.1.1"); got != "no VIP" {
		t.Fatalf("got %s", got)
	}
	if err := r.lb.Ready(); err != nil {
		t.Fatal(err)
	}
}

func TestLeftoversGoAfterAMoment(t *testing.T) {
	r := newRig(t, &kernel{}, nil)
	r.source.SetApp(app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1", "10.0.0.1 10.9.0.2"))
	r.acknowledged(t)
	r.source.SetApp(app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.2"))
	r.acknowledged(t)
	eventually(t, "leftovers gone", func() bool {
		have := r.kernel.table()
		return len(have.Services[0].Spare) == 0 && len(have.Hairpin) == 1 && len(have.Services[0].Slots) == 1
	})
}

// A route that has to stay, because connections are open, goes when they have ended, without another change.
func TestARouteInUseGoesLater(t *testing.T) {
	r := newRig(t, &kernel{}, nil)
	r.source.SetApps(app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1"), app("/other", "2.2.2.2:80"))
	r.acknowledged(t)
	r.host.mu.Lock()
	r.host.busy = 3
	r.host.mu.Unlock()
	r.source.RemoveApp("/web")
	r.acknowledged(t)
	eventually(t, "the route gone", func() bool {
		r.host.mu.Lock()
		defer r.host.mu.Unlock()
		return r.host.busy == 0 && !slices.Contains(r.host.routes, netip.MustParsePrefix("1.1.1.1/32"))
	})
}

func TestARefusedBatchIsTriedAgainAndNotAcknowledged(t *testing.T) {
	k := &kernel{}
	r := newRig(t, k, func(o *Options) { o.Retry = 200 * time.Millisecond })
	r.source.SetApp(app("/other", "2.2.2.2:80"))
	r.acknowledged(t)
	k.mu.Lock()
	k.refuse = errors.New("no")
	k.mu.Unlock()
	r.source.SetApp(app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1"))
	eventually(t, "not ready", func() bool { return r.lb.Ready() != nil })
	if acks := r.source.Acks(); acks[len(acks)-1].Index >= r.source.Index() {
		t.Fatal("acknowledged what is not in force")
	}
	r.acknowledged(t)
	if got := slots(r.kernel.table(), "1.1.1.1"); got != "[10.9.0.1:80]" {
		t.Fatalf("got %s", got)
	}
}

func TestALostAnswerIsReadBack(t *testing.T) {
	k := &kernel{lose: true}
	r := newRig(t, k, nil)
	r.source.SetApp(app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1"))
	r.acknowledged(t)
	if got := slots(r.kernel.table(), "1.1.1.1"); got != "[10.9.0.1:80]" {
		t.Fatalf("got %s", got)
	}
}

func TestAStrangersChangeIsRepaired(t *testing.T) {
	k := &kernel{}
	r := newRig(t, k, nil)
	r.source.SetApp(app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1"))
	r.acknowledged(t)
	k.mu.Lock()
	k.have = nil
	k.mu.Unlock()
	r.host.mu.Lock()
	touched := r.host.touched
	r.host.mu.Unlock()
	touched()
	eventually(t, "repaired", func() bool { return slots(k.table(), "1.1.1.1") == "[10.9.0.1:80]" })
	eventually(t, "counted", func() bool { return r.lb.view().repairs == 1 })
}

func TestARestartAdoptsTheTable(t *testing.T) {
	k := &kernel{}
	web := app("/web", "/web:80", "10.0.0.1 10.9.0.1")
	r := newRig(t, k, nil)
	r.source.SetApp(web)
	r.acknowledged(t)
	r.stop()
	before := k.batches
	if before == 0 {
		t.Fatal("nothing was applied")
	}
	r = newRig(t, k, nil)
	r.source.SetApp(web)
	r.acknowledged(t)
	// The second source begins empty, so the VIP may go and come back; but the table is never made anew.
	if k.table().Layout != (ruleset.Layout{}) || len(k.table().Services) != 1 {
		t.Fatalf("got %s", k.table())
	}
}

func TestNamesKeepTheirAddressesOverRestarts(t *testing.T) {
	file := t.TempDir() + "/addresses.json"
	lookup := func(r *rig) []netip.Addr {
		r.source.SetApp(app("/web", "/web:80", "10.0.0.1 10.9.0.1"))
		r.acknowledged(t)
		return r.lb.view().result.VIPs[0].Addrs
	}
	r := newRig(t, &kernel{}, func(o *Options) { o.StateFile = file })
	lookup(r)
	r.stop()
	m := newMemory(file)
	if err := m.load(time.Now()); err != nil || len(m.names) != 1 {
		t.Fatalf("%v %v", m.names, err)
	}
	other := m.names["web"]
	other.V4 = netip.MustParseAddr("11.9.9.9") // as if it had collided
	m.names["web"] = other
	m.save(r.lb.builder, time.Now(), r.lb.log)
	r = newRig(t, &kernel{}, func(o *Options) { o.StateFile = file })
	if got := lookup(r); got[0] != netip.MustParseAddr("11.9.9.9") {
		t.Fatalf("got %s", got)
	}
	if err := m.load(time.Now().Add(quarantine + time.Hour)); err != nil {
		t.Fatal(err)
	}
	fresh := newMemory(file)
	if err := fresh.load(time.Now().Add(quarantine + time.Hour)); err != nil || len(fresh.names) != 0 {
		t.Fatalf("remembered after the quarantine: %v %v", fresh.names, err)
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t, &kernel{}, nil)
	r.source.SetApps(app("/bad", "1.1.1.1"), app("/web", "/web:80", "10.0.0.1 10.9.0.1"))
	r.acknowledged(t)
	ask := func(path, tag string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		q := httptest.NewRequest(http.MethodGet, path, nil)
		q.Header.Set("If-None-Match", tag)
		r.lb.Handler().ServeHTTP(w, q)
		return w
	}
	const v1 = `[{"vip":"web.marathon.l4lb.thisdcos.directory:80","protocol":"tcp","backend":[{"ip":"10.9.0.1","port":80}]}]`
	w := ask("/v1/vips", "")
	if got := strings.TrimSpace(w.Body.String()); got != v1 {
		t.Errorf("v1: %s", got)
	}
	if again := ask("/v1/vips", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
		t.Errorf("with its ETag: %d", again.Code)
	}
	var list Listing
	if err := json.Unmarshal(ask("/v2/vips", "").Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.VIPs) != 1 || len(list.Problems) != 1 || list.Problems[0].App != "/bad" || list.VIPs[0].Backends[0].State != "active" {
		t.Errorf("v2: %+v", list)
	}
	for path, want := range map[string]int{"/v2/vips/" + list.VIPs[0].ID: 200, "/v2/vips/tcp/nobody:1": 404, "/healthz": 200,
		"/readyz": 200, "/health": 200, "/ready": 200, "/v2/names": 200, "/": 404} {
		if got := ask(path, "").Code; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	for _, want := range []string{"vip_ready 1", "vip_vips 1", `vip_backends{state="active"} 1`, "vip_problems 1",
		`vip_connections_total{protocol="tcp",vip="web.marathon.l4lb.thisdcos.directory:80"} 0`} {
		if body := ask("/metrics", "").Body.String(); !strings.Contains(body, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
}

func TestOpenConnectionsOfADrainingTaskAreReported(t *testing.T) {
	r := newRig(t, &kernel{}, nil)
	key := ruleset.Key{Addr: netip.MustParseAddr("1.1.1.1"), Proto: ruleset.TCP, Port: 80}
	r.host.open = []backend{{key, netip.MustParseAddrPort("10.9.0.1:80")}, {key, netip.MustParseAddrPort("10.9.0.1:80")},
		{key, netip.MustParseAddrPort("10.9.0.2:80")}}
	web := app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1", "10.0.0.1 10.9.0.2")
	r.source.SetApp(web)
	r.acknowledged(t)
	last := func() api.Ack { acks := r.source.Acks(); return acks[len(acks)-1] }
	if got := last().Sessions; len(got) > 0 {
		t.Errorf("nothing drains, and there are sessions: %v", got)
	}
	web = app("/web", "1.1.1.1:80", "10.0.0.1 10.9.0.1", "10.0.0.1 10.9.0.2")
	web.Tasks[0].State = api.TaskKilling
	r.source.SetApp(web)
	r.acknowledged(t)
	if got := last().Sessions; len(got) != 1 || got["web.0"] != 2 {
		t.Fatalf("sessions %v, want two of web.0", got)
	}
	r.host.mu.Lock()
	r.host.open = nil
	r.host.mu.Unlock()
	eventually(t, "their end is reported", func() bool { return len(last().Sessions) == 0 })
}

func TestCountersSurviveTheRewritingOfElements(t *testing.T) {
	key := ruleset.Key{Addr: netip.MustParseAddr("1.1.1.1"), Proto: ruleset.TCP, Port: 80}
	a, b := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:80")
	slot := func(i int, to netip.AddrPort) ruleset.Slot { return ruleset.Slot{Key: key, Index: i, To: to} }
	reading := func(service uint64, slots map[ruleset.Slot]uint64) nft.Counters {
		return nft.Counters{Services: map[ruleset.Key]uint64{key: service}, Slots: slots}
	}
	var y tally
	take := func(c nft.Counters) {
		t.Helper()
		if !y.take(c, y.version, time.Time{}) {
			t.Fatal("not taken")
		}
	}
	want := func(what string, service, ofA, ofB uint64) {
		t.Helper()
		if got := [3]uint64{y.total.services[key], y.total.backends[backend{key, a}], y.total.backends[backend{key, b}]}; got !=
			[3]uint64{service, ofA, ofB} {
			t.Errorf("%s: got %d, want %d", what, got, [3]uint64{service, ofA, ofB})
		}
	}
	take(reading(10, map[ruleset.Slot]uint64{slot(0, a): 4, slot(1, b): 6}))
	want("first", 10, 4, 6)
	take(reading(13, map[ruleset.Slot]uint64{slot(0, a): 5, slot(1, b): 8}))
	want("more", 13, 5, 8)

	// b moves to the first slot: both elements are written anew, and count more than before by the next reading.
	over := y.changing()
	if y.take(nft.Counters{}, y.version, time.Time{}) {
		t.Error("a reading during a change was taken")
	}
	before := y.version - 1
	over(&ruleset.Batch{Del: ruleset.Elements{Entries: []ruleset.Entry{{Key: key}}, Slots: []ruleset.Slot{slot(0, a), slot(1, b)}}})
	if y.take(nft.Counters{}, before, time.Time{}) {
		t.Error("a reading from before a change was taken")
	}
	take(reading(20, map[ruleset.Slot]uint64{slot(0, b): 20}))
	want("after a change", 33, 0, 28)
	over = y.changing()
	over(&ruleset.Batch{Create: true})
	take(reading(25, map[ruleset.Slot]uint64{slot(0, b): 20, slot(1, b): 5}))
	want("after a new table", 58, 0, 53)
}

func TestOnlyOneInstanceRuns(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
	unlock()
	again, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
