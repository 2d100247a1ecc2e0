package ruleset

import (
	"net/netip"
	"slices"

	"berth/orchestrator/api"
)

// unit is what one app asks for. It depends on the app and the options alone, and is never changed once it is made.
type unit struct {
	app      *api.AppInfo
	claims   []claim
	problems []Problem
	agents   []netip.Addr // of its tasks, each once
}

// claim is an app's part in one VIP.
type claim struct {
	id      vipID
	label   string
	value   string
	members []Member
}

type appBuild struct {
	opt *Options
	app *api.AppInfo
	p   problems
}

// maxClaims bounds the VIPs of one app.
const maxClaims = 1000

func buildUnit(opt *Options, a *api.AppInfo) *unit {
	b := &appBuild{opt: opt, app: a, p: problems{app: a.ID}}
	u := &unit{app: a}
	list := ports(&a.App)
	legacy := b.legacyWants(list)
	bridge := a.Mode() == api.NetworkBridge
	var nodes []node
	for i, p := range list {
		for _, w := range append(b.wants(p), legacy[i]...) {
			if nodes == nil {
				nodes = b.nodes()
			}
			u.claim(w, b.members(p, w, nodes, bridge), &b.p)
		}
	}
	if len(u.claims) > 0 {
		for _, n := range nodes {
			for _, a := range n.addrs {
				if !slices.Contains(u.agents, a) {
					u.agents = append(u.agents, a)
				}
			}
		}
	}
	u.problems = b.p.list
	return u
}

func (b *appBuild) nodes() []node {
	nodes := make([]node, len(b.app.Tasks))
	for i := range b.app.Tasks {
		nodes[i] = b.opt.locate(&b.app.Tasks[i])
	}
	return nodes
}

// claim adds members to the VIP, which another port of the app may share.
func (u *unit) claim(w want, members []Member, p *problems) {
	i := slices.IndexFunc(u.claims, func(c claim) bool { return c.id == w.id })
	switch {
	case i >= 0:
		u.claims[i].members = append(u.claims[i].members, members...)
	case len(u.claims) >= maxClaims:
		p.add(w.label, w.value, "no VIP: expected at most %d for an app", maxClaims)
	default:
		u.claims = append(u.claims, claim{w.id, w.label, w.value, members})
	}
}

func (b *appBuild) members(p port, w want, nodes []node, bridge bool) []Member {
	var list []Member
	for i := range b.app.Tasks {
		t := &b.app.Tasks[i]
		state, ok := stateOf(b.app, t)
		if !ok {
			continue
		}
		m := Member{App: b.app.ID, Task: t.ID, Weight: w.weight, State: state}
		if state == Active && w.weight == 0 {
			m.State = Paused
		}
		addrs, local, reason := p.reach(t, nodes[i], bridge)
		usable := slices.DeleteFunc(addrs, func(a netip.AddrPort) bool {
			return w.id.addr.IsValid() && w.id.addr.Is4() != a.Addr().Is4() || b.opt.NoIPv6 && a.Addr().Is6()
		})
		if reason == "" && len(usable) == 0 {
			reason = "it has no address of the VIP's family"
		}
		if reason != "" {
			m.State, m.Reason = Unroutable, reason
			list = append(list, m)
			continue
		}
		for _, a := range usable {
			m.Addr, m.Local = a, local
			list = append(list, m)
		}
	}
	return list
}
