package zone

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// publish makes the touched names anew in a copy of the zone.
func (b *Builder) publish(now uint32) {
	next := &change{zone: *b.zone, room: len(b.touched) / shards}
	if p := b.pending(); p != next.zone.pending {
		next.zone.pending, next.changed = p, true
	}
	for _, t := range b.touched {
		old := next.get(t.name)
		fresh := b.node(t)
		if sameNode(old, fresh) {
			continue
		}
		next.changed = true
		if fresh == nil && b.children[t.name] > 0 {
			fresh = &Node{Name: t.name}
		}
		next.put(t.name, old, fresh)
		b.noteFallback(t.name, fresh)
		b.settle(t.name, old, fresh, next)
	}
	for _, c := range b.fresh {
		if c.info != nil {
			c.groups = nil
		}
	}
	clear(b.touched)
	clear(b.fresh)
	clear(b.records[:cap(b.records)])
	b.touched, b.fresh = b.touched[:0], b.fresh[:0]
	const large = 1 << 16
	if cap(b.touched) > large {
		b.touched, b.fresh, b.records = nil, nil, nil
	}
	if next.changed {
		b.zone = next.seal(now)
	}
}

// noteFallback remembers an app's own name while it is served although no task passes its checks.
func (b *Builder) noteFallback(name string, n *Node) {
	if n == nil || !n.Fallback {
		delete(b.fallback, name)
		return
	}
	for _, id := range n.Apps {
		of, own, other := strings.Cut(id, ":")
		if !other {
			of, own = b.o.Framework, id
		}
		names, _ := appNames(own, b.o.Rules)
		if len(names) > 0 && names[0]+"."+of+"."+b.o.Domain == name {
			b.fallback[name] = true
		}
	}
}

// settle keeps the ancestors of a name in existence as long as there is a name below them; fresh is what the name has
// from now on. Most names cost one step: their parent has other children.
func (b *Builder) settle(name string, old, fresh *Node, next *change) {
	if (old == nil) == (fresh == nil) {
		return
	}
	a := b.zone.ApexOf([]byte(name))
	if a == nil {
		return
	}
	for up := parent(name); len(up) > len(a.Name); up = parent(up) {
		var goesOn bool
		if fresh != nil {
			goesOn = b.addChild(up, next)
		} else {
			goesOn = b.removeChild(up, next)
		}
		if !goesOn {
			return
		}
	}
}

// addChild reports whether up begins to exist.
func (b *Builder) addChild(up string, next *change) bool {
	n := b.children[up]
	b.children[up] = n + 1
	if n > 0 || next.get(up) != nil {
		return false
	}
	next.put(up, nil, &Node{Name: up})
	return true
}

// removeChild reports whether up ceases to exist.
func (b *Builder) removeChild(up string, next *change) bool {
	if n := b.children[up]; n > 1 {
		b.children[up] = n - 1
		return false
	}
	delete(b.children, up)
	there := next.get(up)
	if there == nil || len(there.Sets) > 0 {
		return false
	}
	next.put(up, there, nil)
	return true
}

// parent is name without its first label.
func parent(name string) string {
	_, up, _ := strings.Cut(name, ".")
	return up
}

// node makes a name's records of what the contributions behind it give; nil if there are none.
func (b *Builder) node(t touch) *Node {
	owner := b.owners[t.name]
	switch {
	case owner == nil:
		return nil
	case len(owner.self) == 1 && t.group != nil:
		return b.sealed(t.name, t.group.entries, owner.ids)
	}
	var all []entry
	var ids []string
	for _, c := range owner.self {
		all = append(all, b.entriesOf(c, t.name)...)
		ids = append(ids, c.ids...)
	}
	slices.SortFunc(all, compareEntries)
	return b.sealed(t.name, all, slices.Compact(ids))
}

// entriesOf returns what c gives to a name, and makes it again if it is not at hand.
func (b *Builder) entriesOf(c *contribution, name string) []entry {
	if c.groups == nil && c.info != nil {
		c.make(b.w)
		b.fresh = append(b.fresh, c)
	}
	i, ok := slices.BinarySearchFunc(c.groups, name, func(g group, n string) int { return strings.Compare(g.name, n) })
	if !ok {
		return nil
	}
	return c.groups[i].entries
}

// sealed makes a node of sorted entries, by the health filter in force.
func (b *Builder) sealed(name string, all []entry, ids []string) *Node {
	kept, fallback := b.filter(all)
	if len(kept) == 0 {
		return nil
	}
	n := &Node{Name: name, Fallback: fallback, Apps: ids}
	n.Sets = n.one[:0]
	for len(kept) > 0 {
		end := 1
		for end < len(kept) && kept[end].typ == kept[0].typ {
			end++
		}
		n.Sets = append(n.Sets, b.rrset(kept[:end]))
		kept = kept[end:]
	}
	return n
}

// filter leaves the entries of tasks that should get traffic.
func (b *Builder) filter(all []entry) (kept []entry, fallback bool) {
	if b.o.Filter == FilterOff || !slices.ContainsFunc(all, func(e entry) bool { return !e.ok }) {
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

// rrset makes a set of sorted entries of one type. All get one TTL, the least (RFC 2181 section 5.2). Of a CNAME there can be
// only one, and of an address's names one is enough.
func (b *Builder) rrset(list []entry) RRset {
	typ, ttl, records := list[0].typ, list[0].ttl, b.records[:0]
	for _, e := range list {
		ttl = min(ttl, e.ttl)
		if n := len(records); n == 0 || records[n-1] != e.data {
			records = append(records, e.data)
		}
	}
	b.records = records
	if typ == TypeCNAME || typ == TypePTR {
		records = records[:1]
	}
	return newSet(typ, ttl, records)
}

func sameNode(a, b *Node) bool {
	if a == nil || b == nil || len(a.Sets) == 0 {
		return (a == nil || len(a.Sets) == 0) && b == nil
	}
	return a.Fallback == b.Fallback && slices.Equal(a.Apps, b.Apps) && slices.EqualFunc(a.Sets, b.Sets, func(x, y RRset) bool {
		return x.Type == y.Type && bytes.Equal(x.wire, y.wire)
	})
}

// change is a zone in the making: a shard is copied when it is first written to.
type change struct {
	zone    Zone
	room    int // names that a shard may be expected to get
	copied  [shards]bool
	changed bool
}

func (c *change) get(name string) *Node { return c.zone.shard[shardOf(name)][name] }

// put replaces the node of a name, old, by n; nil is none.
func (c *change) put(name string, old, n *Node) {
	i := shardOf(name)
	if !c.copied[i] {
		c.copied[i] = true
		m := make(map[string]*Node, len(c.zone.shard[i])+c.room+1)
		maps.Copy(m, c.zone.shard[i])
		c.zone.shard[i] = m
	}
	c.tally(old, -1)
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
		set := &n.Sets[i]
		c.zone.count.Records += sign * set.Len()
		c.zone.count.Types[slices.Index(CountedTypes[:], set.Type)] += sign * set.Len()
	}
}

// seal gives the zone its serial.
func (c *change) seal(now uint32) *Zone {
	z := c.zone
	z.serial = max(now, z.serial+1)
	z.apexes = slices.Clone(z.apexes)
	for i := range z.apexes {
		z.apexes[i].seal(z.serial)
	}
	return &z
}
