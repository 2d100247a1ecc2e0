package mlb

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"berth/mlb/model"
)

// substitute returns m with the guilty apps as they were in last, or without them where last has none. Their servers are
// followed all the same: what makes an app guilty is a label, and its tasks move on. Hosts that it asks for now are those of
// the others again. Neither m nor last is changed.
func substitute(m, last *model.Model, guilty map[string]bool) *model.Model {
	return new(aside).substitute(m, last, guilty)
}

// aside is substitute with memory: while nothing but servers changes, the routes stay the same memory, so that those who
// come after need not read them again.
type aside struct {
	in, out *model.Model
	guilty  map[string]bool
}

func (a *aside) substitute(m, last *model.Model, guilty map[string]bool) *model.Model {
	if len(guilty) == 0 {
		*a = aside{}
		return m
	}
	out := map[string]bool{}               // backends of m that go
	servers := map[string][]model.Server{} // of those
	for _, svc := range m.Services {
		if guilty[svc.App] {
			out[svc.Name] = true
			servers[svc.Name] = svc.Servers
		}
	}
	next := &model.Model{
		Services: slices.DeleteFunc(slices.Clone(m.Services), func(s *model.Service) bool { return out[s.Name] }),
	}
	if last != nil {
		keep(next, last, guilty, servers)
	}
	if a.stands(m, last, guilty) {
		next.Hosts, next.AppIDs = a.out.Hosts, a.out.AppIDs
	} else {
		next.Hosts, next.AppIDs = model.Routes(next.Services)
	}
	*a = aside{in: m, out: next, guilty: guilty}
	return next
}

// stands says whether the routes are those of last time. Services with the same routes have the same names and ports as
// well, so what was kept then is kept now.
func (a *aside) stands(m, last *model.Model, guilty map[string]bool) bool {
	return a.in != nil && last != nil && maps.Equal(a.guilty, guilty) &&
		sameMemory(a.in.Hosts, m.Hosts) && sameMemory(a.in.AppIDs, m.AppIDs) &&
		sameMemory(a.out.Hosts, last.Hosts) && sameMemory(a.out.AppIDs, last.AppIDs)
}

// sameMemory reports whether two lists are one; two empty ones may be of different models.
func sameMemory[T any](a, b []T) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// keep adds the guilty apps' old services to next, where nobody has taken their name or port.
func keep(next, last *model.Model, guilty map[string]bool, servers map[string][]model.Server) {
	had := len(next.Services)
	for _, old := range last.Services {
		if !guilty[old.App] || taken(next, old) {
			continue
		}
		svc := old
		if now, ok := servers[old.Name]; ok && !slices.Equal(now, old.Servers) {
			copied := *old
			copied.Servers = now
			svc = &copied
		}
		next.Services = append(next.Services, svc)
	}
	if len(next.Services) > had {
		slices.SortStableFunc(next.Services, func(a, b *model.Service) int {
			return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Port, b.Port))
		})
	}
}

// taken says whether another service has the name or the port of an old one.
func taken(m *model.Model, old *model.Service) bool {
	return slices.ContainsFunc(m.Services, func(s *model.Service) bool {
		return s.Name == old.Name || !s.Unbound && !old.Unbound && s.Port == old.Port
	})
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
