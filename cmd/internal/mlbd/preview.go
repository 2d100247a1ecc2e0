package mlbd

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"

	"berth/mlb/model"
	"berth/mlb/plan"
	"berth/mlb/render"
	"berth/mlb/render/check"
	"berth/orchestrator/api"
)

// Preview says what a load balancer with c's flags would make of a change of apps, without one that runs: lines for routes
// and servers before and after, what has to be done to get there, and what it would leave out afterwards. Names of hosts
// are not looked up.
func Preview(c Config, before, after []*api.AppInfo) (have, want []string, todo plan.Plan, problems []model.Problem, err error) {
	if err := c.check(); err != nil {
		return nil, nil, plan.Plan{}, nil, err
	}
	ro := c.renderOptions("/", []string{defaultCert})
	ro.Check = check.Fragment
	mo := c.modelOptions()
	mo.Reserved, mo.Resolve, mo.Certificate = ro.Reserved(), standIn, nil
	state := func(apps []*api.AppInfo) (plan.State, []model.Problem) {
		m, p := model.Build(apps, mo)
		out, more := render.Files(m, ro)
		return plan.State{Model: m, Output: out}, append(p, more...)
	}
	from, _ := state(before)
	to, problems := state(after)
	return outline(from.Model), outline(to.Model), plan.Make(from, to, plan.Options{MapDir: "/"}), problems, nil
}

// standIn is an address of the range kept for future use (RFC 1112 section 4) for the name of a host: only that it is
// always the same counts here.
func standIn(host string) (string, bool) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(host))
	n := h.Sum32()
	return netip.AddrFrom4([4]byte{240 | byte(n>>24)&15, byte(n >> 16), byte(n >> 8), byte(n)}).String(), true
}

// outline describes a model, a line for each route and server, sorted.
func outline(m *model.Model) []string {
	var out []string
	for _, h := range m.Hosts {
		redirect := ""
		if h.RedirectToHTTPS {
			redirect = ", to https first"
		}
		out = append(out, fmt.Sprintf("host %s%s → %s%s", h.Host, h.Path, h.Backend, redirect))
	}
	for _, s := range m.Services {
		if !s.Unbound {
			out = append(out, fmt.Sprintf("port %d (%s) → %s", s.Port, s.Mode, s.Name))
		}
		for _, v := range s.Servers {
			out = append(out, fmt.Sprintf("server %s:%d in %s", v.Host, v.Port, s.Name))
		}
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
