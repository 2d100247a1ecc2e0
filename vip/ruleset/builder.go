package ruleset

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"berth/orchestrator/api"
)

// Result is what a build gives. Whatever is the same as in the result before is shared with it.
type Result struct {
	Ruleset  *Ruleset
	VIPs     []*VIP // sorted by id
	Problems []Problem
}

// Builder turns lists of apps into rulesets. It remembers what it made of each app and computes anew only what concerns
// those whose pointers changed. A Builder has one user at a time.
type Builder struct {
	opt    Options
	apps   []*api.AppInfo
	units  map[string]*unit
	groups map[vipID]*group
	named  map[string]int // groups that use a name
	v4, v6 *pool

	vips    *counted[netip.Addr]
	hairpin *counted[netip.Addr]
	agents  *counted[netip.Addr]

	troubled map[string]bool // apps with problems of their own
	refused  map[vipID][]Problem
	dirty    map[vipID]bool
	last     Result
}

// group is everything that apps say about one VIP.
type group struct {
	id      vipID
	claims  map[string]*claim // by app
	vip     *VIP
	hairpin []netip.Addr
}

// NewBuilder checks the options.
func NewBuilder(opt Options) (*Builder, error) {
	opt, err := opt.Check()
	if err != nil {
		return nil, err
	}
	b := &Builder{
		opt: opt, units: map[string]*unit{}, groups: map[vipID]*group{}, named: map[string]int{},
		v4: newPool(opt.Range4), v6: newPool(opt.Range6),
		vips: newCounted(netip.Addr.Compare), hairpin: newCounted(netip.Addr.Compare),
		agents:   newCounted(netip.Addr.Compare),
		troubled: map[string]bool{}, refused: map[vipID][]Problem{}, dirty: map[vipID]bool{},
	}
	rememberAll(b.v4, b.v6, opt.Remembered)
	return b, nil
}

// Build returns the rules for a list of apps, sorted by id, on a host with these interfaces.
func (b *Builder) Build(apps []*api.AppInfo, links []Link) Result {
	changed := b.takeIn(apps)
	if _, moved := b.agents.sorted(); moved {
		for id := range b.groups {
			if id.addr.IsValid() {
				b.dirty[id] = true
			}
		}
	}
	links = slices.Compact(slices.SortedFunc(slices.Values(links), Link.Compare))
	if !changed && len(b.dirty) == 0 && b.last.Ruleset != nil && slices.Equal(links, b.last.Ruleset.Links) {
		return b.last
	}
	r := b.next()
	r.Links = links
	services, vips := b.settleGroups(r.picks)
	r.Services = replace(r.Services, services, (*Service).key, Key.Compare)
	r.VIPs, _ = b.vips.sorted()
	r.Hairpin, _ = b.hairpin.sorted()
	b.last = Result{r, replace(b.last.VIPs, vips, (*VIP).id, cmp.Compare[string]), b.problems()}
	return b.last
}

func (s *Service) key() Key { return s.Key }
func (v *VIP) id() string   { return v.ID }

// next begins a ruleset as a copy of the last.
func (b *Builder) next() *Ruleset {
	r := &Ruleset{Layout: Layout{MasqueradeAll: b.opt.MasqueradeAll}, Ranges: b.ranges(), picks: map[Pick]int{}}
	if last := b.last.Ruleset; last != nil {
		r.Services, r.Ranges, r.picks = last.Services, last.Ranges, maps.Clone(last.count())
	}
	return r
}

func (b *Builder) ranges() []netip.Prefix {
	if b.opt.NoIPv6 {
		return []netip.Prefix{b.opt.Range4}
	}
	return []netip.Prefix{b.opt.Range4, b.opt.Range6}
}

// takeIn walks the old and the new list together; both are sorted by id.
func (b *Builder) takeIn(apps []*api.AppInfo) bool {
	old, changed := b.apps, false
	i := 0
	for _, a := range apps {
		if i < len(old) && old[i] == a {
			i++
			continue
		}
		for i < len(old) && old[i].ID < a.ID {
			b.drop(old[i].ID)
			changed = true
			i++
		}
		if i < len(old) && old[i].ID == a.ID {
			if i++; old[i-1] == a {
				continue
			}
		}
		b.swap(a.ID, buildUnit(&b.opt, a))
		changed = true
	}
	for ; i < len(old); i++ {
		b.drop(old[i].ID)
		changed = true
	}
	b.apps = apps
	return changed
}

func (b *Builder) drop(app string) { b.swap(app, nil) }

// swap replaces what one app says.
func (b *Builder) swap(app string, now *unit) {
	if old := b.units[app]; old != nil {
		for i := range old.claims {
			g := b.groups[old.claims[i].id]
			delete(g.claims, app)
			b.dirty[g.id] = true
		}
		for _, a := range old.agents {
			b.agents.remove(a)
		}
	}
	delete(b.troubled, app)
	delete(b.units, app)
	if now == nil {
		return
	}
	b.units[app] = now
	if len(now.problems) > 0 {
		b.troubled[app] = true
	}
	for i := range now.claims {
		c := &now.claims[i]
		g := b.groups[c.id]
		if g == nil {
			g = &group{id: c.id, claims: map[string]*claim{}}
			b.groups[c.id] = g
		}
		g.claims[app] = c
		b.dirty[c.id] = true
	}
	for _, a := range now.agents {
		b.agents.add(a)
	}
}

// Assignments are the addresses of all names that are in use or remembered.
func (b *Builder) Assignments() map[string]Assignment {
	out := map[string]Assignment{}
	for name, a := range b.v4.byName {
		out[name] = Assignment{V4: a, V6: b.v6.byName[name]}
	}
	for name, a := range b.v6.byName {
		out[name] = Assignment{V4: b.v4.byName[name], V6: a}
	}
	return out
}

// Fresh returns, once, the addresses that were given out since it was asked last.
func (b *Builder) Fresh() map[string]Assignment {
	out := map[string]Assignment{}
	for _, name := range append(b.v4.fresh, b.v6.fresh...) {
		out[name] = Assignment{V4: b.v4.byName[name], V6: b.v6.byName[name]}
	}
	b.v4.fresh, b.v6.fresh = nil, nil
	return out
}

// InUse reports whether any app asks for a name.
func (b *Builder) InUse(name string) bool { return b.named[name] > 0 }

// Forget gives up the addresses of a name that nobody asks for.
func (b *Builder) Forget(name string) {
	if b.named[name] == 0 {
		b.v4.forget(name)
		b.v6.forget(name)
	}
}

func (b *Builder) problems() []Problem {
	var list []Problem
	for app := range b.troubled {
		list = append(list, b.units[app].problems...)
	}
	for _, p := range b.refused {
		list = append(list, p...)
	}
	sortProblems(list)
	return list
}

// change is one entry of a sorted list that was replaced (old and now), added (no old) or removed (no now).
type change[T any] struct{ old, now *T }

// replace applies changes to a sorted list; the list itself is left as it is.
func replace[T any, K any](list []*T, changes []change[T], key func(*T) K, compare func(K, K) int) []*T {
	by := func(x, y *T) int { return compare(key(x), key(y)) }
	switch {
	case len(changes) == 0:
		return list
	case len(changes) > 64:
		return replaceMany(list, changes, by)
	}
	out := append(make([]*T, 0, len(list)+len(changes)), list...)
	for _, c := range changes {
		if c.old != nil {
			if i, ok := slices.BinarySearchFunc(out, c.old, by); ok {
				out = slices.Delete(out, i, i+1)
			}
		}
	}
	for _, c := range changes {
		if c.now != nil {
			i, _ := slices.BinarySearchFunc(out, c.now, by)
			out = slices.Insert(out, i, c.now)
		}
	}
	return out
}

// replaceMany does so in one pass.
func replaceMany[T any](list []*T, changes []change[T], by func(x, y *T) int) []*T {
	gone := map[*T]bool{}
	var added []*T
	for _, c := range changes {
		if c.old != nil {
			gone[c.old] = true
		}
		if c.now != nil {
			added = append(added, c.now)
		}
	}
	slices.SortFunc(added, by)
	out := make([]*T, 0, len(list)+len(added))
	for _, v := range list {
		for len(added) > 0 && by(added[0], v) < 0 {
			out = append(out, added[0])
			added = added[1:]
		}
		if !gone[v] {
			out = append(out, v)
		}
	}
	return append(out, added...)
}
