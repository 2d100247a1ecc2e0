package route

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"

	"berth/vip/ruleset"
)

// Facts are what the host looks like.
type Facts struct {
	Addrs    []netip.Addr // of all interfaces, sorted
	Source4  netip.Addr   // address of the node, of routes and of this node's connections
	Source6  netip.Addr
	Uplinks  []string // interfaces to the outside, sorted
	MTU      int      // the smallest of the uplinks, 0 without one
	Bridges  []Bridge // those others made, sorted by name
	Reserved []ruleset.Reserved
	Warnings []string
}

// Bridge is a bridge that containers may hang on.
type Bridge struct {
	Name     string
	Index    int
	Prefixes []netip.Prefix
	// Filtered says whether frames within the bridge pass the IP hooks, by family.
	Filtered4, Filtered6 bool
}

// Look reads the facts. resolvConf are the files that name resolvers.
func Look(resolvConf ...string) (*Facts, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", explain(err))
	}
	f := &Facts{}
	gateways, byDefault, err := f.routes()
	if err != nil {
		return nil, err
	}
	v4, v6 := bridgeFilter("iptables"), bridgeFilter("ip6tables")
	for _, l := range links {
		if l.Attrs().Name == Device {
			continue
		}
		prefixes, err := addrsOf(l)
		if err != nil {
			return nil, err
		}
		f.link(l, prefixes, byDefault[l.Attrs().Index])
		if l.Type() == "bridge" {
			f.Bridges = append(f.Bridges, Bridge{l.Attrs().Name, l.Attrs().Index, prefixes, v4, v6})
		}
	}
	f.reserve(gateways, resolvConf)
	slices.SortFunc(f.Addrs, netip.Addr.Compare)
	slices.Sort(f.Uplinks)
	slices.SortFunc(f.Bridges, func(a, b Bridge) int { return strings.Compare(a.Name, b.Name) })
	f.forwarding()
	return f, nil
}

// routes finds gateways and the interfaces of default routes.
func (f *Facts) routes() (gateways []netip.Addr, byDefault map[int]bool, err error) {
	byDefault = map[int]bool{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := netlink.RouteList(nil, family)
		if err != nil {
			return nil, nil, fmt.Errorf("list routes: %w", explain(err))
		}
		for _, r := range list {
			if gw, ok := netip.AddrFromSlice(r.Gw); ok && !slices.Contains(gateways, gw.Unmap()) {
				gateways = append(gateways, gw.Unmap())
			}
			if p, ok := prefixOf(r.Dst); r.Dst == nil || ok && p.Bits() == 0 {
				byDefault[r.LinkIndex] = true
			}
		}
	}
	return gateways, byDefault, nil
}

func addrsOf(l netlink.Link) (out []netip.Prefix, err error) {
	list, err := netlink.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("addresses of %s: %w", l.Attrs().Name, explain(err))
	}
	for _, a := range list {
		if p, ok := prefixOf(a.IPNet); ok {
			out = append(out, p)
		}
	}
	return out, nil
}

// link takes an interface in. An uplink is one that a default route uses, or hardware; a bridge only in the first case. The
// node's addresses are those of the first uplink, or else of the first interface that has any.
func (f *Facts) link(l netlink.Link, prefixes []netip.Prefix, byDefault bool) {
	a := l.Attrs()
	loopback := a.Flags&net.FlagLoopback != 0
	uplink := !loopback && (byDefault || l.Type() == "device" && a.MasterIndex == 0)
	if uplink {
		f.Uplinks = append(f.Uplinks, a.Name)
		if f.MTU == 0 || a.MTU < f.MTU {
			f.MTU = a.MTU
		}
	}
	for _, p := range prefixes {
		addr := p.Addr()
		f.Addrs = append(f.Addrs, addr)
		if addr.IsLinkLocalUnicast() || loopback {
			continue
		}
		source := &f.Source4
		if addr.Is6() {
			source = &f.Source6
		}
		if !source.IsValid() || byDefault {
			*source = addr
		}
	}
}

// reserve lists what no VIP may take, besides this node's addresses.
func (f *Facts) reserve(gateways []netip.Addr, resolvConf []string) {
	add := func(p netip.Prefix, reason string) {
		f.Reserved = append(f.Reserved, ruleset.Reserved{Prefix: p, Reason: reason})
	}
	for _, a := range f.Addrs {
		add(netip.PrefixFrom(a, a.BitLen()), "this node's own")
	}
	for _, a := range gateways {
		add(netip.PrefixFrom(a, a.BitLen()), "a gateway of this node")
	}
	for _, a := range resolvers(resolvConf) {
		add(netip.PrefixFrom(a, a.BitLen()), "a resolver of this node")
	}
	for _, b := range f.Bridges {
		for _, p := range b.Prefixes {
			if !p.Addr().IsLinkLocalUnicast() {
				add(p.Masked(), "the network of bridge "+b.Name)
			}
		}
	}
}

// resolvers reads the nameserver lines of files, of which some may be missing.
func resolvers(files []string) (out []netip.Addr) {
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil || len(data) > 1<<20 {
			continue
		}
		for line := range strings.Lines(string(data)) {
			w := strings.Fields(line)
			if len(w) < 2 || w[0] != "nameserver" {
				continue
			}
			if a, err := netip.ParseAddr(w[1]); err == nil {
				out = append(out, a.WithZone("").Unmap())
			}
		}
	}
	return out
}

// bridgeFilter reads whether bridged frames pass the IP hooks. The file exists only where the kernel has bridge netfilter.
func bridgeFilter(family string) bool {
	data, err := os.ReadFile("/proc/sys/net/bridge/bridge-nf-call-" + family)
	return err == nil && strings.TrimSpace(string(data)) == "1"
}

// forwarding warns when containers cannot get any further than this node.
func (f *Facts) forwarding() {
	data, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err == nil && strings.TrimSpace(string(data)) == "0" && len(f.Bridges) > 0 {
		f.Warnings = append(f.Warnings, "net.ipv4.ip_forward is 0: containers reach VIPs only on this node itself")
	}
}
