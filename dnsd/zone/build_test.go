package zone

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

func options(t testing.TB) Options {
	t.Helper()
	o, err := DefaultOptions().Validate()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func build(t testing.TB, apps ...*api.AppInfo) *Zone { return NewBuilder(options(t)).Update(apps, 1) }

// records prints what apps gave to the main zone, a record a line, with single blanks: the TTL tells it from the rest.
func records(z *Zone) []string {
	var b strings.Builder
	if _, err := z.WriteTo(&b); err != nil {
		panic(err)
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if line = strings.Join(strings.Fields(line), " "); strings.Contains(line, " 5 IN ") {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

func hostApp(id string, ports ...int) *api.AppInfo {
	a := &api.AppInfo{App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkHost}}}}
	for range ports {
		a.PortDefinitions = append(a.PortDefinitions, api.PortDefinition{Protocol: "tcp"})
	}
	a.Tasks = []api.Task{running("t1", "10.0.0.1", "x-S1", ports...)}
	return a
}

func running(id, host, agent string, ports ...int) api.Task {
	return api.Task{ID: id, Host: host, SlaveID: agent, State: api.TaskRunning, Ports: ports}
}

func bridgeApp(id string, hostPort *int, container, port int) *api.AppInfo {
	a := &api.AppInfo{App: api.App{
		ID: id, Networks: []api.Network{{Mode: api.NetworkBridge}},
		Container: &api.Container{PortMappings: []api.PortMapping{{ContainerPort: container, HostPort: hostPort, Protocol: "tcp", Name: "http"}}},
	}}
	a.Tasks = []api.Task{running("t1", "10.0.0.1", "x-S1", port)}
	a.Tasks[0].IPAddresses = []api.Address{{IPAddress: "172.17.0.2", Protocol: "IPv4"}}
	return a
}

func TestRecordsOfOneTask(t *testing.T) {
	h := idHash("t1")
	zero := 0
	for _, tt := range []struct {
		name string
		app  *api.AppInfo
		want []string
	}{
		{"host mode: the agent's address and port", hostApp("/test1", 31000), []string{
			"_test1._tcp.marathon.mesos. 5 IN SRV 0 1 31000 test1-" + h + "-s1.marathon.slave.mesos.",
			"_test1._tcp.marathon.slave.mesos. 5 IN SRV 0 1 31000 test1-" + h + "-s1.marathon.slave.mesos.",
			"_test1._udp.marathon.slave.mesos. 5 IN SRV 0 1 31000 test1-" + h + "-s1.marathon.slave.mesos.",
			"test1-" + h + "-s1.marathon.mesos. 5 IN A 10.0.0.1",
			"test1-" + h + "-s1.marathon.slave.mesos. 5 IN A 10.0.0.1",
			"test1.marathon.mesos. 5 IN A 10.0.0.1",
			"test1.marathon.slave.mesos. 5 IN A 10.0.0.1",
		}},
		{"bridge with a host port: agent address, never the bridge's", bridgeApp("/test2", &zero, 80, 31001), []string{
			"_http._test2._tcp.marathon.mesos. 5 IN SRV 0 1 31001 test2-" + h + "-s1.marathon.slave.mesos.",
			"_test2._tcp.marathon.mesos. 5 IN SRV 0 1 31001 test2-" + h + "-s1.marathon.slave.mesos.",
			"_test2._tcp.marathon.slave.mesos. 5 IN SRV 0 1 31001 test2-" + h + "-s1.marathon.slave.mesos.",
			"_test2._udp.marathon.slave.mesos. 5 IN SRV 0 1 31001 test2-" + h + "-s1.marathon.slave.mesos.",
			"test2-" + h + "-s1.marathon.mesos. 5 IN A 10.0.0.1",
			"test2-" + h + "-s1.marathon.slave.mesos. 5 IN A 10.0.0.1",
			"test2.marathon.mesos. 5 IN A 10.0.0.1",
			"test2.marathon.slave.mesos. 5 IN A 10.0.0.1",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, records(build(t, tt.app))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestContainerNetworkUsesTheTasksOwnAddressAndPort(t *testing.T) {
	a := &api.AppInfo{App: api.App{
		ID: "/db", Networks: []api.Network{{Mode: api.NetworkContainer, Name: "net"}},
		Container: &api.Container{PortMappings: []api.PortMapping{{ContainerPort: 5432, Protocol: "tcp"}}},
	}}
	a.Tasks = []api.Task{running("t1", "10.0.0.1", "x-S1")}
	a.Tasks[0].IPAddresses = []api.Address{{IPAddress: "9.0.2.5"}, {IPAddress: "fd01:b::2"}, {IPAddress: "nonsense"}}
	h := idHash("t1")
	want := []string{
		"_db._tcp.marathon.mesos. 5 IN SRV 0 1 5432 db-" + h + "-s1.marathon.mesos.",
		"db-" + h + "-s1.marathon.mesos. 5 IN A 9.0.2.5",
		"db-" + h + "-s1.marathon.mesos. 5 IN AAAA fd01:b::2",
		"db-" + h + "-s1.marathon.slave.mesos. 5 IN A 10.0.0.1",
		"db.marathon.mesos. 5 IN A 9.0.2.5",
		"db.marathon.mesos. 5 IN AAAA fd01:b::2",
		"db.marathon.slave.mesos. 5 IN A 10.0.0.1",
	}
	if diff := cmp.Diff(want, records(build(t, a))); diff != "" {
		t.Error(diff)
	}
}

func TestGroupsHaveTwoNames(t *testing.T) {
	z := build(t, hostApp("/a/b/web", 1000))
	for _, name := range []string{"web-b-a.marathon.mesos", "web.b.a.marathon.mesos"} {
		if a := z.Lookup(name, TypeA).Answer; a != Success {
			t.Errorf("%s: answer %v", name, a)
		}
	}
}

func TestAnswers(t *testing.T) {
	z := build(t, hostApp("/a/web", 1000))
	for _, tt := range []struct {
		name string
		typ  uint16
		want Answer
	}{
		{"web-a.marathon.mesos", TypeA, Success},
		{"web-a.marathon.mesos", TypeAAAA, NoData},
		{"_web-a._tcp.marathon.mesos", TypeSRV, Success},
		{"_tcp.marathon.mesos", TypeA, NoData}, // an ancestor of a name that exists
		{"marathon.mesos", TypeA, NoData},
		{"a.marathon.mesos", TypeA, NoData},
		{"mesos", TypeA, NoData},
		{"nothing.marathon.mesos", TypeA, NXDomain},
		{"nothing.marathon.mesos", TypeSRV, NXDomain},
		{"example.com", TypeA, Outside},
		{"notmesos", TypeA, Outside},
	} {
		if got := z.Lookup(tt.name, tt.typ).Answer; got != tt.want {
			t.Errorf("Lookup(%s, %d) = %v, want %v", tt.name, tt.typ, got, tt.want)
		}
	}
}

func TestOnlyTasksThatShouldGetTraffic(t *testing.T) {
	alive, dead := []api.HealthResult{{Alive: true}}, []api.HealthResult{{Alive: false}}
	checked := func(results ...[]api.HealthResult) *api.AppInfo {
		a := hostApp("/web", 1000)
		a.HealthChecks = []api.HealthCheck{{Protocol: "HTTP"}}
		a.Tasks = nil
		for i, r := range results {
			task := running(fmt.Sprint("t", i), fmt.Sprint("10.0.0.", i), "x-S1", 1000)
			task.HealthCheckResults = r
			a.Tasks = append(a.Tasks, task)
		}
		return a
	}
	killing := hostApp("/web", 1000)
	killing.Tasks[0].State = api.TaskKilling
	for _, tt := range []struct {
		name   string
		filter HealthFilter
		app    *api.AppInfo
		want   []string
	}{
		{"healthy only", FilterOpen, checked(alive, dead, nil), []string{"10.0.0.0"}},
		{"fails open", FilterOpen, checked(dead, nil), []string{"10.0.0.0", "10.0.0.1"}},
		{"strict does not", FilterStrict, checked(dead, nil), nil},
		{"off serves all", FilterOff, checked(alive, dead), []string{"10.0.0.0", "10.0.0.1"}},
		{"a task that is being killed is gone", FilterOff, killing, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(t)
			o.Filter = tt.filter
			set := NewBuilder(o).Update([]*api.AppInfo{tt.app}, 1).Lookup("web.marathon.mesos", TypeA).Set
			var got []string
			if set != nil {
				for _, r := range set.Records() {
					got = append(got, r.Addr.String())
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLongNamesStaySendable(t *testing.T) {
	z := build(t, hostApp("/"+strings.Repeat("a", 63), 1000), hostApp("/"+strings.Repeat("b.", 200)+"c", 1000))
	for n := range z.Nodes {
		if !encodable(n.Name) {
			t.Errorf("name %q cannot be sent", n.Name)
		}
	}
	if z.Count().Records == 0 {
		t.Error("no records")
	}
}

func TestCollisionsAreMergedAndReported(t *testing.T) {
	b := NewBuilder(options(t))
	second := hostApp("/web-b", 1001)
	second.Tasks[0].ID, second.Tasks[0].Host = "t2", "10.0.0.2"
	z := b.Update([]*api.AppInfo{hostApp("/b/web", 1000), second}, 1)
	r := z.Lookup("web-b.marathon.mesos", TypeA)
	if r.Set == nil || r.Set.Len() != 2 || len(r.Node.Apps) != 2 {
		t.Errorf("merged set: %+v of %v", r.Set, r.Node)
	}
	if p := b.Problems(); len(p) == 0 || !slices.Equal(p[0].Apps, []string{"/b/web", "/web-b"}) {
		t.Errorf("problems: %+v", p)
	}
}

func TestSerialGrowsOnlyWithChanges(t *testing.T) {
	b := NewBuilder(options(t))
	one := b.Update([]*api.AppInfo{hostApp("/a", 1)}, 100)
	if same := b.Update([]*api.AppInfo{hostApp("/a", 1)}, 200); same != one {
		t.Error("an equal app made a new zone")
	}
	if two := b.Update([]*api.AppInfo{hostApp("/b", 1)}, 100); two.Serial() != 101 {
		t.Errorf("second change in a second: serial %d, want 101", two.Serial())
	}
	if three := b.Update(nil, 500); three.Serial() != 500 || len(records(three)) != 0 {
		t.Errorf("serial %d, records %v", three.Serial(), records(three))
	}
}

// Whatever sequence of apps a builder has seen, its zone is the one a new builder makes of the last of them.
func TestIncrementalEqualsFresh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, err := DefaultOptions().Validate()
		if err != nil {
			t.Fatal(err)
		}
		o.Filter = rapid.SampledFrom([]HealthFilter{FilterOpen, FilterStrict, FilterOff}).Draw(t, "filter")
		b := NewBuilder(o)
		var apps []*api.AppInfo
		for step := range rapid.IntRange(1, 6).Draw(t, "steps") {
			apps = drawApps(t, apps)
			z := b.Update(apps, uint32(step))
			fresh := NewBuilder(o).Update(apps, 1)
			if diff := cmp.Diff(records(fresh), records(z)); diff != "" {
				t.Fatalf("step %d: %s", step, diff)
			}
			for n := range fresh.Nodes {
				if a := z.Lookup(n.Name, TypeA).Answer; a == NXDomain {
					t.Fatalf("step %d: %s is missing", step, n.Name)
				}
			}
			if z.Count() != fresh.Count() {
				t.Fatalf("step %d: count %+v, want %+v", step, z.Count(), fresh.Count())
			}
			for n := range z.Nodes {
				if a := fresh.Lookup(n.Name, TypeA).Answer; a == NXDomain {
					t.Fatalf("step %d: %s lingers", step, n.Name)
				}
			}
		}
	})
}

// drawApps changes some apps and keeps the pointers of the others.
func drawApps(t *rapid.T, old []*api.AppInfo) []*api.AppInfo {
	var out []*api.AppInfo
	for _, id := range []string{"/web", "/a/web", "/web-a", "/a", "/b.c/web"} {
		i := slices.IndexFunc(old, func(a *api.AppInfo) bool { return a.ID == id })
		switch what := rapid.IntRange(0, 2).Draw(t, id); {
		case what == 0:
		case what == 1 && i >= 0:
			out = append(out, old[i])
		default:
			a := hostApp(id, 1000)
			a.HealthChecks = []api.HealthCheck{{}}
			a.Tasks = nil
			for n := range rapid.IntRange(0, 3).Draw(t, "tasks") {
				task := running(fmt.Sprint(id, n), fmt.Sprint("10.0.0.", n), "x-S1", 1000)
				task.HealthCheckResults = []api.HealthResult{{Alive: rapid.Bool().Draw(t, "alive")}}
				a.Tasks = append(a.Tasks, task)
			}
			out = append(out, a)
		}
	}
	return out
}

func manyApps(n, tasks int) []*api.AppInfo {
	out := make([]*api.AppInfo, n)
	for i := range out {
		out[i] = hostApp(fmt.Sprintf("/group-%d/app-%d", i%100, i), 31000)
		out[i].Tasks = nil
		for j := range tasks {
			out[i].Tasks = append(out[i].Tasks, running(fmt.Sprintf("app-%d.%d", i, j),
				netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j + 1)}).String(), "x-S1", 31000))
		}
	}
	return out
}

func BenchmarkBuild10000x4(b *testing.B) {
	apps := manyApps(10000, 4)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	builder := NewBuilder(options(b))
	z := builder.Update(apps, 1)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	for b.Loop() {
		build(b, apps...)
	}
	b.ReportMetric(float64(z.Count().Names), "names")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "live-MB")
	runtime.KeepAlive(builder)
}

// One task more among 10,000 apps.
func BenchmarkOneTaskMore10000(b *testing.B) {
	apps := manyApps(10000, 4)
	builder := NewBuilder(options(b))
	builder.Update(apps, 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		changed := *apps[i%10000]
		changed.Tasks = append(slices.Clone(changed.Tasks), running(fmt.Sprint("more", i), "10.9.9.9", "x-S1", 31001))
		apps[i%10000] = &changed
		builder.Update(apps, 1)
	}
}

// What is reported follows what is there: nothing lingers, nothing is missed.
func TestProblemsOfIncrementalEqualFresh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, err := DefaultOptions().Validate()
		if err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(o)
		var apps []*api.AppInfo
		for step := range rapid.IntRange(1, 6).Draw(t, "steps") {
			apps = drawApps(t, apps)
			b.Update(apps, uint32(step))
			fresh := NewBuilder(o)
			fresh.Update(apps, 1)
			if diff := cmp.Diff(fresh.Problems(), b.Problems()); diff != "" || fresh.Troubles() != b.Troubles() {
				t.Fatalf("step %d: %s", step, diff)
			}
		}
	})
}
