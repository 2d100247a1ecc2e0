package ruleset

import (
	"fmt"
	"net/netip"
	"strings"
)

// Table is the name of the one table, of family inet.
const Table = "berth_vip"

// Entry is one element of a services map.
type Entry struct {
	Key  Key
	Pick Pick // Slots 0: refuse
}

// Slot is one element of a backends map.
type Slot struct {
	Key   Key
	Index int // from 0
	To    netip.AddrPort
}

// Elements are elements of maps and sets, all to be added or all to be deleted.
type Elements struct {
	Entries []Entry
	Slots   []Slot
	VIPs    []netip.Addr
	Ranges  []netip.Prefix
	Hairpin []netip.Addr
	Links   []Link
}

// Len counts them.
func (e *Elements) Len() int {
	return len(e.Entries) + len(e.Slots) + len(e.VIPs) + len(e.Ranges) + len(e.Hairpin) + len(e.Links)
}

// Batch is one transaction: the kernel does all of it or nothing, and no packet sees a part. Its parts are sent in the
// order of the fields; an element whose value changes is deleted and added.
type Batch struct {
	Create   bool // make the table anew, with Layout
	Layout   Layout
	AddPicks []Pick
	Del, Add Elements
	DelPicks []Pick
}

// Empty reports whether there is nothing to do.
func (b *Batch) Empty() bool {
	return !b.Create && len(b.AddPicks) == 0 && len(b.DelPicks) == 0 && b.Del.Len() == 0 && b.Add.Len() == 0
}

// String is the batch in nft's syntax, as "nft -f" would take it.
func (b *Batch) String() string {
	var w strings.Builder
	if b.Create {
		fmt.Fprintf(&w, "add table inet %s\ndelete table inet %s\n", Table, Table)
		writeTable(&w, b.Layout)
	}
	for _, p := range b.AddPicks {
		fmt.Fprintf(&w, "add chain inet %s %s\nadd rule inet %s %s %s\n", Table, p, Table, p, pickRule(p))
	}
	b.Del.each(func(set, element, _ string) {
		fmt.Fprintf(&w, "delete element inet %s %s { %s }\n", Table, set, element)
	})
	b.Add.each(func(set, element, value string) {
		fmt.Fprintf(&w, "add element inet %s %s { %s%s }\n", Table, set, element, value)
	})
	for _, p := range b.DelPicks {
		fmt.Fprintf(&w, "delete chain inet %s %s\n", Table, p)
	}
	return w.String()
}

// each hands each element over with its set and, for maps, " : value".
func (e *Elements) each(line func(set, element, value string)) {
	for _, x := range e.Entries {
		line("services"+family(x.Key.Addr), x.Key.String(), " : goto "+x.Pick.String())
	}
	for _, x := range e.Slots {
		line("backends"+family(x.Key.Addr), fmt.Sprintf("%s . %d", x.Key, x.Index),
			fmt.Sprintf(" : %s . %d", x.To.Addr(), x.To.Port()))
	}
	for _, x := range e.VIPs {
		line("vips"+family(x), x.String(), "")
	}
	for _, x := range e.Ranges {
		line("ranges"+family(x.Addr()), x.String(), "")
	}
	for _, x := range e.Hairpin {
		line("hairpin"+family(x), fmt.Sprintf("%s . %s", x, x), "")
	}
	for _, x := range e.Links {
		line(string(x.Role), linkElement(x), "")
	}
}

func family(a netip.Addr) string { return digit(a.Is6()) }

func linkElement(l Link) string {
	if l.Role == SameL2 {
		return fmt.Sprintf("%q . %q", l.Name, l.Name)
	}
	return fmt.Sprintf("%q", l.Name)
}
