package ruleset

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// settleGroups computes the VIPs that changed and returns what becomes of services and VIPs. Names that are new get their
// addresses in the order of the names, so that the result does not depend on the order of the apps.
func (b *Builder) settleGroups(picks map[Pick]int) (services []change[Service], vips []change[VIP]) {
	ids := slices.SortedFunc(maps.Keys(b.dirty), vipID.compare)
	for _, id := range ids {
		if g := b.groups[id]; len(g.claims) == 0 {
			s, v := b.retire(g, picks)
			services, vips = append(services, s...), append(vips, v...)
			delete(b.groups, id)
		}
	}
	for _, id := range ids {
		if g := b.groups[id]; g != nil {
			s, v := b.settle(g, picks)
			services, vips = append(services, s...), append(vips, v...)
		}
	}
	clear(b.dirty)
	return services, vips
}

func (a vipID) compare(b vipID) int {
	if c := strings.Compare(a.name, b.name); c != 0 {
		return c
	}
	return Key{a.addr, a.proto, a.port}.Compare(Key{b.addr, b.proto, b.port})
}

// retire takes a VIP out.
func (b *Builder) retire(g *group, picks map[Pick]int) (services []change[Service], vips []change[VIP]) {
	delete(b.refused, g.id)
	if g.vip == nil {
		return nil, nil
	}
	for _, s := range g.vip.Services {
		countPick(picks, s, -1)
		services = append(services, change[Service]{old: s})
	}
	b.hold(g, nil)
	if g.id.addr.IsValid() {
		b.vips.remove(g.id.addr)
	} else if b.named[g.id.name]--; b.named[g.id.name] == 0 {
		delete(b.named, g.id.name)
	}
	vips = []change[VIP]{{old: g.vip}}
	g.vip = nil
	return services, vips
}

func (b *Builder) hold(g *group, hairpin []netip.Addr) {
	for _, a := range g.hairpin {
		b.hairpin.remove(a)
	}
	for _, a := range hairpin {
		b.hairpin.add(a)
	}
	g.hairpin = hairpin
}

// settle brings a VIP up to date.
func (b *Builder) settle(g *group, picks map[Pick]int) (services []change[Service], vips []change[VIP]) {
	v, reason := b.assemble(g)
	if reason != "" {
		services, vips = b.retire(g, picks)
		b.refuse(g, reason)
		return services, vips
	}
	delete(b.refused, g.id)
	if g.vip == nil {
		if g.id.addr.IsValid() {
			b.vips.add(g.id.addr)
		} else {
			b.named[g.id.name]++
		}
	}
	old := g.vip
	services = exchange(old, v)
	for _, c := range services {
		if c.old != nil {
			countPick(picks, c.old, -1)
		}
		if c.now != nil {
			countPick(picks, c.now, 1)
		}
	}
	g.vip = v
	b.hold(g, hairpinOf(v))
	return services, []change[VIP]{{old: old, now: v}}
}

// exchange pairs the services of two states of a VIP and keeps the old pointers where nothing changed.
func exchange(old, now *VIP) (services []change[Service]) {
	left := map[Key]*Service{}
	if old != nil {
		for _, s := range old.Services {
			left[s.Key] = s
		}
	}
	for i, s := range now.Services {
		before := left[s.Key]
		delete(left, s.Key)
		if before != nil && before.equal(s) {
			now.Services[i] = before
			continue
		}
		services = append(services, change[Service]{before, s})
	}
	for _, s := range left {
		services = append(services, change[Service]{old: s})
	}
	return services
}

// assemble makes a VIP of what the apps say, or tells why it cannot be.
func (b *Builder) assemble(g *group) (v *VIP, reason string) {
	v = &VIP{Proto: g.id.proto, Port: g.id.port, Apps: slices.Sorted(maps.Keys(g.claims))}
	for _, app := range v.Apps {
		v.Members = append(v.Members, g.claims[app].members...)
	}
	sortMembers(v.Members)
	if g.id.addr.IsValid() {
		if b.agents.n[g.id.addr] > 0 {
			return nil, "the address is an agent's"
		}
		if name, taken := b.holder(g.id.addr); taken {
			return nil, "the address is given to the name " + name
		}
		v.Addrs = []netip.Addr{g.id.addr}
	} else {
		v.Name = g.id.name + "." + b.opt.Framework + "." + b.opt.Zone
		if v.Addrs = b.addresses(g.id.name, v.Members); v.Addrs == nil {
			return nil, "no address is free in the range for names, " + b.opt.Range4.String()
		}
	}
	v.ID = v.Proto.String() + "/" + v.HostPort()
	members := chosen(v.Members, b.opt.UnhealthyIfNone)
	for _, a := range v.Addrs {
		v.Services = append(v.Services, &Service{Key: Key{a, v.Proto, v.Port}, Slots: slots(members, a.Is6())})
	}
	return v, ""
}

func (b *Builder) holder(a netip.Addr) (string, bool) {
	if name, ok := b.v4.byAddr[a]; ok {
		return name, true
	}
	name, ok := b.v6.byAddr[a]
	return name, ok
}

// addresses gives a name its addresses: always one of IPv4, and one of IPv6 when a task has one.
func (b *Builder) addresses(name string, members []Member) []netip.Addr {
	reserved := func(a netip.Addr) bool { return b.vips.n[a] > 0 || b.explicit(a) }
	v4, ok := b.v4.assign(name, b.opt.Framework, reserved)
	if !ok {
		return nil
	}
	list := []netip.Addr{v4}
	has6 := slices.ContainsFunc(members, func(m Member) bool { return m.Addr.IsValid() && m.Addr.Addr().Is6() })
	if has6 && !b.opt.NoIPv6 {
		if v6, ok := b.v6.assign(name, b.opt.Framework, reserved); ok {
			list = append(list, v6)
		}
	}
	return list
}

// explicit reports whether a label asks for an address inside the ranges, which is then not given to a name.
func (b *Builder) explicit(a netip.Addr) bool {
	if !b.opt.AllowExplicitInRange {
		return false
	}
	for id := range b.groups {
		if id.addr == a {
			return true
		}
	}
	return false
}

func (b *Builder) refuse(g *group, reason string) {
	var list []Problem
	for _, app := range slices.Sorted(maps.Keys(g.claims)) {
		c := g.claims[app]
		list = append(list, Problem{app, c.label, c.value, "no VIP: " + reason})
	}
	b.refused[g.id] = list
}

// hairpinOf lists this node's containers among the backends that get connections, each once.
func hairpinOf(v *VIP) []netip.Addr {
	if !slices.ContainsFunc(v.Members, func(m Member) bool { return m.Local }) {
		return nil
	}
	used := map[netip.AddrPort]bool{}
	for _, s := range v.Services {
		for _, a := range s.Slots {
			used[a] = true
		}
	}
	addrs := map[netip.Addr]bool{}
	for _, m := range v.Members {
		if m.Local && used[m.Addr] {
			addrs[m.Addr.Addr()] = true
		}
	}
	return slices.SortedFunc(maps.Keys(addrs), netip.Addr.Compare)
}
