package spare

import (
	"maps"
	"slices"

	"berth/mlb/model"
)

// Store makes the model that HAProxy serves out of the one that apps ask for. It keeps what it made, so that what did not
// change stays the same pointer. It is not safe for use by several goroutines.
type Store struct {
	blanks  map[string]*model.Service
	claimed map[string]claimed // by backend

	in     *model.Model
	claims Claims
	layout Layout
	out    *model.Model
}

type claimed struct{ from, to *model.Service }

// Serve adds the backends in store to m, and renames the services that have claimed one. m is not changed.
func (s *Store) Serve(m *model.Model, claims Claims, l Layout) *model.Model {
	if l.Empty() {
		return m
	}
	if s.in == m && s.layout.equal(l) && maps.Equal(s.claims, claims) {
		return s.out
	}
	out := &model.Model{Spare: &model.Spare{Ports: l.Ports, Settled: l.Settled}}
	out.Services = make([]*model.Service, 0, len(m.Services)+l.HTTP+l.TCP)
	out.Services = append(out.Services, s.stored(m, claims, l)...)
	for _, svc := range m.Services {
		if claims[svc.Name] == "" {
			out.Services = append(out.Services, svc)
		}
	}
	out.Hosts, out.AppIDs = s.routes(m, claims)
	s.in, s.claims, s.layout, s.out = m, claims, l, out
	return out
}

func (l Layout) equal(o Layout) bool {
	return l.HTTP == o.HTTP && l.TCP == o.TCP && slices.Equal(l.Ports, o.Ports) && slices.Equal(l.Settled, o.Settled)
}

// stored lists the backends by name, whether claimed or not.
func (s *Store) stored(m *model.Model, claims Claims, l Layout) []*model.Service {
	owner := make(map[string]*model.Service, len(claims))
	if len(claims) > 0 {
		for _, svc := range m.Services {
			if backend := claims[svc.Name]; backend != "" {
				owner[backend] = svc
			}
		}
	}
	list := make([]*model.Service, 0, l.HTTP+l.TCP)
	for n := 1; n <= l.HTTP; n++ {
		list = append(list, s.backend(Name(model.HTTP, n), model.HTTP, owner))
	}
	for n := 1; n <= l.TCP; n++ {
		list = append(list, s.backend(Name(model.TCP, n), model.TCP, owner))
	}
	return list
}

func (s *Store) backend(name string, mode model.Mode, owner map[string]*model.Service) *model.Service {
	svc := owner[name]
	if svc == nil {
		if s.blanks[name] == nil {
			if s.blanks == nil {
				s.blanks = map[string]*model.Service{}
			}
			s.blanks[name] = &model.Service{Name: name, Mode: mode, Balance: "roundrobin", Unbound: true, Spare: true}
		}
		return s.blanks[name]
	}
	if c := s.claimed[name]; c.from == svc {
		return c.to
	}
	c := *svc
	c.Name, c.Proper, c.Spare, c.Unbound = name, svc.Name, true, true
	if s.claimed == nil {
		s.claimed = map[string]claimed{}
	}
	s.claimed[name] = claimed{svc, &c}
	return &c
}

// routes lead to the backends by the names they have for now. Without a change the lists stay the same memory.
func (s *Store) routes(m *model.Model, claims Claims) ([]model.HostRoute, []model.AppRoute) {
	if len(claims) == 0 {
		return m.Hosts, m.AppIDs
	}
	if s.in != nil && sameList(s.in.Hosts, m.Hosts) && sameList(s.in.AppIDs, m.AppIDs) && maps.Equal(s.claims, claims) {
		return s.out.Hosts, s.out.AppIDs
	}
	hosts, ids := slices.Clone(m.Hosts), slices.Clone(m.AppIDs)
	for i := range hosts {
		if backend := claims[hosts[i].Backend]; backend != "" {
			hosts[i].Backend = backend
		}
	}
	for i := range ids {
		if backend := claims[ids[i].Backend]; backend != "" {
			ids[i].Backend = backend
		}
	}
	return hosts, ids
}

func sameList[T any](a, b []T) bool { return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) }
