package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
)

// Apply returns what a table with have (nil for none) holds after the batch. As in the kernel, the batch fails as a whole
// when it deletes what is not there, adds what is, or refers to a chain that does not exist.
func Apply(have *Ruleset, b *Batch) (*Ruleset, error) {
	t := newTable(have)
	if b.Create {
		t = newTable(&Ruleset{Layout: b.Layout})
	}
	if t == nil {
		if b.Empty() {
			return nil, nil
		}
		return nil, fmt.Errorf("apply batch: there is no table")
	}
	t.add(&b.Del, &b.Add, b)
	if t.err != nil {
		return nil, fmt.Errorf("apply batch: %w", t.err)
	}
	return t.ruleset()
}

// table holds elements as the kernel does.
type table struct {
	layout  Layout
	picks   map[Pick]bool
	entries map[Key]Pick
	slots   map[slotKey]netip.AddrPort
	vips    map[netip.Addr]bool
	ranges  map[netip.Prefix]bool
	hairpin map[netip.Addr]bool
	links   map[Link]bool
	err     error
}

type slotKey struct {
	key   Key
	index int
}

func newTable(r *Ruleset) *table {
	if r == nil {
		return nil
	}
	t := &table{r.Layout, map[Pick]bool{}, map[Key]Pick{}, map[slotKey]netip.AddrPort{}, map[netip.Addr]bool{},
		map[netip.Prefix]bool{}, map[netip.Addr]bool{}, map[Link]bool{}, nil}
	for _, p := range r.Picks() {
		t.picks[p] = true
	}
	for _, s := range r.Services {
		t.entries[s.Key] = s.Pick()
		for i := 0; ; i++ {
			a, ok := s.slot(i)
			if !ok {
				break
			}
			t.slots[slotKey{s.Key, i}] = a
		}
	}
	fill(t.vips, r.VIPs)
	fill(t.ranges, r.Ranges)
	fill(t.hairpin, r.Hairpin)
	fill(t.links, r.Links)
	return t
}

func fill[T comparable](set map[T]bool, list []T) {
	for _, v := range list {
		set[v] = true
	}
}

func (t *table) fail(format string, a ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, a...)
	}
}

func (t *table) add(del, add *Elements, b *Batch) {
	insert(t, t.picks, b.AddPicks)
	for _, e := range del.Entries {
		takeOut(t, t.entries, e.Key, e.Pick)
	}
	for _, s := range del.Slots {
		takeOut(t, t.slots, slotKey{s.Key, s.Index}, s.To)
	}
	remove(t, t.vips, del.VIPs)
	remove(t, t.ranges, del.Ranges)
	remove(t, t.hairpin, del.Hairpin)
	remove(t, t.links, del.Links)
	for _, s := range add.Slots {
		put(t, t.slots, slotKey{s.Key, s.Index}, s.To)
	}
	for _, e := range add.Entries {
		if !e.Pick.Constant() && !t.picks[e.Pick] {
			t.fail("entry %s: no chain %s", e.Key, e.Pick)
		}
		put(t, t.entries, e.Key, e.Pick)
	}
	insert(t, t.vips, add.VIPs)
	insert(t, t.ranges, add.Ranges)
	insert(t, t.hairpin, add.Hairpin)
	insert(t, t.links, add.Links)
	remove(t, t.picks, b.DelPicks)
	for k, p := range t.entries {
		if !p.Constant() && !t.picks[p] {
			t.fail("chain %s: entry %s still refers to it", p, k)
		}
	}
}

func insert[T comparable](t *table, set map[T]bool, list []T) {
	for _, v := range list {
		if set[v] {
			t.fail("add %v: exists", v)
		}
		set[v] = true
	}
}

func remove[T comparable](t *table, set map[T]bool, list []T) {
	for _, v := range list {
		if !set[v] {
			t.fail("delete %v: not found", v)
		}
		delete(set, v)
	}
}

func put[K, V comparable](t *table, m map[K]V, k K, v V) {
	if _, ok := m[k]; ok {
		t.fail("add %v: exists", k)
	}
	m[k] = v
}

func takeOut[K, V comparable](t *table, m map[K]V, k K, v V) {
	if m[k] != v {
		t.fail("delete %v: not found with value %v", k, v)
	}
	delete(m, k)
}

// ruleset reads the table back. Slots without an entry, holes and chains nobody uses are errors.
func (t *table) ruleset() (*Ruleset, error) {
	c := Contents{Layout: t.layout}
	for p := range t.picks {
		c.Picks = append(c.Picks, p)
	}
	for k, p := range t.entries {
		c.Entries = append(c.Entries, Entry{k, p})
	}
	for k, a := range t.slots {
		c.Slots = append(c.Slots, Slot{k.key, k.index, a})
	}
	c.VIPs, c.Ranges, c.Hairpin, c.Links = keys(t.vips), keys(t.ranges), keys(t.hairpin), keys(t.links)
	r, odd := c.Ruleset()
	if len(odd) > 0 {
		return nil, fmt.Errorf("apply batch: %s", odd[0])
	}
	return r, nil
}

func keys[T comparable](m map[T]bool) []T {
	var list []T
	for k := range m {
		list = append(list, k)
	}
	return list
}

// Contents is everything found in a table, in any order.
type Contents struct {
	Layout Layout
	Picks  []Pick
	Elements
}

// Ruleset sorts the contents. What fits no ruleset is listed as text: then the table is not one that vip made, and has to
// be made anew.
func (c *Contents) Ruleset() (r *Ruleset, odd []string) {
	slices.SortFunc(c.Slots, func(a, b Slot) int {
		if o := a.Key.Compare(b.Key); o != 0 {
			return o
		}
		return a.Index - b.Index
	})
	slices.SortFunc(c.Entries, func(a, b Entry) int { return a.Key.Compare(b.Key) })
	slices.SortFunc(c.VIPs, netip.Addr.Compare)
	slices.SortFunc(c.Ranges, comparePrefix)
	slices.SortFunc(c.Hairpin, netip.Addr.Compare)
	slices.SortFunc(c.Links, Link.Compare)
	r = &Ruleset{Layout: c.Layout, VIPs: c.VIPs, Ranges: c.Ranges, Hairpin: c.Hairpin, Links: c.Links}
	left := c.Slots
	for _, e := range c.Entries {
		s := &Service{Key: e.Key}
		for i := 0; len(left) > 0 && left[0].Key == e.Key && left[0].Index == i; i++ {
			if i < e.Pick.Slots {
				s.Slots = append(s.Slots, left[0].To)
			} else {
				s.Spare = append(s.Spare, left[0].To)
			}
			left = left[1:]
		}
		if len(s.Slots) != e.Pick.Slots {
			odd = append(odd, fmt.Sprintf("entry %s: goes to %s and has %d slots", e.Key, e.Pick, len(s.Slots)))
		}
		r.Services = append(r.Services, s)
	}
	if len(left) > 0 {
		odd = append(odd, fmt.Sprintf("slot %s . %d: belongs to no entry", left[0].Key, left[0].Index))
	}
	used := r.count()
	for _, p := range c.Picks {
		if used[p] == 0 {
			r.Idle = append(r.Idle, p)
		}
	}
	slices.SortFunc(r.Idle, Pick.Compare)
	if len(c.Picks) != len(r.Picks()) {
		odd = append(odd, fmt.Sprintf("chains %v: expected %v", c.Picks, r.Picks()))
	}
	return r, odd
}
