package route

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"berth/vip/ruleset"
)

// Bridged is what has to be done so that containers on bridges reach VIPs that lead to themselves or their siblings
// (vip.md section 9.3).
type Bridged struct {
	SameL2 []string // bridges of which the frames pass no IP hooks
	Ports  []string // bridge ports that need hairpin mode, sorted
}

// Plan looks which bridges and ports the addresses of local backends need.
func (f *Facts) Plan(backends []netip.Addr) (Bridged, error) {
	var out Bridged
	for _, b := range f.Bridges {
		if !b.Filtered4 || !b.Filtered6 {
			out.SameL2 = append(out.SameL2, b.Name)
		}
		if !b.Filtered4 && !b.Filtered6 {
			continue
		}
		mine := slices.DeleteFunc(slices.Clone(backends), func(a netip.Addr) bool {
			return !slices.ContainsFunc(b.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
		})
		if len(mine) == 0 {
			continue
		}
		ports, err := portsOf(b, mine)
		if err != nil {
			return out, err
		}
		out.Ports = append(out.Ports, ports...)
	}
	slices.Sort(out.Ports)
	out.Ports = slices.Compact(out.Ports)
	return out, nil
}

// portsOf finds the ports behind which addresses live: the bridge's neighbours tell their hardware addresses, its forwarding
// table the ports. If one has not been heard of yet, all ports count.
func portsOf(b Bridge, backends []netip.Addr) ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", explain(err))
	}
	ports := map[int]string{}
	for _, l := range links {
		if l.Attrs().MasterIndex == b.Index {
			ports[l.Attrs().Index] = l.Attrs().Name
		}
	}
	behind, err := forwarding(b)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range backends {
		name, ok := ports[behind[a]]
		if !ok {
			out = nil
			for _, name := range ports {
				out = append(out, name)
			}
			return out, nil
		}
		out = append(out, name)
	}
	return out, nil
}

// forwarding maps addresses to the indices of bridge ports.
func forwarding(b Bridge) (map[netip.Addr]int, error) {
	table, err := netlink.NeighList(0, unix.AF_BRIDGE)
	if err != nil {
		return nil, fmt.Errorf("forwarding table of %s: %w", b.Name, explain(err))
	}
	port := map[string]int{}
	for _, n := range table {
		if n.MasterIndex == b.Index {
			port[n.HardwareAddr.String()] = n.LinkIndex
		}
	}
	neighbours, err := netlink.NeighList(b.Index, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("neighbours of %s: %w", b.Name, explain(err))
	}
	out := map[netip.Addr]int{}
	for _, n := range neighbours {
		if a, ok := netip.AddrFromSlice(n.IP); ok && len(n.HardwareAddr) > 0 {
			out[a.Unmap()] = port[n.HardwareAddr.String()]
		}
	}
	return out, nil
}

// Hairpin reads the hairpin mode of a bridge port; one that does not exist has none.
func Hairpin(port string) bool {
	l, err := netlink.LinkByName(port)
	if err != nil {
		return false
	}
	info, err := netlink.LinkGetProtinfo(l)
	return err == nil && info.Hairpin
}

// SetHairpin switches the hairpin mode of a bridge port; one that is gone needs nothing.
func SetHairpin(port string, on bool) error {
	l, err := netlink.LinkByName(port)
	if err != nil {
		return nil
	}
	if err := netlink.LinkSetHairpin(l, on); err != nil {
		return fmt.Errorf("hairpin mode of %s: %w", port, explain(err))
	}
	return nil
}

// Links turns facts and plan into the links of a ruleset. hairpin are the ports that vip switched on or will.
func (f *Facts) Links(p Bridged, hairpin, uplinks []string) []ruleset.Link {
	var out []ruleset.Link
	add := func(role ruleset.Role, names []string) {
		for _, n := range names {
			out = append(out, ruleset.Link{Role: role, Name: n})
		}
	}
	add(ruleset.Uplink, uplinks)
	add(ruleset.SameL2, p.SameL2)
	add(ruleset.HairpinPort, hairpin)
	return out
}
