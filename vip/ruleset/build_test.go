package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

func build(t testing.TB, opt Options, apps ...*api.AppInfo) Result {
	t.Helper()
	b, err := NewBuilder(opt)
	if err != nil {
		t.Fatal(err)
	}
	return b.Build(apps, nil)
}

// bridged is an app with one port on a bridge; each task is "state host own [alive|dead]".
func bridged(id, label string, checks int, tasks ...string) *api.AppInfo {
	zero := 0
	a := &api.AppInfo{App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkBridge}},
		Container: &api.Container{Type: api.ContainerDocker, PortMappings: []api.PortMapping{
			{ContainerPort: 80, HostPort: &zero, Protocol: "tcp", Labels: map[string]string{"VIP_0": label}}}},
		HealthChecks: make([]api.HealthCheck, checks)}}
	for i, text := range tasks {
		w := strings.Fields(text)
		k := api.Task{ID: fmt.Sprintf("%s.%d", id[1:], i), AppID: id, State: api.TaskState("TASK_" + w[0]), Host: w[1],
			Ports: []int{31000 + i}, IPAddresses: []api.Address{{IPAddress: w[2]}}}
		if len(w) > 3 {
			k.HealthCheckResults = []api.HealthResult{{Alive: w[3] == "alive"}}
		}
		a.Tasks = append(a.Tasks, k)
	}
	return a
}

func TestWhichTasksGetConnections(t *testing.T) {
	for _, c := range []struct {
		rule   string
		checks int
		all    bool
		tasks  []string
		want   string
	}{
		{"own node: the container; other node: its host port", 0, false,
			[]string{"RUNNING 10.0.0.1 10.9.0.1", "RUNNING 10.0.0.2 10.9.0.1"}, "10.0.0.2:31001 10.9.0.1:80"},
		{"a named host is looked up", 0, false, []string{"RUNNING agent 10.9.0.1"}, "10.0.0.3:31000"},
		{"an unknown host is left out", 0, false, []string{"RUNNING nowhere 10.9.0.1"}, ""},
		{"the same address twice is one backend", 0, false,
			[]string{"RUNNING 10.0.0.1 10.9.0.1", "RUNNING 10.0.0.1 10.9.0.1"}, "10.9.0.1:80"},
		{"only running tasks", 0, false, []string{"STAGING 10.0.0.1 10.9.0.1", "STARTING 10.0.0.1 10.9.0.2",
			"FINISHED 10.0.0.1 10.9.0.3", "KILLING 10.0.0.1 10.9.0.4", "RUNNING 10.0.0.1 10.9.0.5"}, "10.9.0.5:80"},
		{"with checks, only those with a good result", 1, false, []string{"RUNNING 10.0.0.1 10.9.0.1 alive",
			"RUNNING 10.0.0.1 10.9.0.2 dead", "RUNNING 10.0.0.1 10.9.0.3"}, "10.9.0.1:80"},
		{"nobody healthy: refuse", 1, false, []string{"RUNNING 10.0.0.1 10.9.0.2 dead"}, ""},
		{"nobody healthy, and that is wanted: all but the draining", 1, true, []string{"RUNNING 10.0.0.1 10.9.0.2 dead",
			"RUNNING 10.0.0.1 10.9.0.3", "KILLING 10.0.0.1 10.9.0.4"}, "10.9.0.2:80 10.9.0.3:80"},
		{"a lost node's tasks are out", 0, false, []string{"UNREACHABLE 10.0.0.2 10.9.0.1", "RUNNING 10.0.0.1 10.9.0.2"},
			"10.9.0.2:80"},
		{"all nodes lost: all are kept", 0, false, []string{"UNREACHABLE 10.0.0.2 10.9.0.1", "UNREACHABLE 10.0.0.2 10.9.0.2"},
			"10.0.0.2:31000 10.0.0.2:31001"},
		{"lost and draining: refuse", 0, false, []string{"UNREACHABLE 10.0.0.2 10.9.0.1", "KILLING 10.0.0.1 10.9.0.2"}, ""},
	} {
		t.Run(c.rule, func(t *testing.T) {
			opt := testOptions()
			opt.UnhealthyIfNone = c.all
			r := build(t, opt, bridged("/web", "1.1.1.1:80", c.checks, c.tasks...))
			if got := slotText(r.Ruleset, "1.1.1.1"); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func slotText(r *Ruleset, addr string) string {
	s := r.Find(Key{netip.MustParseAddr(addr), TCP, 80})
	if s == nil {
		return "no VIP"
	}
	var out []string
	for _, a := range s.Slots {
		out = append(out, a.String())
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestNetworkModes(t *testing.T) {
	zero := 0
	label := map[string]string{"VIP_0": "1.1.1.1:80"}
	mapped := func(mode string, m api.PortMapping) *api.AppInfo {
		m.Labels = label
		return &api.AppInfo{App: api.App{ID: "/web", Networks: []api.Network{{Mode: mode}},
			Container: &api.Container{Type: api.ContainerDocker, PortMappings: []api.PortMapping{m}}}}
	}
	host := &api.AppInfo{App: api.App{ID: "/web", PortDefinitions: []api.PortDefinition{{Labels: label}}}}
	legacy := &api.AppInfo{App: api.App{ID: "/web", Ports: []int{0}, Labels: map[string]string{"vip_PORT0": "tcp://1.1.1.1:80"}}}
	discovery := &api.AppInfo{App: api.App{ID: "/web", IPAddress: &api.IPAddress{Discovery: &api.Discovery{
		Ports: []api.DiscoveryPort{{Number: 7000, Protocol: "tcp", Labels: label}}}}}}
	for _, c := range []struct {
		rule        string
		app         *api.AppInfo
		here, there string
	}{
		{"host: the node's address and port", host, "10.0.0.1:31000", "10.0.0.2:31000"},
		{"legacy app label: the host port of that number", legacy, "10.0.0.1:31000", "10.0.0.2:31000"},
		{"bridge with a host port", mapped(api.NetworkBridge, api.PortMapping{ContainerPort: 80, HostPort: &zero}),
			"10.9.0.1:80", "10.0.0.2:31000"},
		{"bridge, container port 0 is the host port", mapped(api.NetworkBridge, api.PortMapping{HostPort: &zero}),
			"10.9.0.1:31000", "10.0.0.2:31000"},
		{"bridge without a host port: not reached from elsewhere", mapped(api.NetworkBridge, api.PortMapping{ContainerPort: 80}),
			"10.9.0.1:80", ""},
		{"container network, routable", mapped(api.NetworkContainer, api.PortMapping{ContainerPort: 80}), "10.9.0.1:80",
			"10.9.0.1:80"},
		{"container network with a host port", mapped(api.NetworkContainer, api.PortMapping{ContainerPort: 80, HostPort: &zero}),
			"10.9.0.1:80", "10.0.0.2:31000"},
		{"legacy discovery", discovery, "10.9.0.1:7000", "10.9.0.1:7000"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			for node, want := range map[string]string{"10.0.0.1": c.here, "10.0.0.2": c.there} {
				a := *c.app
				own := "10.9.0.1"
				if a.Mode() == api.NetworkHost {
					own = node
				}
				a.Tasks = []api.Task{{ID: "web.1", Host: node, State: api.TaskRunning, Ports: []int{31000},
					IPAddresses: []api.Address{{IPAddress: own}}}}
				if got := slotText(build(t, testOptions(), &a).Ruleset, "1.1.1.1"); got != want {
					t.Errorf("on %s: %q, want %q", node, got, want)
				}
			}
		})
	}
}

func TestAddressesNobodyMayTake(t *testing.T) {
	opt := testOptions()
	opt.Reserved = []Reserved{{netip.MustParsePrefix("172.17.0.0/16"), "the network of bridge docker0"}}
	for value, want := range map[string]string{
		"0.0.0.0:80": "unspecified", "127.0.0.1:80": "loopback", "224.0.0.1:80": "multicast", "255.255.255.255:80": "broadcast",
		"169.254.1.1:80": "link-local", "250.1.1.1:80": "reserved block", "10.0.0.1:80": "this node's own",
		"172.17.0.9:80": "the network of bridge docker0", "11.0.0.1:80": "kept for named VIPs", "10.0.0.2:80": "an agent's",
		"::1:80": "loopback", "fe80::1:80": "link-local",
	} {
		r := build(t, opt, bridged("/web", value, 0, "RUNNING 10.0.0.2 10.9.0.1"))
		if len(r.Ruleset.Services) != 0 || len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Reason, want) {
			t.Errorf("%s: %d services, problems %v; want %q", value, len(r.Ruleset.Services), r.Problems, want)
		}
	}
}

func TestWeightsBecomeSlots(t *testing.T) {
	weighted := func(id, w, own string) *api.AppInfo {
		a := bridged(id, "1.1.1.1:80", 0, "RUNNING 10.0.0.1 "+own)
		a.Container.PortMappings[0].Labels["VIP_0_WEIGHT"] = w
		return a
	}
	for _, c := range []struct {
		rule, blue, green string
		want              map[string]int
	}{
		{"equal weights are a slot each", "7", "7", map[string]int{"10.9.0.1:80": 1, "10.9.0.2:80": 1}},
		{"shares", "1", "3", map[string]int{"10.9.0.1:80": 1, "10.9.0.2:80": 3}},
		{"weight 0 gets none", "0", "3", map[string]int{"10.9.0.2:80": 1}},
		{"a bad weight counts as 1", "x", "2", map[string]int{"10.9.0.1:80": 1, "10.9.0.2:80": 2}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r := build(t, testOptions(), weighted("/blue", c.blue, "10.9.0.1"), weighted("/green", c.green, "10.9.0.2"))
			got := map[string]int{}
			for _, a := range r.Ruleset.Services[0].Slots {
				got[a.String()]++
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Fatal(d)
			}
		})
	}
}

func TestOneNameHasOneAddressForAllItsPorts(t *testing.T) {
	a := bridged("/web", "/web:80", 0, "RUNNING 10.0.0.1 10.9.0.1")
	a.Container.PortMappings[0].Protocol = "tcp,udp"
	a.Container.PortMappings[0].Labels["VIP_1"] = "web:443"
	r := build(t, testOptions(), a, bridged("/zweb", "/we/b:8080", 0))
	addrs := map[netip.Addr]int{}
	for _, s := range r.Ruleset.Services {
		addrs[s.Key.Addr]++
	}
	if len(addrs) != 1 || len(r.Ruleset.Services) != 5 {
		t.Fatalf("%v\n%s", addrs, r.Ruleset)
	}
}

func TestRangesTheHostUsesAreRefused(t *testing.T) {
	opt := testOptions()
	opt.Reserved = []Reserved{{netip.MustParsePrefix("11.1.2.3/32"), "this node's own"}}
	if _, err := NewBuilder(opt); err == nil || !strings.Contains(err.Error(), "11.1.2.3/32 is this node's own") {
		t.Fatal(err)
	}
	for _, p := range []string{"10.0.0.0/7", "10.0.0.0/29", "127.0.0.0/8"} {
		if _, err := NewBuilder(Options{Range4: netip.MustParsePrefix(p)}); err == nil {
			t.Errorf("%s was accepted", p)
		}
	}
}

func TestTracingPackets(t *testing.T) {
	b, err := NewBuilder(testOptions())
	if err != nil {
		t.Fatal(err)
	}
	r := b.Build([]*api.AppInfo{bridged("/empty", "2.2.2.2:80", 0),
		bridged("/web", "1.1.1.1:80", 0, "RUNNING 10.0.0.1 10.9.0.1", "RUNNING 10.0.0.2 10.9.0.1")},
		[]Link{{Uplink, "eth0"}, {SameL2, "br0"}}).Ruleset
	addr := netip.MustParseAddr
	for _, c := range []struct {
		rule string
		p    Packet
		want string
	}{
		{"a process of the node", Packet{Src: addr("10.0.0.1"), Dst: addr("1.1.1.1"), Port: 80}, "translated 10.0.0.2:31001 false"},
		{"the other slot", Packet{Src: addr("10.0.0.1"), Dst: addr("1.1.1.1"), Port: 80, Random: 1}, "translated 10.9.0.1:80 false"},
		{"a container to itself", Packet{In: "br1", Out: "br1", Src: addr("10.9.0.1"), Dst: addr("1.1.1.1"), Port: 80, Random: 1},
			"translated 10.9.0.1:80 true"},
		{"siblings where frames pass no hooks", Packet{In: "br0", Out: "br0", Src: addr("10.9.0.7"), Dst: addr("1.1.1.1"), Port: 80,
			Random: 1}, "translated 10.9.0.1:80 true"},
		{"from outside", Packet{In: "eth0", Src: addr("10.0.0.9"), Dst: addr("1.1.1.1"), Port: 80}, "refused invalid AddrPort false"},
		{"no backend", Packet{Src: addr("10.0.0.1"), Dst: addr("2.2.2.2"), Port: 80}, "refused invalid AddrPort false"},
		{"unknown port", Packet{Src: addr("10.0.0.1"), Dst: addr("1.1.1.1"), Port: 81}, "refused invalid AddrPort false"},
		{"unknown address of the range", Packet{Src: addr("10.0.0.1"), Dst: addr("11.2.3.4"), Port: 80}, "refused invalid AddrPort false"},
		{"somebody else's business", Packet{Src: addr("10.0.0.1"), Dst: addr("3.3.3.3"), Port: 80}, "untouched invalid AddrPort false"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			c.p.Proto = TCP
			v, to, masquerade := r.Trace(c.p)
			if got := fmt.Sprint(v, " ", to, " ", masquerade); got != c.want {
				t.Fatalf("got %s, want %s", got, c.want)
			}
		})
	}
}

// 30,000 apps with a VIP each, and one that changes.
func BenchmarkOneChange(b *testing.B) {
	apps := make([]*api.AppInfo, 30000)
	for i := range apps {
		id := fmt.Sprintf("/app%05d", i)
		apps[i] = bridged(id, id+":80", 0, "RUNNING 10.0.0.1 10.9.0.1", "RUNNING 10.0.0.2 10.9.0.2", "RUNNING 10.0.0.3 10.9.0.3")
	}
	builder, err := NewBuilder(testOptions())
	if err != nil {
		b.Fatal(err)
	}
	have := builder.Build(apps, nil).Ruleset
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		next := slices.Clone(apps)
		next[15000] = bridged("/app15000", "/app15000:80", 0, []string{"RUNNING 10.0.0.1 10.9.0.1", "RUNNING 10.0.0.2 10.9.0.2"}[:n%2+1]...)
		want := Settle(have, builder.Build(next, nil).Ruleset)
		if Diff(have, want).Empty() {
			b.Fatal("nothing changed")
		}
		have, apps = want, next
	}
}

func BenchmarkBuildAll(b *testing.B) {
	apps := make([]*api.AppInfo, 44000)
	for i := range apps {
		id := fmt.Sprintf("/app%05d", i)
		apps[i] = bridged(id, id+":80", 0, "RUNNING 10.0.0.1 10.9.0.1", "RUNNING 10.0.0.2 10.9.0.2", "RUNNING 10.0.0.3 10.9.0.3")
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := build(b, testOptions(), apps...); len(r.Ruleset.Services) != len(apps) {
			b.Fatal(len(r.Ruleset.Services))
		}
	}
}

func TestReadinessChecksGateLikeHealthChecks(t *testing.T) {
	const before, change, after = 1000, 2000, 3000
	type results = []api.ReadinessResult
	said := func(ready bool) results { return results{{TaskID: "web.0", Ready: ready}} }
	for _, c := range []struct {
		rule      string
		checks    int
		deploying bool
		started   api.Timestamp
		results   results
		want      State
	}{
		{"passed", 1, true, after, said(true), Active},
		{"not passed", 1, true, after, said(false), Unready},
		{"not passed, and the deployment was given up", 1, false, after, said(false), Unready},
		{"no result yet of a task that the deployment started", 1, true, after, results{}, Unready},
		{"another task's result says nothing", 1, true, after, results{{TaskID: "web.7", Ready: true}}, Unready},
		{"a task that was there before is not checked", 1, true, before, results{}, Active},
		{"without a deployment nobody checks", 1, false, after, results{}, Active},
		{"a source that tells no results", 1, true, after, nil, Active},
		{"no readiness check", 0, true, after, results{}, Active},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := bridged("/web", "1.1.1.1:80", 0, "RUNNING 10.0.0.1 10.9.0.1")
			a.ReadinessChecks = make([]api.ReadinessCheck, c.checks)
			a.VersionInfo = &api.VersionInfo{LastScalingAt: before, LastConfigChangeAt: change}
			a.ReadinessCheckResults, a.Tasks[0].StartedAt = c.results, c.started
			if c.deploying {
				a.Deployments = []api.DeploymentRef{{ID: "d"}}
			}
			r := build(t, Options{Nodes: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}, a)
			if got := r.VIPs[0].Members[0].State; got != c.want {
				t.Errorf("state %s, want %s", got, c.want)
			}
			if n := r.Ruleset.Backends(); (n == 1) != (c.want == Active) {
				t.Errorf("%d backends get connections", n)
			}
		})
	}
}
