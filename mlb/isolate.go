package mlb

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"berth/mlb/model"
)

// substitute returns m with the guilty apps as they were in last, or without them where last has none. Their servers are
// followed all the same: what makes an app guilty is a label, and its tasks move on. Neither m nor last is changed.
func substitute(m, last *model.Model, guilty map[string]bool) *model.Model {
	if len(guilty) == 0 {
		return m
	}
	s := substitution{ports: map[int]bool{}, names: map[string]bool{}, servers: map[string][]model.Server{}}
	for _, svc := range m.Services {
		if guilty[svc.App] {
			s.servers[svc.Name] = svc.Servers
			continue
		}
		s.services = append(s.services, svc)
		s.names[svc.Name] = true
		if !svc.Unbound {
			s.ports[svc.Port] = true
		}
	}
	kept := map[string]bool{} // backends taken from last
	if last != nil {
		for _, svc := range last.Services {
			if guilty[svc.App] && s.keep(svc) {
				kept[svc.Name] = true
			}
		}
	} else {
		last = new(model.Model)
	}
	slices.SortFunc(s.services, func(a, b *model.Service) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Port, b.Port))
	})
	return &model.Model{Services: s.services, Hosts: s.hosts(m, last, kept), AppIDs: s.appIDs(m, last, kept)}
}

// substitution collects the services of the new model.
type substitution struct {
	services []*model.Service
	ports    map[int]bool    // bound
	names    map[string]bool // of backends
	servers  map[string][]model.Server
}

// keep adds an old service if nobody has taken its name or port; its servers are the new ones, if there are any.
func (s *substitution) keep(old *model.Service) bool {
	if s.names[old.Name] || !old.Unbound && s.ports[old.Port] {
		return false
	}
	svc := old
	if now, ok := s.servers[old.Name]; ok {
		copied := *old
		copied.Servers = now
		svc = &copied
	}
	s.services = append(s.services, svc)
	s.names[svc.Name] = true
	s.ports[svc.Port] = s.ports[svc.Port] || !svc.Unbound
	return true
}

// hosts joins the routes to the services that are there, old ones where nobody else has them.
func (s *substitution) hosts(m, last *model.Model, kept map[string]bool) []model.HostRoute {
	type key struct{ host, path string }
	routes := map[key]model.HostRoute{}
	for _, r := range last.Hosts {
		if kept[r.Backend] {
			routes[key{r.Host, r.Path}] = r
		}
	}
	for _, r := range m.Hosts {
		if s.names[r.Backend] && !kept[r.Backend] {
			routes[key{r.Host, r.Path}] = r
		}
	}
	return slices.SortedFunc(maps.Values(routes), func(a, b model.HostRoute) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Path, b.Path))
	})
}

func (s *substitution) appIDs(m, last *model.Model, kept map[string]bool) []model.AppRoute {
	routes := map[string]model.AppRoute{}
	for _, r := range last.AppIDs {
		if kept[r.Backend] {
			routes[r.App] = r
		}
	}
	for _, r := range m.AppIDs {
		if s.names[r.Backend] && !kept[r.Backend] {
			routes[r.App] = r
		}
	}
	return slices.SortedFunc(maps.Values(routes), func(a, b model.AppRoute) int { return cmp.Compare(a.App, b.App) })
}

// changedApps lists the apps whose services differ between two models, sorted: the suspects when HAProxy refuses the new
// one. last may be nil.
func changedApps(last, now *model.Model) []string {
	before := map[*model.Service]bool{}
	if last != nil {
		for _, s := range last.Services {
			before[s] = true
		}
	}
	apps := map[string]bool{}
	for _, s := range now.Services {
		if !before[s] {
			apps[s.App] = true
		}
	}
	return slices.Sorted(maps.Keys(apps))
}

// bisect finds the suspects that cannot be accepted. accept says whether HAProxy takes the configuration without the given
// apps; its error ends the search. With k guilty among n suspects it takes about 2k·log2(n) checks.
func bisect(ctx context.Context, suspects []string, accept func(ctx context.Context, without map[string]bool) (bool, error),
) (map[string]bool, error) {
	without := map[string]bool{} // guilty ones and those not yet tried
	for _, s := range suspects {
		without[s] = true
	}
	var try func(part []string) error
	try = func(part []string) error {
		trial := maps.Clone(without)
		for _, s := range part {
			delete(trial, s)
		}
		ok, err := accept(ctx, trial)
		if err != nil {
			return err
		}
		if ok {
			without = trial
			return nil
		}
		if len(part) == 1 {
			return nil // guilty, given those accepted so far
		}
		half := len(part) / 2
		if err := try(part[:half]); err != nil {
			return err
		}
		return try(part[half:])
	}
	if len(suspects) > 0 {
		if err := try(suspects); err != nil {
			return nil, err
		}
	}
	return without, nil
}
