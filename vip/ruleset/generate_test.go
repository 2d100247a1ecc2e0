package ruleset

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

var values = []string{
	"1.1.1.1:80", "1.1.1.1:81", "2.2.2.2:80", "/web:80", "/group/web:80", "web:443", "/api.hello:53", "fd01:d::1:80",
	"11.0.0.5:80", "10.0.0.1:80", "1.1.1.1", ":80", "/x:0",
}

// anyRuleset draws a small one in which keys and backends meet often.
func anyRuleset(t *rapid.T, name string) *Ruleset {
	r := &Ruleset{Ranges: []netip.Prefix{DefaultRange4, DefaultRange6}}
	r.Layout.MasqueradeAll = rapid.IntRange(0, 9).Draw(t, name+" layout") == 0
	services := map[Key]*Service{}
	for range rapid.IntRange(0, 12).Draw(t, name+" services") {
		v6 := rapid.Bool().Draw(t, "v6")
		s := &Service{Key: Key{testAddr(v6, 100+rapid.IntRange(1, 4).Draw(t, "vip")),
			rapid.SampledFrom([]Proto{TCP, UDP}).Draw(t, "proto"), uint16(rapid.IntRange(80, 81).Draw(t, "port"))}}
		for range rapid.OneOf(rapid.IntRange(0, 5), rapid.IntRange(17, 19)).Draw(t, "slots") {
			a := testAddr(v6, rapid.IntRange(1, 6).Draw(t, "backend"))
			s.Slots = append(s.Slots, netip.AddrPortFrom(a, 8080))
		}
		services[s.Key] = s
	}
	vips, hairpin, links := map[netip.Addr]bool{}, map[netip.Addr]bool{}, map[Link]bool{}
	for k, s := range services {
		r.Services = append(r.Services, s)
		vips[k.Addr] = true
		for _, a := range s.Slots {
			hairpin[a.Addr()] = true
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, name+" links") {
		links[Link{rapid.SampledFrom(Roles).Draw(t, "role"), fmt.Sprintf("br%d", rapid.IntRange(0, 2).Draw(t, "link"))}] = true
	}
	slices.SortFunc(r.Services, func(a, b *Service) int { return a.Key.Compare(b.Key) })
	r.VIPs, r.Hairpin, r.Links = keys(vips), keys(hairpin), keys(links)
	slices.SortFunc(r.VIPs, netip.Addr.Compare)
	slices.SortFunc(r.Hairpin, netip.Addr.Compare)
	slices.SortFunc(r.Links, Link.Compare)
	return r
}

func testAddr(v6 bool, n int) netip.Addr {
	if v6 {
		return netip.MustParseAddr(fmt.Sprintf("fd02::%d", n))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.9.0.%d", n))
}

// anyApp draws an app of which the ports ask for a few VIPs that others ask for too.
func anyApp(t *rapid.T, id string) *api.AppInfo {
	a := &api.AppInfo{App: api.App{ID: id}}
	mode := rapid.SampledFrom([]string{api.NetworkHost, api.NetworkBridge, api.NetworkContainer}).Draw(t, "mode")
	n := rapid.IntRange(0, 2).Draw(t, "ports")
	labels := func() map[string]string {
		m := map[string]string{}
		for i := range rapid.IntRange(0, 2).Draw(t, "labels") {
			m[fmt.Sprintf("VIP_%d", i)] = rapid.SampledFrom(values).Draw(t, "value")
		}
		if rapid.IntRange(0, 3).Draw(t, "weighted") == 0 {
			m["VIP_0_WEIGHT"] = rapid.SampledFrom([]string{"0", "1", "3", "100", "x"}).Draw(t, "weight")
		}
		return m
	}
	proto := rapid.SampledFrom([]string{"tcp", "udp", "tcp,udp", "sctp"})
	a.Networks = []api.Network{{Mode: mode}}
	if mode == api.NetworkHost {
		for range n {
			a.PortDefinitions = append(a.PortDefinitions, api.PortDefinition{Protocol: proto.Draw(t, "proto"), Labels: labels()})
		}
	} else {
		a.Container = &api.Container{Type: api.ContainerDocker, Docker: &api.Docker{Image: "x"}}
		for range n {
			m := api.PortMapping{ContainerPort: rapid.SampledFrom([]int{0, 80}).Draw(t, "cport"),
				Protocol: proto.Draw(t, "proto"), Labels: labels()}
			if mode == api.NetworkBridge || rapid.Bool().Draw(t, "published") {
				m.HostPort = new(int)
			}
			a.Container.PortMappings = append(a.Container.PortMappings, m)
		}
	}
	if rapid.Bool().Draw(t, "checked") {
		a.HealthChecks = []api.HealthCheck{{Protocol: api.ProtocolTCP}}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "tasks") {
		a.Tasks = append(a.Tasks, anyTask(t, id, i, n))
	}
	return a
}

func anyTask(t *rapid.T, id string, i, ports int) api.Task {
	k := api.Task{ID: fmt.Sprintf("%s.%d", id[1:], i), AppID: id,
		Host: rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "agent", "nowhere", "fd03::1"}).Draw(t, "host"),
		State: rapid.SampledFrom([]api.TaskState{api.TaskRunning, api.TaskRunning, api.TaskKilling, api.TaskStaging,
			api.TaskUnreachable}).Draw(t, "state")}
	for j := range ports {
		k.Ports = append(k.Ports, 31000+10*i+j)
	}
	if rapid.Bool().Draw(t, "own address") {
		k.IPAddresses = []api.Address{{IPAddress: testAddr(false, i+1).String()}, {IPAddress: testAddr(true, i+1).String()}}
	}
	if rapid.Bool().Draw(t, "result") {
		k.HealthCheckResults = []api.HealthResult{{Alive: rapid.Bool().Draw(t, "alive")}}
	}
	return k
}

func testOptions() Options {
	return Options{
		Nodes: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		Hosts: map[string][]netip.Addr{"agent": {netip.MustParseAddr("10.0.0.3")}},
	}
}
