// Package hostport pairs the host ports chosen for a task with what they belong to, and finds out before a start whether
// a stranger on this host holds one of them (marathon-api.md section 5.3). Both drivers use it.
package hostport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// Port is a host port of a task. With a mapping, Container is the port inside the container.
type Port struct {
	Host      int
	Container int
	Protocols []string // tcp, udp or both
}

// Of returns the host ports of a task in the order of its definitions, or an error when their number does not fit.
func Of(spec driver.Spec) ([]Port, error) {
	wanted := definitions(spec.App)
	if len(wanted) != len(spec.Ports) {
		return nil, fmt.Errorf("assign ports: the app asks for %d host ports, %d were chosen", len(wanted), len(spec.Ports))
	}
	for i := range wanted {
		p := spec.Ports[i]
		for _, proto := range wanted[i].Protocols {
			if proto != "tcp" && proto != "udp" {
				return nil, fmt.Errorf("assign ports: protocol %q of port %d: expected tcp, udp or both with a comma", proto, i)
			}
		}
		if p < 1 || p > 65535 {
			return nil, fmt.Errorf("assign ports: host port %d: expected 1 to 65535", p)
		}
		wanted[i].Host = p
		if wanted[i].Container == 0 {
			wanted[i].Container = p
		}
	}
	return wanted, nil
}

func definitions(a *api.App) []Port {
	var out []Port
	if a.Mode() == api.NetworkHost {
		for _, d := range a.PortDefinitions {
			out = append(out, Port{Protocols: protocols(d.Protocol)})
		}
		return out
	}
	for _, m := range a.Mappings() {
		if m.HostPort != nil {
			out = append(out, Port{Container: m.ContainerPort, Protocols: protocols(m.Protocol)})
		}
	}
	return out
}

func protocols(s string) []string {
	if s == "" {
		return []string{"tcp"}
	}
	return strings.Split(s, ",")
}

// Check reports the first port that another process on this host holds. ip is the address that will be bound; an
// unspecified one means every address of both families. It binds and lets go at once, without listening, so that no
// client ever connects to the probe.
func Check(ports []Port, ip netip.Addr) error {
	for _, p := range ports {
		for _, proto := range p.Protocols {
			if taken(proto, ip, p.Host) {
				return &BoundError{Port: p.Host, Protocol: proto}
			}
		}
	}
	return nil
}

// Here reports whether an agent's address is one of this host, in this network namespace: only then can its ports be
// looked at from here.
func Here(agentIP string) bool {
	want := net.ParseIP(agentIP)
	if want == nil {
		return false
	}
	if want.IsLoopback() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		n, ok := a.(*net.IPNet)
		return ok && n.IP.Equal(want)
	})
}

// ErrBound is what every error says whose cause is a port held by a stranger.
var ErrBound = errors.New("a host port is bound by another process on this host")

// BoundError says that a stranger holds a port.
type BoundError struct {
	Port     int
	Protocol string
}

func (e *BoundError) Error() string {
	if e.Protocol == "udp" {
		return fmt.Sprintf("port %d/udp is bound by another process on this host", e.Port)
	}
	return fmt.Sprintf("port %d is bound by another process on this host", e.Port)
}

// Is makes a BoundError an ErrBound.
func (e *BoundError) Is(target error) bool { return target == ErrBound }

func taken(proto string, ip netip.Addr, port int) bool {
	if ip.IsValid() && !ip.IsUnspecified() {
		return bindFails(proto, ip, port)
	}
	return bindFails(proto, netip.IPv4Unspecified(), port) || bindFails(proto, netip.IPv6Unspecified(), port)
}

// bindFails reports only "address in use": that a low port needs privileges, or a host has no IPv6, is for the task to
// find out.
func bindFails(proto string, ip netip.Addr, port int) bool {
	kind := unix.SOCK_STREAM
	if proto == "udp" {
		kind = unix.SOCK_DGRAM
	}
	family, addr := sockaddr(ip.Unmap(), port)
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if kind == unix.SOCK_STREAM {
		// Connections of the last task in TIME_WAIT do not count; a listener still does.
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	}
	return errors.Is(unix.Bind(fd, addr), unix.EADDRINUSE)
}

func sockaddr(ip netip.Addr, port int) (int, unix.Sockaddr) {
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: port, Addr: ip.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: port, Addr: ip.As16()}
}
