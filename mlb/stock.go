package mlb

import (
	"regexp"
	"strconv"
	"strings"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
	"berth/mlb/spare"
	"berth/orchestrator/api"
)

// SpareOptions say what is kept in store for apps to come, so that they need no reload. The zero value keeps nothing.
type SpareOptions struct {
	HTTP, TCP        int // backends by mode
	MinPort, MaxPort int // as many service ports as there are backends are open, the lowest unused ones of this range
}

func (o SpareOptions) none() bool { return o.HTTP+o.TCP == 0 || o.MaxPort == 0 }

// SpareStatus tells which services have claimed a backend out of the store, and so go by its name in statistics and maps
// until the next reload.
type SpareStatus struct {
	Backends int               `json:"backends"`
	Ports    []int             `json:"ports"`
	Claimed  map[string]string `json:"claimed"` // service → backend
}

// stock is what the running configuration keeps in store. It belongs to the loop.
type stock struct {
	opt    SpareOptions
	store  spare.Store
	layout spare.Layout
	claims spare.Claims
	shut   map[int]bool // ports that somebody else on this machine uses
}

// propose renders an attempt and plans it: with claims on what is in store if that avoids a reload, and otherwise with a
// backend of its own for everybody and a full store.
func (l *LB) propose(a *attempt, set *templateSet) (plan.Plan, []model.Problem) {
	s := &l.stock
	if !s.layout.Empty() && l.state.Output != nil && l.candidate == nil && l.force == "" {
		fits := func(svc *model.Service) bool {
			return set.renderer.FitsSpare(svc) && !isGroup(a.snapshot.Apps, svc.App)
		}
		claims, ok := spare.Claim(a.model, l.state.Model, s.claims, s.layout, fits)
		if ok {
			found := l.render(a, set, claims, s.layout)
			if p := l.plan(a); p.Rung != plan.Reload {
				return p, found
			}
		}
	}
	found := l.render(a, set, nil, s.next(a, set))
	return l.plan(a), found
}

// isGroup says whether id is that of a deployment group: whoever deploys by it (marathon-lb's zdd) looks for its backend by
// name, so it needs its own at once.
func isGroup(apps []*api.AppInfo, id string) bool {
	for _, a := range apps {
		if g, ok := a.Labels["HAPROXY_DEPLOYMENT_GROUP"]; ok && "/"+strings.TrimPrefix(g, "/") == id {
			return true
		}
	}
	return false
}

func (l *LB) render(a *attempt, set *templateSet, claims spare.Claims, layout spare.Layout) []model.Problem {
	a.claims, a.layout = claims, layout
	a.served = l.stock.store.Serve(a.model, claims, layout)
	out, found := set.renderer.Render(a.served)
	a.out, a.sections = out, func() *haproxy.Sections { return set.sections(out) }
	return found
}

func (l *LB) plan(a *attempt) plan.Plan {
	to := plan.State{Model: a.served, Output: a.out}
	p := plan.Make(l.state, to, plan.Options{Cookies: l.cookies, MapDir: l.opt.Render.MapDir})
	if l.force != "" {
		p = plan.Plan{Rung: plan.Reload, Reasons: append([]string{l.force}, p.Reasons...)}
	}
	return p
}

// next is what the next configuration keeps in store.
func (s *stock) next(a *attempt, set *templateSet) spare.Layout {
	if s.opt.none() || !set.renderer.SparesPossible() {
		return spare.Layout{}
	}
	used := usedPorts(a.snapshot.Apps)
	for _, svc := range a.model.Services {
		used[svc.Port] = true
	}
	for p := range a.reserved {
		used[p] = true
	}
	for p := range s.shut {
		used[p] = true
	}
	l := spare.Layout{HTTP: s.opt.HTTP, TCP: s.opt.TCP, Settled: spare.Settled(a.model)}
	l.Ports = spare.Ports(l.HTTP+l.TCP, s.opt.MinPort, s.opt.MaxPort, func(p int) bool { return used[p] })
	return l
}

// usedPorts are the service ports of all apps, whichever load balancer serves them.
func usedPorts(apps []*api.AppInfo) map[int]bool {
	used := make(map[int]bool, len(apps))
	for _, app := range apps {
		for _, p := range app.Ports {
			used[p] = true
		}
		for _, p := range app.App.ServicePorts() {
			used[p] = true
		}
	}
	return used
}

// keep takes note of what an applied attempt has left in store.
func (s *stock) keep(a *attempt) { s.layout, s.claims = a.layout, a.claims }

// status is nil when nothing is kept.
func (s *stock) status() *SpareStatus {
	if s.layout.Empty() {
		return nil
	}
	claimed := make(map[string]string, len(s.claims))
	for name, backend := range s.claims {
		claimed[name] = backend
	}
	return &SpareStatus{Backends: s.layout.HTTP + s.layout.TCP, Ports: s.layout.Ports, Claimed: claimed}
}

var portAtEnd = regexp.MustCompile(`:(\d{1,5})(?:\]| |$)`)

// refused looks for complaints about the ports in store. Such a port is left alone from now on; a complaint without one
// ends the keeping of a store. It says whether there is something else to try.
func (s *stock) refused(a *attempt, err *haproxy.CheckError) bool {
	if a.layout.Empty() {
		return false
	}
	hit := false
	for _, r := range err.Reasons {
		if !strings.HasPrefix(r.Section, "spare:") {
			continue
		}
		hit = true
		m := portAtEnd.FindStringSubmatch(r.Message)
		if m == nil {
			s.opt = SpareOptions{}
			continue
		}
		port, _ := strconv.Atoi(m[1])
		if s.shut == nil {
			s.shut = map[int]bool{}
		}
		s.shut[port] = true
	}
	return hit
}
