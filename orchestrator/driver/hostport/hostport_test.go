package hostport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

func TestOf(t *testing.T) {
	zero := 0
	bridge := func(m ...api.PortMapping) *api.App {
		return &api.App{Networks: []api.Network{{Mode: api.NetworkBridge}}, Container: &api.Container{PortMappings: m}}
	}
	for name, c := range map[string]struct {
		app   *api.App
		ports []int
		want  []Port
		err   string
	}{
		"host mode": {
			&api.App{PortDefinitions: []api.PortDefinition{{Port: 80, Protocol: "udp"}}}, []int{31000}, []Port{{31000, 31000, []string{"udp"}}}, "",
		},
		"only published ones": {
			bridge(api.PortMapping{ContainerPort: 1}, api.PortMapping{ContainerPort: 2, HostPort: &zero}), []int{31000}, []Port{{31000, 2, []string{"tcp"}}}, "",
		},
		"both protocols": {
			bridge(api.PortMapping{HostPort: &zero, Protocol: "udp,tcp"}), []int{5}, []Port{{5, 5, []string{"udp", "tcp"}}}, "",
		},
		"no ports": {&api.App{}, nil, nil, ""},
		"too few": {
			&api.App{PortDefinitions: make([]api.PortDefinition, 2)}, []int{1}, nil, "asks for 2 host ports, 1 were chosen",
		},
		"out of range": {
			&api.App{PortDefinitions: make([]api.PortDefinition, 1)}, []int{70000}, nil, "host port 70000: expected 1 to 65535",
		},
		"protocol": {
			&api.App{PortDefinitions: []api.PortDefinition{{Protocol: "icmp"}}}, []int{1}, nil, `protocol "icmp"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Of(driver.Spec{App: c.app, Ports: c.ports})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("ports (-want +got):\n%s", diff)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func TestAStrangersPortIsFound(t *testing.T) {
	tcpPort, udpPort := porttest.Free(t), porttest.Free(t)
	tcp, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", tcpPort))
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", udpPort))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for name, c := range map[string]struct {
		port  int
		proto string
		ip    string
		taken bool
	}{
		"tcp, any address":     {tcpPort, "tcp", "0.0.0.0", true},
		"tcp, the address":     {tcpPort, "tcp", "127.0.0.1", true},
		"tcp, another address": {tcpPort, "tcp", "127.0.0.2", false},
		"tcp, free for udp":    {tcpPort, "udp", "127.0.0.1", false},
		"udp, any address":     {udpPort, "udp", "0.0.0.0", true},
		"udp, another address": {udpPort, "udp", "127.0.0.2", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := Check([]Port{{Host: c.port, Protocols: []string{c.proto}}}, netip.MustParseAddr(c.ip))
			var bound *BoundError
			if errors.As(err, &bound) != c.taken {
				t.Errorf("check: %v", err)
			}
			if c.taken && bound.Port != c.port {
				t.Errorf("names port %d", bound.Port)
			}
		})
	}
}

func TestAPortLetGoIsFree(t *testing.T) {
	port := porttest.Free(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	in, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	in.Close() // the side that closes first stays in TIME_WAIT
	conn.Close()
	l.Close()
	if err := Check([]Port{{Host: port, Protocols: []string{"tcp"}}}, netip.Addr{}); err != nil {
		t.Errorf("check: %v", err)
	}
}
