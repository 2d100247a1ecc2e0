package server

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"berth/dnsd/zone"
	"berth/orchestrator/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func hostApp(id string, tasks, ports int) *api.AppInfo {
	a := &api.AppInfo{App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkHost}}}}
	for range ports {
		a.PortDefinitions = append(a.PortDefinitions, api.PortDefinition{Protocol: "tcp", Name: "http"})
	}
	for i := range tasks {
		t := api.Task{
			ID: fmt.Sprint(id, ".", i), Host: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String(),
			SlaveID: "x-S1", State: api.TaskRunning,
		}
		for p := range ports {
			t.Ports = append(t.Ports, 31000+p)
		}
		a.Tasks = append(a.Tasks, t)
	}
	return a
}

func dualApp(id string) *api.AppInfo {
	a := &api.AppInfo{App: api.App{
		ID: id, Networks: []api.Network{{Mode: api.NetworkContainer, Name: "net"}},
		Container: &api.Container{PortMappings: []api.PortMapping{{ContainerPort: 80, Protocol: "tcp", Name: "web"}}},
	}}
	a.Tasks = []api.Task{{
		ID: id + ".0", Host: "10.1.0.1", SlaveID: "x-S2", State: api.TaskRunning,
		IPAddresses: []api.Address{{IPAddress: "9.0.0.1"}, {IPAddress: "fd00::1"}, {IPAddress: "fd00::2"}},
	}}
	return a
}

func builder(t testing.TB) *zone.Builder {
	t.Helper()
	o, err := zone.DefaultOptions().Validate()
	if err != nil {
		t.Fatal(err)
	}
	b := zone.NewBuilder(o)
	b.SetInfra(zone.Infra{
		Leader: "10.9.0.1:8080", Masters: []string{"10.9.0.1:8080", "10.9.0.2:8080"},
		Own: []netip.Addr{netip.MustParseAddr("10.9.0.3")},
	})
	return b
}

func testZone(t testing.TB, apps ...*api.AppInfo) *zone.Zone { return builder(t).Update(apps, 1) }

func testConfig() Config {
	c := DefaultConfig()
	c.Rewrites = DCOSRewrites("mesos")
	return c
}

func newServer(t testing.TB, c Config, f Forwarder) *Server {
	t.Helper()
	s, err := New(c, testZone(t), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs s on loopback until the test ends.
func serve(t testing.TB, s *Server) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return l.Addr().String()
}

func ask(t testing.TB, addr, network, name string, typ uint16, change ...func(*dns.Msg)) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), typ)
	for _, f := range change {
		f(m)
	}
	c := &dns.Client{Net: network, Timeout: 5 * time.Second}
	in, _, err := c.Exchange(m, addr)
	if err != nil {
		t.Fatalf("%s %s: %v", name, dns.TypeToString[typ], err)
	}
	return in
}

func withEDNS(size uint16) func(*dns.Msg) { return func(m *dns.Msg) { m.SetEdns0(size, false) } }
