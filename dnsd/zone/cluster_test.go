package zone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

// at lists the records of a name as text.
func at(z *Zone, name string) []string {
	n := z.Node(name)
	if n == nil {
		return nil
	}
	var out []string
	for i := range n.Sets {
		for _, r := range n.Sets[i].Records() {
			out = append(out, strings.Join(strings.Fields(r.Text(n.Sets[i].Type)), " "))
		}
	}
	return out
}

func check(t *testing.T, z *Zone, want map[string][]string) {
	t.Helper()
	for name, records := range want {
		if diff := cmp.Diff(records, at(z, name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestClusterRecords(t *testing.T) {
	o := options(t)
	o.AgentPort = 5051
	b := NewBuilder(o)
	b.SetInfra(Infra{
		Leader: "10.9.0.2:8080", Masters: []string{"10.9.0.1:8080", "10.9.0.2:8080", "10.9.0.1:8080"},
		Own: []netip.Addr{ip("10.9.0.3"), ip("fd00::3")},
	})
	z := b.Update([]*api.AppInfo{hostApp("/web", 1)}, 1)
	check(t, z, map[string][]string{
		"marathon.mesos":                 {"A 10.9.0.2"},
		"_framework._tcp.marathon.mesos": {"SRV 0 1 8080 marathon.mesos."},
		"leader.mesos":                   {"A 10.9.0.2"},
		"_leader._tcp.mesos":             {"SRV 0 1 8080 leader.mesos."},
		"_leader._udp.mesos":             {"SRV 0 1 8080 leader.mesos."},
		"master.mesos":                   {"A 10.9.0.1", "A 10.9.0.2"},
		"master0.mesos":                  {"A 10.9.0.1"},
		"master1.mesos":                  {"A 10.9.0.2"},
		"master2.mesos":                  nil,
		"_master._tcp.mesos":             {"SRV 0 1 8080 master0.mesos.", "SRV 0 1 8080 master1.mesos."},
		"slave.mesos":                    {"A 10.0.0.1"},
		"_slave._tcp.mesos":              {"SRV 0 1 5051 slave.mesos."},
		"agent.mesos":                    {"A 10.0.0.1"},
		"10-0-0-1.agent.mesos":           {"A 10.0.0.1"},
		"1.0.0.10.in-addr.arpa":          {"PTR 10-0-0-1.agent.mesos."},
		"ns1.mesos":                      {"A 10.9.0.3", "AAAA fd00::3"},
		"mesos":                          {"NS ns1.mesos."},
		"leader.dcos.thisdcos.directory": {"A 10.9.0.2"},
		"master.dcos.thisdcos.directory": {"A 10.9.0.1", "A 10.9.0.2"},
		"thisnode.thisdcos.directory":    {"A 10.9.0.3", "NS ns.spartan.", "AAAA fd00::3"},
		"ready.spartan":                  {"A 127.0.0.1"},
		"dcos.thisdcos.directory":        {"NS ns.spartan."},
		"web.marathon.agentip.dcos.thisdcos.directory": {"A 10.0.0.1"},
	})
	gone := b.Update(nil, 2)
	check(t, gone, map[string][]string{"slave.mesos": nil, "10-0-0-1.agent.mesos": nil, "1.0.0.10.in-addr.arpa": nil, "leader.mesos": {"A 10.9.0.2"}})
}

func TestLeadersThatCannotBeReadMakeNoRecords(t *testing.T) {
	for _, leader := range []string{"", "@", "1@", "3@4", ":8080", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:99999", "name.unknown:80", "[10.0.0.1]:80", "fd00::1:80", "[", "[:80", "[]:80"} {
		b := NewBuilder(options(t))
		b.SetInfra(Infra{Leader: leader, Masters: []string{leader}})
		z := b.Update(nil, 1)
		check(t, z, map[string][]string{"leader.mesos": nil, "master.mesos": nil, "_leader._tcp.mesos": nil})
	}
}

// DC/OS has five names of ZooKeeper nodes, which are its masters, whatever the number of those.
func TestNamesOfZooKeeper(t *testing.T) {
	for masters, want := range map[string][]string{
		"10.0.0.1:80":                            {"10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"},
		"10.0.0.1:80 10.0.0.2:80 10.0.0.3:80":    {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1", "10.0.0.2"},
		"10.0.0.1:80 10.0.0.1:80 nonsense fd::1": {"10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"},
		"10.0.0.2:80 10.0.0.1:80 [fd00::1]:80":   {"10.0.0.2", "10.0.0.1", "fd00::1", "10.0.0.2", "10.0.0.1"},
	} {
		b := NewBuilder(options(t))
		b.SetInfra(Infra{Masters: strings.Fields(masters), Leader: "10.0.0.1:80"})
		z := b.Update(nil, 1)
		for i, ip := range want {
			typ := "A "
			if strings.Contains(ip, ":") {
				typ = "AAAA "
			}
			check(t, z, map[string][]string{fmt.Sprintf("zk-%d.zk", i+1): {typ + ip}})
		}
		if z.Lookup("zk-6.zk", TypeA).Answer != NXDomain {
			t.Error("six of them")
		}
	}
	if z := NewBuilder(options(t)).Update(nil, 1); z.Lookup("zk-1.zk", TypeA).Answer != NXDomain {
		t.Error("no masters, but a name of theirs")
	}
}

func TestLeaderByIPv6(t *testing.T) {
	b := NewBuilder(options(t))
	b.SetInfra(Infra{Leader: "[fd00::9]:8080"})
	check(t, b.Update(nil, 1), map[string][]string{"leader.mesos": {"AAAA fd00::9"}})
}

// The three modes of dns.md section 6.
func TestDCOSNames(t *testing.T) {
	container := &api.AppInfo{App: api.App{
		ID: "/db", Networks: []api.Network{{Mode: api.NetworkContainer, Name: "net"}},
		Container: &api.Container{PortMappings: []api.PortMapping{{ContainerPort: 5432}}},
	}}
	container.Tasks = []api.Task{running("t1", "10.0.0.1", "x-S1")}
	container.Tasks[0].IPAddresses = []api.Address{{IPAddress: "172.19.0.2"}, {IPAddress: "fd01:b::2:8000:0:2"}}
	zero := 0
	z := build(t, container, bridgeApp("/g/bridge", &zero, 80, 31001), hostApp("/host", 1))
	suffix := ".dcos.thisdcos.directory"
	check(t, z, map[string][]string{
		"db.marathon.agentip" + suffix:           {"A 10.0.0.1"},
		"db.marathon.containerip" + suffix:       {"A 172.19.0.2", "AAAA fd01:b::2:8000:0:2"},
		"db.marathon.autoip" + suffix:            {"A 172.19.0.2", "AAAA fd01:b::2:8000:0:2"},
		"bridge-g.marathon.agentip" + suffix:     {"A 10.0.0.1"},
		"bridge-g.marathon.containerip" + suffix: {"A 172.17.0.2"},
		"bridge-g.marathon.autoip" + suffix:      {"A 10.0.0.1"},
		"host.marathon.containerip" + suffix:     {"A 10.0.0.1"},
		"2.0.19.172.in-addr.arpa":                {"PTR db-" + idHash("t1") + "-s1.marathon.mesos."},
		"2.0.17.172.in-addr.arpa":                nil, // many have it
	})
}

func TestZonesOfAddressesAreOursAsAWhole(t *testing.T) {
	o := options(t)
	o.Reverse = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/16")}
	z := NewBuilder(o).Update([]*api.AppInfo{hostApp("/web", 1)}, 1)
	for name, want := range map[string]Answer{
		"1.0.0.10.in-addr.arpa": Success, "2.0.0.10.in-addr.arpa": NXDomain, "1.0.0.11.in-addr.arpa": Outside, "0.0.10.in-addr.arpa": NoData,
		"1.0.0.d.f.ip6.arpa": NXDomain,
	} {
		if r := z.Lookup(name, TypePTR); r.Answer != want {
			t.Errorf("%s: %v, want %v", name, r.Answer, want)
		}
	}
}

func TestLabelsOfAnApp(t *testing.T) {
	labelled := func(labels map[string]string) *api.AppInfo {
		a := bridgeApp("/web", new(int), 80, 31000)
		a.Labels, a.HealthChecks = labels, []api.HealthCheck{{}}
		return a
	}
	for _, tt := range []struct {
		rule     string
		labels   map[string]string
		name     string
		want     []string
		ttl      uint32
		problems int
	}{
		{"nothing said", nil, "web.marathon.mesos", []string{"A 10.0.0.1"}, 5, 0},
		{"no records", map[string]string{LabelEnabled: "false"}, "web.marathon.mesos", nil, 0, 0},
		{"a TTL of its own", map[string]string{LabelTTL: "0"}, "web.marathon.mesos", []string{"A 10.0.0.1"}, 0, 0},
		{"its own address", map[string]string{LabelSource: "netinfo"}, "web.marathon.mesos", []string{"A 172.17.0.2"}, 5, 0},
		{"further names", map[string]string{LabelNames: "shop, www.Shop."}, "www.shop.mesos", []string{"A 10.0.0.1"}, 5, 0},
		{"wrong values have no effect", map[string]string{
			LabelEnabled: "x", LabelTTL: "-1", LabelSource: "luck", LabelNames: "a..b", LabelHealth: "x",
		}, "web.marathon.mesos", []string{"A 10.0.0.1"}, 5, 5},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			b := NewBuilder(options(t))
			z := b.Update([]*api.AppInfo{labelled(tt.labels)}, 1)
			check(t, z, map[string][]string{tt.name: tt.want})
			if n := z.Node(tt.name); n != nil && n.Sets[0].TTL != tt.ttl {
				t.Errorf("TTL %d", n.Sets[0].TTL)
			}
			p := slices.DeleteFunc(b.Problems(), func(p Problem) bool { return p.Reason == reasonFallback })
			if len(p) != tt.problems {
				t.Errorf("problems %+v", p)
			}
		})
	}
	o := options(t)
	o.Filter = FilterStrict
	z := NewBuilder(o).Update([]*api.AppInfo{labelled(map[string]string{LabelHealth: "off"})}, 1)
	check(t, z, map[string][]string{"web.marathon.mesos": {"A 10.0.0.1"}})
}

func TestAddressesStayWhenAReportLacksThem(t *testing.T) {
	b := NewBuilder(options(t))
	first := bridgeApp("/web", new(int), 80, 31000)
	first.Labels = map[string]string{LabelSource: "netinfo"}
	b.Update([]*api.AppInfo{first}, 1)
	for range 2 {
		later := *first
		later.Tasks = slices.Clone(first.Tasks)
		later.Tasks[0].IPAddresses = nil
		check(t, b.Update([]*api.AppInfo{&later}, 2), map[string][]string{"web.marathon.mesos": {"A 172.17.0.2"}})
	}
	moved := *first
	moved.Tasks = slices.Clone(first.Tasks)
	moved.Tasks[0].IPAddresses = []api.Address{{IPAddress: "172.17.0.9"}}
	check(t, b.Update([]*api.AppInfo{&moved}, 3), map[string][]string{"web.marathon.mesos": {"A 172.17.0.9"}})
}

func TestStaticRecords(t *testing.T) {
	var s Static
	if err := s.ParseHosts(strings.NewReader("# x\n10.7.0.1 DB.internal db # y\nfd00::7 db.internal\n"), 60); err != nil {
		t.Fatal(err)
	}
	if err := s.ParseRecords(strings.NewReader("; x\npg.mesos. 30 IN SRV 1 2 5432 db.internal.\nwww.mesos CNAME pg.mesos\n"), 60); err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(options(t))
	b.SetStatic(s)
	z := b.Update(nil, 1)
	check(t, z, map[string][]string{
		"db.internal": {"A 10.7.0.1", "AAAA fd00::7"}, "db": {"A 10.7.0.1"}, "1.0.7.10.in-addr.arpa": {"PTR db.internal."},
		"pg.mesos": {"SRV 1 2 5432 db.internal."}, "www.mesos": {"CNAME pg.mesos."},
	})
	for name, want := range map[string]Answer{"www.mesos": Alias, "db.internal": Success, "x.internal": Outside} {
		if r := z.Lookup(name, TypeA); r.Answer != want {
			t.Errorf("%s: %v", name, r.Answer)
		}
	}
	b.SetStatic(Static{})
	check(t, b.Update(nil, 2), map[string][]string{"db.internal": nil, "www.mesos": nil})
}

func TestStaticErrorsNameTheLine(t *testing.T) {
	for _, text := range []string{"a.mesos", "a.mesos MX 1 b", "a..b A 10.0.0.1", "a A fd00::1", "a SRV 1 2 x b", "a A 10.0.0.1 x", "a AAAA fe80::1%e"} {
		var s Static
		if err := s.ParseRecords(strings.NewReader("\n"+text), 60); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"10.0.0.1", "x y", "10.0.0.1 a..b"} {
		var s Static
		if err := s.ParseHosts(strings.NewReader(text), 60); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestVirtualAddresses(t *testing.T) {
	b := NewBuilder(options(t))
	name := "web.marathon.l4lb.thisdcos.directory"
	b.SetVIPs(map[string][]netip.Addr{strings.ToUpper(name) + ".": {ip("11.0.0.1"), ip("fd01:c::1")}})
	z := b.Update(nil, 1)
	check(t, z, map[string][]string{name: {"A 11.0.0.1", "AAAA fd01:c::1"}})
	b.SetVIPs(nil)
	if z = b.Update(nil, 1); z.Lookup(name, TypeA).Answer != NXDomain || z.Serial() != 2 {
		t.Errorf("answer %v, serial %d", z.Lookup(name, TypeA).Answer, z.Serial())
	}
}

func TestReservedNamesAreReported(t *testing.T) {
	o := options(t)
	o.Framework = "agent"
	b := NewBuilder(o)
	b.Update([]*api.AppInfo{hostApp("/10-0-0-1", 1)}, 1)
	if p := b.Problems(); len(p) != 1 || p[0].Name != "10-0-0-1.agent.mesos" || p[0].Reason != reasonReserved {
		t.Errorf("%+v", p)
	}
}

// An app that is served although its checks fail is reported, by its own name alone, and no longer when one passes.
func TestServingInNeedIsReported(t *testing.T) {
	sick := hostApp("/a/web", 1)
	sick.HealthChecks = []api.HealthCheck{{Protocol: "HTTP"}}
	sick.Tasks[0].HealthCheckResults = []api.HealthResult{{Alive: false}}
	well := *sick
	well.Tasks = slices.Clone(sick.Tasks)
	well.Tasks[0].HealthCheckResults = []api.HealthResult{{Alive: true}}
	b := NewBuilder(options(t))
	for i, tt := range []struct {
		app  *api.AppInfo
		want int
	}{{sick, 1}, {&well, 0}, {sick, 1}} {
		b.Update([]*api.AppInfo{tt.app, hostApp("/db", 1)}, uint32(i+1))
		p := b.Problems()
		if len(p) != tt.want || b.Fallbacks() != tt.want || tt.want > 0 && (p[0].Name != "web-a.marathon.mesos" || p[0].Reason != reasonFallback) {
			t.Errorf("step %d: %+v", i, p)
		}
	}
	if b.Update(nil, 9); len(b.Problems()) > 0 {
		t.Errorf("of an app that is gone: %+v", b.Problems())
	}
}

// No app may add itself to the answers of another, or of the cluster.
func TestFurtherNamesAreNobodyElses(t *testing.T) {
	victim := hostApp("/victim", 1)
	for name, ok := range map[string]bool{
		"shop": true, "www.shop": true, "masterpiece": true, "my.marathon": false, "leaders": true,
		"victim.marathon": false, "x.victim.marathon": false, "marathon": false, "leader": false, "x.leader": false, "master": false,
		"master0": false, "master12": false, "x.slave": false, "10-0-0-1.agent": false, "ns1": false, "_framework._tcp": false,
		"_leader._tcp": false, "$include": false, "a;b": false, "*": false, "*.shop": false, `a\b`: false, "a b": false,
	} {
		a := hostApp("/thief", 1)
		a.Tasks[0].Host = "10.6.6.6"
		a.Labels = map[string]string{LabelNames: "harmless," + name}
		b := NewBuilder(options(t))
		b.SetInfra(Infra{Leader: "10.9.0.2:8080", Masters: []string{"10.9.0.2:8080"}, Own: []netip.Addr{ip("10.9.0.3")}})
		z := b.Update([]*api.AppInfo{a, victim}, 1)
		r := z.Lookup(name+".mesos", TypeA)
		leads := r.Set != nil && slices.ContainsFunc(r.Set.Records(), func(r Record) bool { return r.Addr == ip("10.6.6.6") })
		if leads != ok {
			t.Errorf("%s: leads to the app that says so: %v", name, leads)
		}
		if p := b.Problems(); (len(p) == 0) != ok {
			t.Errorf("%s: problems %+v", name, p)
		}
		if z.Lookup("harmless.mesos", TypeA).Answer == Success != ok {
			t.Errorf("%s: the label has effect in part", name)
		}
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*Options)
	}{
		{"domain", func(o *Options) { o.Domain = "..." }},
		{"domain", func(o *Options) { o.Domain = strings.Repeat("a.", 40) + "a" }},
		{"framework", func(o *Options) { o.Framework = "" }},
		{"source", func(o *Options) { o.Sources = nil }},
		{"twice", func(o *Options) { o.Sources = []Source{SourceHost, SourceHost} }},
		{"filter", func(o *Options) { o.Filter = "x" }},
		{"SOA", func(o *Options) { o.SOA.Rname = "a..b" }},
		{"reverse", func(o *Options) { o.Reverse = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")} }},
	} {
		o := DefaultOptions()
		tt.change(&o)
		if _, err := o.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.want, err)
		}
	}
}

// Whatever an id looks like, what is published can be sent.
func FuzzAppID(f *testing.F) {
	for _, id := range []string{"/web", "/a/b/web", "/-", "/日本", "/" + strings.Repeat("a", 63), "/" + strings.Repeat("x.", 130), "/a//b", "/a..b", `/a\b"c`} {
		f.Add(id, "http", "tcp,udp")
	}
	f.Fuzz(func(t *testing.T, id, port, proto string) {
		a := hostApp(id, 1000)
		a.PortDefinitions[0].Name, a.PortDefinitions[0].Protocol = port, proto
		z := build(t, a)
		for n := range z.Nodes {
			if !encodable(n.Name) {
				t.Errorf("name %q", n.Name)
			}
			for i := range n.Sets {
				if len(n.Sets[i].Wire()) == 0 {
					t.Errorf("%s: nothing to send", n.Name)
				}
				for _, r := range n.Sets[i].Records() {
					if r.Target != "" && !encodable(r.Target) {
						t.Errorf("target %q", r.Target)
					}
				}
			}
		}
	})
}

// An agent that is listed by name is found later than its tasks, or moves: what depends on it follows, and nothing else.
func TestAgentGetsAnotherAddress(t *testing.T) {
	addrs := map[string]string{}
	o := options(t)
	o.Resolve = func(host string) []netip.Addr {
		if a := addrs[host]; a != "" {
			return []netip.Addr{netip.MustParseAddr(a)}
		}
		return nil
	}
	b := NewBuilder(o)
	b.SetInfra(Infra{Leader: "boss:8080"})
	web, db := hostApp("/web", 1000), hostApp("/db", 1000)
	web.Tasks[0].Host = "node1"
	apps := []*api.AppInfo{db, web}
	z := b.Update(apps, 1)
	if r := z.Lookup("web.marathon.mesos", TypeA); r.Answer == Success {
		t.Fatalf("found %v", r.Set)
	}
	for i, ip := range []string{"10.1.1.1", "10.1.1.2"} {
		addrs["node1"], addrs["boss"] = ip, ip
		if again := b.Update(apps, 2); again != z {
			t.Fatal("a zone that nobody asked for")
		}
		b.Rehost("boss", "node1")
		z = b.Update(apps, uint32(10+i))
		for _, name := range []string{"web.marathon.mesos", "web.marathon.slave.mesos", "node1.agent.mesos", "leader.mesos"} {
			if r := z.Lookup(name, TypeA); r.Answer != Success || r.Set.Len() != 1 || r.Set.First().Addr.String() != ip {
				t.Errorf("%s: %+v, want %s", name, r.Set, ip)
			}
		}
	}
	if r := z.Lookup("db.marathon.mesos", TypeA); r.Set.First().Addr.String() != "10.0.0.1" {
		t.Errorf("db: %+v", r.Set)
	}
}
