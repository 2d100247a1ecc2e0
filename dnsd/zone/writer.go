package zone

import (
	"net/netip"
	"slices"
	"strings"
)

// writer collects what one contributor gives, name by name. It is used again for the next contributor.
type writer struct {
	o         *Options
	framework string // whose apps are written
	groups    []group
	index     map[string]int // name → index in groups, -1 for a name that cannot be sent
	unusable  []string
}

func newWriter(o *Options) *writer {
	return &writer{o: o, framework: o.Framework, index: map[string]int{}}
}

// at returns the index of the group of a name, or -1 if the name cannot be sent, which is noted.
func (w *writer) at(name string) int {
	if i, ok := w.index[name]; ok {
		return i
	}
	i := len(w.groups)
	if encodable(name) {
		w.groups = append(w.groups, group{name: name})
	} else {
		w.unusable = append(w.unusable, name)
		i = -1
	}
	w.index[name] = i
	return i
}

// expect makes room for n entries in a group.
func (w *writer) expect(at, n int) int {
	if at >= 0 && w.groups[at].entries == nil {
		w.groups[at].entries = make([]entry, 0, n)
	}
	return at
}

func (w *writer) put(at int, e entry) {
	if at >= 0 {
		w.groups[at].entries = append(w.groups[at].entries, e)
	}
}

func (w *writer) addrs(at int, addrs []netip.Addr, ttl uint32, ok bool) {
	for _, ip := range addrs {
		w.put(at, addrEntry(ip, ttl, ok))
	}
}

// take returns what was collected, sorted and without repeats, and makes the writer ready for the next contributor.
func (w *writer) take() ([]group, []string) {
	out := make([]group, 0, len(w.groups))
	for _, g := range w.groups {
		if len(g.entries) > 1 {
			slices.SortFunc(g.entries, compareEntries)
			g.entries = slices.Compact(g.entries)
		}
		if len(g.entries) > 0 {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b group) int { return strings.Compare(a.name, b.name) })
	unusable := w.unusable
	clear(w.groups)
	clear(w.index)
	w.groups, w.unusable = w.groups[:0], nil
	return out, unusable
}
