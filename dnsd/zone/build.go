package zone

import (
	"maps"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// Builder makes zones of successive snapshots of apps. It is not safe for concurrent use; the zones are.
type Builder struct {
	o     Options
	apps  map[string]*contribution   // by app id
	names map[string]map[string]bool // name → ids of the apps that contribute to it
	below map[string]int             // ancestor → how many names with records are below it
	zone  *Zone
}

// contribution is what one app gave, kept to take it back.
type contribution struct {
	info     *api.AppInfo
	entries  []entry // sorted
	unusable []string
}

// NewBuilder returns a Builder that knows no apps. The options must have passed Validate.
func NewBuilder(o Options) *Builder {
	return &Builder{
		o: o, apps: map[string]*contribution{}, names: map[string]map[string]bool{}, below: map[string]int{},
		zone: &Zone{apex: o.Domain, soa: o.SOA, ttl: o.InfraTTL},
	}
}

// Update returns the zone of apps. Apps whose pointer is the one of the last call are taken to be unchanged. The serial
// of a zone that differs from the last one is now (Unix seconds), or one more than the last where that is larger; when
// nothing differs, the last zone itself is returned.
func (b *Builder) Update(apps []*api.AppInfo, now uint32) *Zone {
	touched := map[string]bool{}
	present := make(map[string]bool, len(apps))
	for _, a := range apps {
		present[a.ID] = true
		if c := b.apps[a.ID]; c == nil || c.info != a {
			b.replace(a.ID, a, touched)
		}
	}
	for id := range b.apps {
		if !present[id] {
			b.replace(id, nil, touched)
		}
	}
	b.publish(touched, now)
	return b.zone
}

// replace takes an app's entries back and puts its new ones in; a nil info removes the app.
func (b *Builder) replace(id string, info *api.AppInfo, touched map[string]bool) {
	var old, fresh contribution
	if c := b.apps[id]; c != nil {
		old = *c
	}
	if info != nil {
		fresh.info = info
		fresh.entries, fresh.unusable = entries(info, &b.o)
		b.apps[id] = &fresh
	} else {
		delete(b.apps, id)
	}
	if slices.Equal(old.entries, fresh.entries) {
		return
	}
	for name := range namesOf(old.entries) {
		delete(b.names[name], id)
		touched[name] = true
	}
	for name := range namesOf(fresh.entries) {
		if b.names[name] == nil {
			b.names[name] = map[string]bool{}
		}
		b.names[name][id] = true
		touched[name] = true
	}
}

// namesOf yields each name of sorted entries once.
func namesOf(list []entry) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := range list {
			if (i == 0 || list[i].name != list[i-1].name) && !yield(list[i].name) {
				return
			}
		}
	}
}

// publish makes the touched names anew in a copy of the zone.
func (b *Builder) publish(touched map[string]bool, now uint32) {
	next := &change{zone: *b.zone}
	changed := false
	for name := range touched {
		old := b.zone.shard[shardOf(name)][name]
		fresh := b.node(name)
		if len(b.names[name]) == 0 {
			delete(b.names, name)
		}
		if sameNode(old, fresh) {
			continue
		}
		changed = true
		b.countBelow(name, old, fresh, next)
		if fresh == nil && b.below[name] > 0 {
			fresh = &Node{Name: name}
		}
		next.put(name, fresh)
	}
	if !changed {
		return
	}
	next.zone.serial = max(now, b.zone.serial+1)
	b.zone = &next.zone
}

// countBelow keeps the ancestors of a name in existence as long as there is a name with records below them.
func (b *Builder) countBelow(name string, old, fresh *Node, next *change) {
	had, has := old != nil && len(old.Sets) > 0, fresh != nil
	if had == has {
		return
	}
	for up := parent(name); up != "" && up != b.o.Domain; up = parent(up) {
		if has {
			b.below[up]++
		} else {
			b.below[up]--
		}
		n := next.get(up)
		switch {
		case b.below[up] > 0 && n == nil:
			next.put(up, &Node{Name: up})
		case b.below[up] == 0:
			delete(b.below, up)
			if n != nil && len(n.Sets) == 0 {
				next.put(up, nil)
			}
		}
	}
}

// node makes a name's records of what the apps behind it give; nil if there are none.
func (b *Builder) node(name string) *Node {
	ids := slices.Sorted(maps.Keys(b.names[name]))
	var all []entry
	for _, id := range ids {
		list := b.apps[id].entries
		i, _ := slices.BinarySearchFunc(list, name, func(e entry, n string) int { return strings.Compare(e.name, n) })
		for ; i < len(list) && list[i].name == name; i++ {
			all = append(all, list[i])
		}
	}
	kept, fallback := b.filter(all)
	if len(kept) == 0 {
		return nil
	}
	return &Node{Name: name, Sets: rrsets(kept), Fallback: fallback, Apps: ids}
}

// filter leaves the entries of tasks that should get traffic, by the health filter in force.
func (b *Builder) filter(all []entry) (kept []entry, fallback bool) {
	if b.o.Filter == FilterOff {
		return all, false
	}
	for _, e := range all {
		if e.ok {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 && b.o.Filter == FilterOpen {
		return all, len(all) > 0
	}
	return kept, false
}

func rrsets(list []entry) []RRset {
	slices.SortFunc(list, compareEntries)
	var sets []RRset
	for _, e := range list {
		if len(sets) == 0 || sets[len(sets)-1].Type != e.typ {
			sets = append(sets, RRset{Type: e.typ, TTL: e.ttl})
		}
		set := &sets[len(sets)-1]
		set.TTL = min(set.TTL, e.ttl) // one TTL for the whole set (RFC 2181 section 5.2)
		if n := len(set.Records); n == 0 || set.Records[n-1] != e.data {
			set.Records = append(set.Records, e.data)
		}
	}
	return sets
}

func sameNode(a, b *Node) bool {
	if a == nil || b == nil || len(a.Sets) == 0 {
		return (a == nil || len(a.Sets) == 0) && b == nil
	}
	return a.Fallback == b.Fallback && slices.Equal(a.Apps, b.Apps) && slices.EqualFunc(a.Sets, b.Sets, func(x, y RRset) bool {
		return x.Type == y.Type && x.TTL == y.TTL && slices.Equal(x.Records, y.Records)
	})
}

// parent is name without its first label.
func parent(name string) string {
	_, up, _ := strings.Cut(name, ".")
	return up
}

// change is a zone in the making: a shard is copied when it is first written to.
type change struct {
	zone   Zone
	copied [shards]bool
}

func (c *change) get(name string) *Node { return c.zone.shard[shardOf(name)][name] }

func (c *change) put(name string, n *Node) {
	i := shardOf(name)
	if !c.copied[i] {
		c.copied[i] = true
		m := make(map[string]*Node, len(c.zone.shard[i])+1)
		maps.Copy(m, c.zone.shard[i])
		c.zone.shard[i] = m
	}
	c.tally(c.zone.shard[i][name], -1)
	c.tally(n, 1)
	if n == nil {
		delete(c.zone.shard[i], name)
		return
	}
	c.zone.shard[i][name] = n
}

func (c *change) tally(n *Node, sign int) {
	if n == nil || len(n.Sets) == 0 {
		return
	}
	c.zone.count.Names += sign
	for i := range n.Sets {
		c.zone.count.Records += sign * len(n.Sets[i].Records)
	}
}
