package model

import (
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"berth/orchestrator/api"
)

// Builder builds models one after the other and keeps what the apps that did not change gave: an app is known by its
// pointer, so an AppInfo must not be changed after it was passed in. A Builder also remembers the last known health of
// tasks (marathon-lb.md section 4.8). It is not safe for use by several goroutines.
type Builder struct {
	opt   Options
	cache []*built // of the last build, in its order
	last  assembly
}

// NewBuilder returns a Builder without memory.
func NewBuilder(opt Options) *Builder { return &Builder{opt: opt} }

// Build turns apps into a model. It never fails: what cannot be used is left out and reported, and nothing else is
// harmed by it.
func Build(apps []*api.AppInfo, opt Options) (*Model, []Problem) { return NewBuilder(opt).Build(apps) }

// Build is the function of the same name with memory.
func (b *Builder) Build(apps []*api.AppInfo) (*Model, []Problem) {
	list := units(apps, b.opt.Self)
	auto := newAutoPorts(b.opt.AutoPortMin, b.opt.AutoPortMax)
	opt := b.opt
	opt.Resolve = memo(b.opt.Resolve)
	autos := make([][]int, len(list))
	for i, u := range list {
		autos[i] = auto.forUnit(u)
	}
	b.cache = b.units(&opt, list, autos, b.former(list))
	services := make([]*Service, 0, len(list))
	var found []Problem
	for _, r := range b.cache {
		services = append(services, r.services...)
		found = append(found, r.problems...)
	}
	if len(list) > 1 && !slices.IsSortedFunc(services, compareServices) {
		slices.SortStableFunc(services, compareServices)
	}
	if !b.last.follow(services) {
		b.last = assemble(services, b.opt.Reserved)
	}
	return b.last.model, append(found, b.last.problems...)
}

func compareServices(a, b *Service) int {
	switch {
	case a.App < b.App:
		return -1
	case a.App > b.App:
		return 1
	}
	return a.Port - b.Port
}

// units gives what every logical app gives: what it gave last time if nothing changed, or else built on all processors,
// since they do not touch one another. A single one is built here and now: on a busy machine, waiting for another
// processor takes longer.
func (b *Builder) units(opt *Options, list []unit, autos [][]int, was []*built) []*built {
	results := make([]*built, len(list))
	var fresh []int
	for i, u := range list {
		if b.stands(was[i], u, autos[i], opt.Resolve) {
			was[i].unit = u // lets go of the list of the build before
			results[i] = was[i]
			continue
		}
		fresh = append(fresh, i)
	}
	const share = 64 // units taken at a time
	var next atomic.Int64
	work := func() {
		for {
			to := int(next.Add(share))
			from := to - share
			if from >= len(fresh) {
				return
			}
			for _, i := range fresh[from:min(to, len(fresh))] {
				var last verdicts
				if was[i] != nil {
					last = was[i].verdicts
				}
				r := buildUnit(opt, list[i], autos[i], last)
				results[i] = &r
			}
		}
	}
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0)-1, len(fresh)/share) {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return results
}

// stands says whether a unit gives what it gave last time.
func (b *Builder) stands(was *built, u unit, auto []int, resolve func(string) (string, bool)) bool {
	return was != nil && was.unit.same(u) && slices.Equal(was.auto, auto) && stillThere(was.hosts, resolve)
}

// former finds what each unit gave last time, nil if it was not there. Both lists are sorted, so that one walk does.
func (b *Builder) former(list []unit) []*built {
	was := make([]*built, len(list))
	at := 0
	for i, u := range list {
		for at < len(b.cache) && compareUnits(b.cache[at].unit, u) < 0 {
			at++
		}
		if at < len(b.cache) && b.cache[at].unit.id == u.id && b.cache[at].unit.grouped == u.grouped {
			was[i] = b.cache[at]
			at++
		}
	}
	return was
}

func stillThere(hosts map[string]string, resolve func(string) (string, bool)) bool {
	for host, was := range hosts {
		ip := ""
		if resolve != nil {
			ip, _ = resolve(host)
		}
		if ip != was {
			return false
		}
	}
	return true
}

// memo asks about each host once in a build, and gives addresses as ask does.
func memo(resolve func(string) (string, bool)) func(string) (string, bool) {
	if resolve == nil {
		return nil
	}
	type answer struct {
		ip string
		ok bool
	}
	known := make(map[string]answer)
	var mu sync.Mutex // guards known
	return func(host string) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		a, ok := known[host]
		if !ok {
			a.ip = ask(resolve, host)
			a.ok = a.ip != ""
			known[host] = a
		}
		return a.ip, a.ok
	}
}

// assembly is what all services together give.
type assembly struct {
	in       []*Service // as built
	out      []*Service // as in the model, by position; nil if left out
	model    *Model
	problems []Problem
}

// assemble settles everything about which services may disagree.
func assemble(in []*Service, reserved map[int]string) assembly {
	kept, found := settleNames(in)
	unbound, clashes := settlePorts(kept, reserved)
	final := make(map[*Service]*Service, len(unbound))
	services := slices.Clone(kept)
	for i, s := range services {
		if unbound[s] {
			services[i] = withoutPort(s)
		}
		final[s] = services[i]
	}
	out := make([]*Service, len(in))
	for i, s := range in {
		out[i] = final[s]
	}
	hosts, conflicts := hostRoutes(services)
	ids, twice := appRoutes(services)
	return assembly{
		in: in, out: out, model: &Model{Services: services, Hosts: hosts, AppIDs: ids},
		problems: slices.Concat(found, clashes, conflicts, twice),
	}
}

func withoutPort(s *Service) *Service {
	c := *s
	c.Unbound = true
	return &c
}

// follow brings a into line with services if these differ from the last ones in nothing but servers and their checks:
// then all that was settled stands. The model is replaced, never changed.
func (a *assembly) follow(services []*Service) bool {
	if a.model == nil || len(services) != len(a.in) {
		return false
	}
	changed := false
	for i, s := range services {
		if s != a.in[i] {
			if !sameRoutes(s, a.in[i]) {
				return false
			}
			changed = true
		}
	}
	if !changed {
		return true
	}
	kept := make([]*Service, 0, len(services))
	out := make([]*Service, len(services))
	for i, s := range services {
		out[i] = a.out[i]
		if s != a.in[i] && out[i] != nil {
			out[i] = s
			if a.out[i].Unbound && !s.Unbound {
				out[i] = withoutPort(s)
			}
		}
		if out[i] != nil {
			kept = append(kept, out[i])
		}
	}
	a.in, a.out = services, out
	a.model = &Model{Services: kept, Hosts: a.model.Hosts, AppIDs: a.model.AppIDs}
	return true
}

// sameRoutes reports whether a and b differ at most in servers and checks.
func sameRoutes(a, b *Service) bool {
	x, y := *a, *b
	x.Servers, y.Servers = nil, nil
	x.HealthCheck, y.HealthCheck = nil, nil
	return reflect.DeepEqual(x, y)
}
