package ruleset

import (
	"net/netip"
	"slices"
)

// Steps returns the states on the way from have to want, each to be reached by one batch; the last differs from want only by
// leftovers, which Diff removes when it comes by next.
//
// A batch is atomic, but a packet is not: the kernel decides at every look-up anew which generation of a map it sees. A packet
// that found "three slots" in the old one may look for the third in the new one; and one that began in the old generation
// finds no rule yet in a chain of the new one. Both would be refused; and a container whose connection to itself is
// translated but then not masqueraded would wait in vain. So chains come in a batch before they are used, and slots, chains
// and hairpin addresses that are no longer used stay for one batch more.
func Steps(have, want *Ruleset) []*Ruleset {
	if have == nil || have.Layout != want.Layout {
		return []*Ruleset{want}
	}
	var steps []*Ruleset
	had := have.chains()
	var fresh, unused []Pick
	for p := range want.chains() {
		if had[p] == 0 {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) > 0 {
		first := *have
		first.Idle = slices.SortedFunc(slices.Values(append(fresh, have.Idle...)), Pick.Compare)
		steps = append(steps, &first)
	}
	for p := range had {
		if want.count()[p] == 0 {
			unused = append(unused, p)
		}
	}
	slices.SortFunc(unused, Pick.Compare)
	second := *want
	second.Idle = unused
	second.Services = withSpare(have, want)
	if gone, _ := diffSorted(have.Hairpin, want.Hairpin, netip.Addr.Compare); len(gone) > 0 {
		second.Hairpin = slices.SortedFunc(slices.Values(append(gone, want.Hairpin...)), netip.Addr.Compare)
	}
	return append(steps, &second)
}

// withSpare keeps the slots of services that shrink, and those that are spare already.
func withSpare(have, want *Ruleset) []*Service {
	list, copied := want.Services, false
	pairs(have.Services, want.Services, func(i int, old, now *Service) {
		if old == nil || now == nil || len(now.Slots) >= len(old.Slots)+len(old.Spare) {
			return
		}
		if !copied {
			list, copied = slices.Clone(list), true
		}
		s := &Service{Key: now.Key, Slots: now.Slots}
		for n := len(now.Slots); ; n++ {
			a, ok := old.slot(n)
			if !ok {
				break
			}
			s.Spare = append(s.Spare, a)
		}
		if list[i] = s; s.equal(old) {
			list[i] = old
		}
	})
	return list
}
