package zone

import (
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"

	"berth/orchestrator/api"
)

// Builder makes zones of successive snapshots of apps. It is not safe for concurrent use; the zones are.
type Builder struct {
	o      Options
	apps   map[string]map[string]*contribution // by framework, by app id
	owners map[string]*contribution            // name → who contributes to it: one, or the group that shares it
	// children counts, of each name inside a zone, the names one label longer that exist.
	children map[string]int
	agents   map[string]int // host → how many apps have tasks on it
	zone     *Zone
	shared   map[string]bool          // names of several contributions
	bad      map[string]*contribution // apps, by their contribution's id, with something to report
	fallback map[string]bool          // names of apps of which no task passes its checks

	infra                 Infra
	cluster, static, vips *contribution
	again                 bool // the cluster's contribution has to be made anew

	fresh   []*contribution // those with groups made during this update
	touched []touch
	records []Record // room for those of a set in the making
	w       *writer
}

// touch is a name whose records may have changed; group is the contribution that is likely to be its only one.
type touch struct {
	name  string
	group *group
}

// contribution is what one app, or one other source, gave: enough to take it back.
type contribution struct {
	id       string       // of an app: its own, after framework and colon if that is another than the main one
	of       string       // framework
	info     *api.AppInfo // nil for what is no app
	names    []string     // sorted
	hosts    []string     // agents of its tasks
	kept     map[string][]netip.Addr
	problems []string
	unusable []string
	moved    bool // an agent of its tasks has another address than when this was made

	groups []group         // made when needed, dropped at the end of the update
	self   []*contribution // itself; or, where several share a name, those, and nothing else is set
	ids    []string        // the same for Node.Apps; empty for what is no app
}

func newContribution(id string) *contribution {
	c := &contribution{id: id}
	c.self = []*contribution{c}
	return c
}

// contributionOf is for an app of a framework; info is nil when there is none any more.
func (b *Builder) contributionOf(framework, id string, info *api.AppInfo) *contribution {
	if framework != b.o.Framework {
		id = framework + ":" + id
	}
	c := newContribution(id)
	c.of, c.info = framework, info
	if info != nil {
		c.ids = []string{id}
	}
	return c
}

// NewBuilder returns a Builder that knows no apps. The options must have passed Validate.
func NewBuilder(o Options) *Builder {
	b := &Builder{
		o: o, apps: map[string]map[string]*contribution{}, owners: map[string]*contribution{}, children: map[string]int{},
		agents: map[string]int{}, shared: map[string]bool{}, bad: map[string]*contribution{},
		fallback: map[string]bool{}, zone: &Zone{domain: o.Domain, apexes: apexes(&o)}, again: true,
	}
	b.w = newWriter(&b.o)
	for i := range b.zone.apexes {
		b.zone.apexes[i].seal(0)
	}
	b.zone.pending = len(o.Frameworks) > 0
	b.cluster, b.static, b.vips = newContribution(""), newContribution(""), newContribution("")
	return b
}

// SetInfra says what the cluster is; the next Update takes it in.
func (b *Builder) SetInfra(in Infra) {
	b.infra = in
	b.again = true
}

// SetStatic replaces the records from files; the next Update takes them in. They are kept as they are.
func (b *Builder) SetStatic(s Static) {
	for _, r := range s.records {
		b.w.put(b.w.at(r.name), r.entry)
	}
	b.replace(b.static)
}

// SetVIPs replaces the names of virtual addresses, whole names in any case; the next Update takes them in. Whoever calls
// it has the addresses in force already (dns.md section 14).
func (b *Builder) SetVIPs(vips map[string][]netip.Addr) {
	for name, addrs := range vips {
		b.w.addrs(b.w.at(strings.ToLower(strings.TrimSuffix(name, "."))), addrs, dcosTTL, true)
	}
	b.replace(b.vips)
}

// Rehost says that hosts have other addresses than before; the next Update makes what depends on them anew.
func (b *Builder) Rehost(hosts ...string) {
	for _, apps := range b.apps {
		for _, c := range apps {
			c.moved = c.moved || slices.ContainsFunc(c.hosts, func(h string) bool { return slices.Contains(hosts, h) })
		}
	}
	b.again = true
}

// Update returns the zone with apps as those of the main framework. Apps whose pointer is the one of the last call are taken to
// be unchanged. The serial of a zone that differs from the last one is now (Unix seconds), or one more than the last where that
// is larger; when nothing differs, the last zone itself is returned.
func (b *Builder) Update(apps []*api.AppInfo, now uint32) *Zone {
	return b.UpdateOf(b.o.Framework, apps, now)
}

// UpdateOf is Update for the apps of one framework: the main one, or one of Options.Frameworks.
func (b *Builder) UpdateOf(framework string, apps []*api.AppInfo, now uint32) *Zone {
	if b.apps[framework] == nil {
		b.apps[framework] = make(map[string]*contribution, len(apps))
	}
	b.replaceAll(b.changed(framework, apps))
	if len(b.apps[framework]) > len(apps) {
		b.removeAbsent(framework, apps)
	}
	if b.again {
		b.again = false
		b.w.infra(b.infra, slices.Sorted(maps.Keys(b.agents)))
		b.replace(b.cluster)
	}
	b.publish(now)
	return b.zone
}

// pending reports whether apps of some framework have never been given.
func (b *Builder) pending() bool {
	return slices.ContainsFunc(b.o.Frameworks, func(f string) bool { return b.apps[f] == nil })
}

// changed returns contributions for the apps that differ, with groups.
func (b *Builder) changed(framework string, apps []*api.AppInfo) []*contribution {
	var out []*contribution
	present := b.apps[framework]
	for _, a := range apps {
		old := present[a.ID]
		if old != nil && old.info == a && !old.moved {
			continue
		}
		c := b.contributionOf(framework, a.ID, a)
		if old != nil {
			c.kept = keepAddrs(old.info, a, old.kept)
		}
		out = append(out, c)
	}
	b.generate(out)
	return out
}

// generate makes the groups of several contributions, on all processors if there are many.
func (b *Builder) generate(list []*contribution) {
	const few = 256
	if len(list) < few {
		for _, c := range list {
			c.make(b.w)
		}
		return
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(list, len(list)/runtime.GOMAXPROCS(0)+1) {
		wg.Go(func() {
			w := newWriter(&b.o)
			for _, c := range part {
				c.make(w)
			}
		})
	}
	wg.Wait()
}

func (c *contribution) make(w *writer) {
	w.framework = c.of
	c.problems = w.app(c.info, c.kept)
	c.hosts = hostsOf(c.info)
	c.groups, c.unusable = w.take()
	c.names = make([]string, len(c.groups))
	for i := range c.groups {
		c.names[i] = c.groups[i].name
	}
}

func hostsOf(a *api.AppInfo) []string {
	out := make([]string, 0, min(len(a.Tasks), 8))
	for i := range a.Tasks {
		if t := &a.Tasks[i]; published(t) && (len(out) == 0 || out[len(out)-1] != t.Host) {
			out = append(out, t.Host)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// replaceAll puts new contributions of apps in the place of old ones.
func (b *Builder) replaceAll(list []*contribution) {
	if len(b.owners) == 0 {
		n := 0
		for _, c := range list {
			n += len(c.names)
		}
		b.owners = make(map[string]*contribution, n)
		b.touched = make([]touch, 0, n)
	}
	for _, c := range list {
		apps := b.apps[c.of]
		old := apps[c.info.ID]
		if old == nil {
			old = &contribution{}
		}
		apps[c.info.ID] = c
		b.swap(old, c)
	}
}

// removeAbsent takes out the apps that are not in the list.
func (b *Builder) removeAbsent(framework string, apps []*api.AppInfo) {
	present := make(map[string]bool, len(apps))
	for _, a := range apps {
		present[a.ID] = true
	}
	for id, c := range b.apps[framework] {
		if !present[id] {
			delete(b.apps[framework], id)
			b.swap(c, b.contributionOf(framework, id, nil))
		}
	}
}

// replace gives c, which is no app, what the writer holds. Its groups stay, as nothing else they could be made of is kept.
func (b *Builder) replace(c *contribution) {
	old := &contribution{names: c.names, self: c.self}
	c.groups, c.unusable = b.w.take()
	c.names = nil
	for i := range c.groups {
		c.names = append(c.names, c.groups[i].name)
	}
	b.disown(old, c)
	b.own(c)
}

// swap takes an app's old contribution out and puts its new one in.
func (b *Builder) swap(old, c *contribution) {
	b.disown(old, c)
	b.own(c)
	b.countAgents(old.hosts, -1)
	b.countAgents(c.hosts, 1)
	if delete(b.bad, c.id); len(c.unusable)+len(c.problems) > 0 {
		b.bad[c.id] = c
	}
	b.fresh = append(b.fresh, c)
}

// countAgents notes when an agent gets its first or loses its last app.
func (b *Builder) countAgents(hosts []string, sign int) {
	for _, h := range hosts {
		n := b.agents[h]
		b.agents[h] = n + sign
		if n+sign == 0 {
			delete(b.agents, h)
		}
		if n == 0 || n+sign == 0 {
			b.again = true
		}
	}
}

// disown takes old out of the owners of its names. Names that c has as well are left to own.
func (b *Builder) disown(old, c *contribution) {
	for _, name := range old.names {
		owner := b.owners[name]
		if owner == nil {
			continue
		}
		list := owner.self
		i := slices.Index(list, old.self[0])
		switch {
		case i < 0:
		case len(list) == 1:
			delete(b.owners, name)
		case len(list) == 2:
			b.owners[name] = list[1-i]
			delete(b.shared, name)
		default:
			b.owners[name] = &contribution{self: slices.Delete(slices.Clone(list), i, i+1)}
		}
		if _, both := slices.BinarySearch(c.names, name); !both {
			b.touched = append(b.touched, touch{name, nil})
		}
	}
}

func (b *Builder) own(c *contribution) {
	for i, name := range c.names {
		b.touched = append(b.touched, touch{name, &c.groups[i]})
		present := b.owners[name]
		if present == nil {
			b.owners[name] = c
			continue
		}
		list := append(slices.Clone(present.self), c)
		slices.SortFunc(list, func(x, y *contribution) int { return strings.Compare(x.id, y.id) })
		b.owners[name] = &contribution{self: list}
		b.shared[name] = true
	}
}
