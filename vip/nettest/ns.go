package nettest

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NS is a network namespace. The zero NS is the one the process is in.
type NS struct{ f *os.File }

// NewNS makes a namespace with lo up. It goes away with the test.
func NewNS(t testing.TB) NS {
	t.Helper()
	Isolated(t)
	var ns NS
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		var err error
		if ns.f, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return up("lo")
	})
	if err != nil {
		t.Fatalf("make network namespace: %v", err)
	}
	t.Cleanup(func() { ns.f.Close() })
	return ns
}

// onThread runs f on a thread of its own, which ends afterwards, so that nothing else ever runs in another namespace.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread with the goroutine
		done <- f()
	}()
	return <-done
}

// Do runs f inside. Sockets that f makes, and processes that it starts, belong to the namespace for good.
func (n NS) Do(f func() error) error {
	if n.f == nil {
		return f()
	}
	return onThread(func() error {
		if err := unix.Setns(int(n.f.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

func up(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// Must fails the test if f fails inside.
func (n NS) Must(t testing.TB, f func() error) {
	t.Helper()
	if err := n.Do(f); err != nil {
		t.Fatal(err)
	}
}

// Veth joins two namespaces by a pair of interfaces.
func Veth(t testing.TB, a NS, nameA string, b NS, nameB string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = nameA
	v := &netlink.Veth{LinkAttrs: attrs, PeerName: nameB}
	if b.f != nil {
		v.PeerNamespace = netlink.NsFd(int(b.f.Fd()))
	}
	a.Must(t, func() error {
		if err := netlink.LinkAdd(v); err != nil {
			return fmt.Errorf("veth %s: %w", nameA, err)
		}
		return up(nameA)
	})
	t.Cleanup(func() { _ = a.Do(func() error { return del(nameA) }) })
	b.Must(t, func() error { return up(nameB) })
}

func del(name string) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkDel(l)
}

// Bridge makes a bridge.
func (n NS) Bridge(t testing.TB, name string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	n.Must(t, func() error {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
			return fmt.Errorf("bridge %s: %w", name, err)
		}
		return up(name)
	})
	t.Cleanup(func() { _ = n.Do(func() error { return del(name) }) })
}

// Enslave puts an interface on a bridge.
func (n NS) Enslave(t testing.TB, port, bridge string) {
	t.Helper()
	n.Must(t, func() error {
		b, err := netlink.LinkByName(bridge)
		if err != nil {
			return err
		}
		p, err := netlink.LinkByName(port)
		if err != nil {
			return err
		}
		return netlink.LinkSetMaster(p, b)
	})
}

// Addr gives an interface addresses in CIDR notation.
func (n NS) Addr(t testing.TB, name string, cidrs ...string) {
	t.Helper()
	n.Must(t, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		for _, c := range cidrs {
			a, err := netlink.ParseAddr(c)
			if err != nil {
				return err
			}
			a.Flags = unix.IFA_F_NODAD // otherwise an IPv6 address cannot be used for a second
			if err := netlink.AddrAdd(l, a); err != nil {
				return fmt.Errorf("address %s of %s: %w", c, name, err)
			}
			t.Cleanup(func() { _ = n.Do(func() error { return netlink.AddrDel(l, a) }) }) // lo stays, others are gone by then
		}
		return nil
	})
}

// Route adds a route by a gateway; dst "" is the default route, which must lead to another namespace of the test.
func (n NS) Route(t testing.TB, dst, gateway string) {
	t.Helper()
	r := &netlink.Route{Gw: net.ParseIP(gateway)}
	if dst != "" {
		_, p, err := net.ParseCIDR(dst)
		if err != nil {
			t.Fatal(err)
		}
		r.Dst = p
	}
	n.Must(t, func() error {
		if err := netlink.RouteAdd(r); err != nil {
			return fmt.Errorf("route %q via %s: %w", dst, gateway, err)
		}
		return nil
	})
}

// Sysctl sets a kernel parameter of the namespace, net/ipv4/ip_forward; it reports whether there is such a one.
func (n NS) Sysctl(name, value string) bool {
	return n.Do(func() error { return os.WriteFile("/proc/sys/"+name, []byte(value), 0o644) }) == nil
}
