package model

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// WildcardLevels is how many labels may stand in front of the domain of a wildcard: *.example.com takes a.example.com
// and a.b.example.com, up to this many labels before example.com.
const WildcardLevels = 4

// claim is one (host, path) that a service asks for.
type claim struct {
	host, path string
	svc        *Service
	wildcard   string // where it is one that goes before this host by its weight
}

// before orders claims to one host: see Model.Hosts.
func before(a, b claim) int {
	return cmp.Or(
		cmp.Compare(b.svc.Weight, a.svc.Weight),
		exactness(a, b),
		cmp.Compare(len(b.path), len(a.path)),
		cmp.Compare(a.path, b.path),
		Seniority(a.svc, b.svc),
	)
}

// exactness puts a claim to the host itself first, then the longest wildcard.
func exactness(a, b claim) int {
	if (a.wildcard == "") != (b.wildcard == "") {
		return cmp.Compare(len(a.wildcard), len(b.wildcard))
	}
	return cmp.Compare(len(b.wildcard), len(a.wildcard))
}

// Seniority puts the older app first. Marathon tells no time of creation: the smallest time it tells of the app stands
// for it, and an app without any is the youngest.
func Seniority(a, b *Service) int {
	return cmp.Or(cmp.Compare(age(a.Created), age(b.Created)), cmp.Compare(a.App, b.App), cmp.Compare(a.Index, b.Index),
		cmp.Compare(a.Port, b.Port))
}

func age(t api.Timestamp) int64 {
	if t == 0 {
		return math.MaxInt64
	}
	return int64(t)
}

// hostRoutes resolves all claims to hosts and paths into routes of which none hides another one.
func hostRoutes(services []*Service) ([]HostRoute, []Problem) {
	claims := make([]claim, 0, len(services))
	heavy := make(map[string][]claim) // wildcards with a weight of their own
	for _, s := range services {
		for _, h := range s.VHosts {
			for _, p := range pathsOf(s) {
				c := claim{host: h, path: p, svc: s}
				claims = append(claims, c)
				if s.WeightSet && strings.HasPrefix(h, "*.") {
					heavy[h] = append(heavy[h], c)
				}
			}
		}
	}
	slices.SortFunc(claims, func(a, b claim) int { return cmp.Or(strings.Compare(a.host, b.host), before(a, b)) })
	routes := make([]HostRoute, 0, len(claims))
	var found []Problem
	for len(claims) > 0 {
		n := 1
		for n < len(claims) && claims[n].host == claims[0].host {
			n++
		}
		own := claims[:n:n]
		claims = claims[n:]
		if len(heavy) > 0 {
			own = withWildcards(own, heavy)
		}
		routes, found = settleHost(routes, found, own)
	}
	return routes, found
}

var everyPath = []string{""}

func pathsOf(s *Service) []string {
	if len(s.Paths) == 0 {
		return everyPath
	}
	return s.Paths
}

// withWildcards adds the claims of wildcards that cover the host and go before one of its own claims.
func withWildcards(own []claim, heavy map[string][]claim) []claim {
	host := own[0].host
	least := own[len(own)-1].svc.Weight
	list := own
	for name := strings.TrimPrefix(host, "*."); ; {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			break
		}
		name = rest
		for _, c := range heavy["*."+name] {
			if c.svc.Weight > least {
				list = append(list, claim{host: host, path: c.path, svc: c.svc, wildcard: c.host})
			}
		}
	}
	if len(list) > len(own) {
		slices.SortStableFunc(list, before)
	}
	return list
}

// settleHost walks the claims to one host in order of precedence and leaves out those that an earlier one hides: with
// the longest path looked up first, a hidden one would otherwise come through.
func settleHost(routes []HostRoute, found []Problem, claims []claim) ([]HostRoute, []Problem) {
	if len(claims) == 1 {
		return append(routes, route(claims[0])), found
	}
	kept := make(map[string]claim, len(claims))
	for _, c := range claims {
		winner, hidden := hiddenBy(kept, c)
		if !hidden {
			kept[c.path] = c
			continue
		}
		if c.wildcard != "" || winner.svc == c.svc || winner.svc.RulesOfItsOwn() {
			continue
		}
		p := problems{app: c.svc.App}
		p.warnf("HAPROXY_"+itoa(c.svc.Index)+"_VHOST", c.host+c.path, "%s of %s goes before: %s", Shorten(winner.host+winner.path),
			Shorten(winner.svc.App), whyBefore(winner, c))
		found = append(found, p.list...)
	}
	from := len(routes)
	for _, c := range kept {
		routes = append(routes, route(c))
	}
	slices.SortFunc(routes[from:], func(a, b HostRoute) int { return strings.Compare(a.Path, b.Path) })
	return routes, found
}

func hiddenBy(kept map[string]claim, c claim) (claim, bool) {
	for n := 0; n <= len(c.path); n++ {
		if w, ok := kept[c.path[:n]]; ok {
			return w, true
		}
	}
	return claim{}, false
}

func whyBefore(winner, loser claim) string {
	switch {
	case winner.svc.Weight > loser.svc.Weight:
		return "its weight is larger"
	case age(winner.svc.Created) < age(loser.svc.Created):
		return "its app is older"
	}
	return "its id comes first"
}

func route(c claim) HostRoute {
	return HostRoute{Host: c.host, Path: c.path, Backend: c.svc.Name, RedirectToHTTPS: c.svc.RedirectToHTTPS}
}

// Routes resolves what services ask for into the lists of a Model: for those that are left when some cannot be served as they
// ask, so that nobody loses a host to a service that is not there.
func Routes(services []*Service) ([]HostRoute, []AppRoute) {
	hosts, _ := hostRoutes(services)
	ids, _ := appRoutes(services)
	return hosts, ids
}

// appRoutes leads each app id to the app's first http service (marathon-lb.md section 10.6). Ids are looked up in lower
// case, so of two apps whose ids differ in nothing else the older one is reached.
func appRoutes(services []*Service) ([]AppRoute, []Problem) {
	routes := make([]AppRoute, 0, len(services))
	first := make([]*Service, 0, len(services))
	last := ""
	for _, s := range services {
		if s.Mode != HTTP || s.App == last {
			continue
		}
		last = s.App
		first = append(first, s)
		routes = append(routes, AppRoute{App: strings.ToLower(s.App), Backend: s.Name})
	}
	ascending := func(a, b AppRoute) int { return cmp.Or(strings.Compare(a.App, b.App), -1) } // and none twice
	if slices.IsSortedFunc(routes, ascending) {
		return routes, nil
	}
	slices.SortStableFunc(first, func(a, b *Service) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.App), strings.ToLower(b.App)), Seniority(a, b))
	})
	routes = routes[:0]
	var found []Problem
	for i, s := range first {
		id := strings.ToLower(s.App)
		if n := len(routes); n > 0 && routes[n-1].App == id {
			p := problems{app: s.App}
			p.warnf("id", s.App, "the older app %s has this id in other case; it is the one reached by app id",
				Shorten(first[i-1].App))
			found = append(found, p.list...)
			first[i] = first[i-1]
			continue
		}
		routes = append(routes, AppRoute{App: id, Backend: s.Name})
	}
	return routes, found
}
