package ruleset

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// VIP is one virtual address and port as people see it; a named one is at most two services, one for each family. VIPs
// are never changed once they are made.
type VIP struct {
	ID       string // tcp/1.1.1.1:80, udp/test4.marathon.l4lb.thisdcos.directory:53
	Name     string // in DNS; empty for an address
	Addrs    []netip.Addr
	Proto    Proto
	Port     uint16
	Apps     []string
	Members  []Member // sorted by app, task and address
	Services []*Service
}

// HostPort is the name or address with the port.
func (v *VIP) HostPort() string {
	if v.Name != "" {
		return fmt.Sprintf("%s:%d", v.Name, v.Port)
	}
	return netip.AddrPortFrom(v.Addrs[0], v.Port).String()
}

// chosen are the members that get new connections (vip.md sections 3.1 and 3.2): the active ones. If there is none at all,
// those on lost agents stay, because a lost agent may be this node's own view; the unhealthy ones only if that is wanted.
func chosen(members []Member, unhealthyToo bool) []Member {
	pick := func(states ...State) []Member {
		var list []Member
		for _, m := range members {
			if slices.Contains(states, m.State) && m.Addr.IsValid() && m.Weight > 0 {
				list = append(list, m)
			}
		}
		return list
	}
	if list := pick(Active); list != nil {
		return list
	}
	if unhealthyToo {
		if list := pick(Unhealthy, Unchecked, Unready); list != nil {
			return list
		}
	}
	for _, m := range members {
		if m.State != Unreachable && m.State != Unroutable {
			return nil
		}
	}
	return pick(Unreachable)
}

// slots spreads members over slots by weight: sorted, each address once with the sum of its weights, and at most maxSlots
// altogether unless there are more addresses than that.
func slots(members []Member, v6 bool) []netip.AddrPort {
	weight := map[netip.AddrPort]int{}
	for _, m := range members {
		if m.Addr.Addr().Is6() == v6 {
			weight[m.Addr] += m.Weight
		}
	}
	addrs := slices.SortedFunc(maps.Keys(weight), netip.AddrPort.Compare)
	if len(addrs) > maxBackends {
		addrs = addrs[:maxBackends]
	}
	total, even := 0, true
	for _, a := range addrs {
		total += weight[a]
		even = even && weight[a] == weight[addrs[0]]
	}
	if even {
		return addrs
	}
	var list []netip.AddrPort
	for _, a := range addrs {
		for range share(weight[a], total, len(addrs)) {
			list = append(list, a)
		}
	}
	return list
}

// share is how many slots a weight gets.
func share(w, total, addrs int) int {
	if total <= maxSlots {
		return w
	}
	free := maxSlots - addrs // beyond the one that everybody gets
	if free < 0 {
		return 1
	}
	return 1 + w*free/total
}

func sortMembers(list []Member) {
	slices.SortFunc(list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Task, b.Task), a.Addr.Compare(b.Addr))
	})
}
