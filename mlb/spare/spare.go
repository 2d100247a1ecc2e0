// Package spare decides which new service takes which backend out of those that a running HAProxy keeps in store. It is
// pure: models and claims come in, models and claims go out.
//
//	model.Build → Claim → Store.Serve → render.Render → plan.Make
//
// A claim is temporary. The next reload, whatever it is for, gives every service its own backend and frontend, by its own
// name, and fills the store again.
package spare

import (
	"fmt"
	"maps"
	"slices"

	"berth/mlb/model"
)

// Layout is what the running configuration keeps in store: the number of backends by mode, and ports that are open.
type Layout struct {
	HTTP, TCP int
	Ports     []int // sorted
	// Settled goes into model.Spare. It belongs to the layout because services of their own come and go by reloads only.
	Settled []model.PortRoute
}

// Empty says whether nothing is kept.
func (l Layout) Empty() bool { return l.HTTP+l.TCP == 0 || len(l.Ports) == 0 }

// Name is that of the n-th backend of a mode, counted from 1. No app's backend is called so: the colon is in no app id.
func Name(mode model.Mode, n int) string { return fmt.Sprintf("spare:%s:%03d", mode, n) }

// Max bounds the number of backends of one mode and that of ports.
const Max = 999

// Claims are the services that were given a backend out of the store: proper name of the service → backend.
type Claims map[string]string

// Claim returns the claims for a model: those in force whose service is there and still fits, and one for each service
// that is not in last, fits, and finds a backend of its mode and its port in the store. ok is false when some service
// would need a reload for all that: then a reload can as well give everybody a backend of his own.
func Claim(m, last *model.Model, inForce Claims, l Layout, fits func(*model.Service) bool) (claims Claims, ok bool) {
	known := make(map[string]*model.Service, len(last.Services))
	for _, s := range last.Services {
		known[s.Name] = s
	}
	claims = Claims{}
	ports := map[int]bool{}
	var fresh []*model.Service
	for _, s := range m.Services {
		was := known[s.Name]
		backend, claimed := inForce[s.Name]
		switch {
		case claimed && (s == was || fits(s)):
			claims[s.Name], ports[s.Port] = backend, true
		case claimed:
			return nil, false
		case was == nil:
			fresh = append(fresh, s)
		}
	}
	if len(fresh) > l.HTTP+l.TCP {
		return nil, false
	}
	free := freeBackends(l, claims)
	for _, s := range fresh {
		_, open := slices.BinarySearch(l.Ports, s.Port)
		if list := free[s.Mode]; len(list) > 0 && open && !ports[s.Port] && fits(s) {
			claims[s.Name], free[s.Mode] = list[0], list[1:]
			ports[s.Port] = true
			continue
		}
		return nil, false
	}
	return claims, true
}

func freeBackends(l Layout, claims Claims) map[model.Mode][]string {
	taken := make(map[string]bool, len(claims))
	for backend := range maps.Values(claims) {
		taken[backend] = true
	}
	free := map[model.Mode][]string{}
	for mode, count := range map[model.Mode]int{model.HTTP: l.HTTP, model.TCP: l.TCP} {
		for n := 1; n <= count; n++ {
			if name := Name(mode, n); !taken[name] {
				free[mode] = append(free[mode], name)
			}
		}
	}
	return free
}

// Settled lists the http services of a model that have a port of their own.
func Settled(m *model.Model) []model.PortRoute {
	var list []model.PortRoute
	for _, s := range m.Services {
		if s.Mode == model.HTTP && !s.Unbound {
			list = append(list, model.PortRoute{Port: s.Port, Backend: s.Name})
		}
	}
	slices.SortFunc(list, func(a, b model.PortRoute) int { return a.Port - b.Port })
	return slices.CompactFunc(list, func(a, b model.PortRoute) bool { return a.Port == b.Port })
}

// Ports picks the lowest ports from min to max that nobody uses, as many as there are backends: whoever numbers new
// services takes the lowest free number.
func Ports(count, min, max int, used func(int) bool) []int {
	var list []int
	for p := min; p <= max && len(list) < count; p++ {
		if !used(p) {
			list = append(list, p)
		}
	}
	return list
}
