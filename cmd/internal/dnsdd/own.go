package dnsdd

import (
	"net"
	"net/netip"
	"slices"

	"berth/cmd/internal/cli"
)

// ownAddresses returns where others reach this server: what was said, else what it listens on, where all addresses are
// those of this machine but loopback.
func (c *Config) ownAddresses(listening []netip.AddrPort) ([]netip.Addr, error) {
	var out []netip.Addr
	add := func(ip netip.Addr) {
		if ip = ip.Unmap().WithZone(""); !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	for _, s := range cli.SplitList(c.OwnAddress) {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return nil, cli.Usagef("--own-address %q: expected an IP address", s)
		}
		add(ip)
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, l := range listening {
		if !l.Addr().IsUnspecified() {
			add(l.Addr())
			continue
		}
		for _, ip := range machineAddresses() {
			if ip.Is4() == l.Addr().Is4() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
				add(ip)
			}
		}
	}
	return out, nil
}

// reachable are the addresses with ports at which this machine can ask us, so that it is not asked to ask itself.
func reachable(listening []netip.AddrPort) []netip.AddrPort {
	out := slices.Clone(listening)
	for _, l := range listening {
		if !l.Addr().IsUnspecified() {
			continue
		}
		for _, ip := range machineAddresses() {
			if ip.Is4() == l.Addr().Is4() {
				out = append(out, netip.AddrPortFrom(ip, l.Port()))
			}
		}
	}
	return out
}

func machineAddresses() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out
}
