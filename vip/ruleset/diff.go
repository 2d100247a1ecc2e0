package ruleset

import (
	"cmp"
	"net/netip"
	"slices"
)

// Diff returns what leads from have to want. A nil have, or another layout, makes the table anew.
func Diff(have, want *Ruleset) *Batch {
	b := &Batch{Layout: want.Layout}
	if have == nil || have.Layout != want.Layout {
		b.Create = true
		have = &Ruleset{Layout: want.Layout}
	}
	b.picks(have.chains(), want.chains())
	pairs(have.Services, want.Services, func(_ int, old, now *Service) { b.service(old, now) })
	b.Del.VIPs, b.Add.VIPs = diffSorted(have.VIPs, want.VIPs, netip.Addr.Compare)
	b.Del.Ranges, b.Add.Ranges = diffSorted(have.Ranges, want.Ranges, comparePrefix)
	b.Del.Hairpin, b.Add.Hairpin = diffSorted(have.Hairpin, want.Hairpin, netip.Addr.Compare)
	b.Del.Links, b.Add.Links = diffSorted(have.Links, want.Links, Link.Compare)
	return b
}

func comparePrefix(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func (b *Batch) picks(have, want map[Pick]int) {
	for p := range want {
		if have[p] == 0 {
			b.AddPicks = append(b.AddPicks, p)
		}
	}
	for p := range have {
		if want[p] == 0 {
			b.DelPicks = append(b.DelPicks, p)
		}
	}
	slices.SortFunc(b.AddPicks, Pick.Compare)
	slices.SortFunc(b.DelPicks, Pick.Compare)
}

// service compares one service; old or now may be nil.
func (b *Batch) service(old, now *Service) {
	if old == nil {
		old = &Service{}
	} else if now == nil || old.Pick() != now.Pick() {
		b.Del.Entries = append(b.Del.Entries, Entry{old.Key, old.Pick()})
	}
	if now == nil {
		now = &Service{}
	} else if old.Key != now.Key || old.Pick() != now.Pick() {
		b.Add.Entries = append(b.Add.Entries, Entry{now.Key, now.Pick()})
	}
	for i := 0; ; i++ {
		from, had := old.slot(i)
		to, has := now.slot(i)
		switch {
		case !had && !has:
			return
		case had && has && from == to:
			continue
		}
		if had {
			b.Del.Slots = append(b.Del.Slots, Slot{old.Key, i, from})
		}
		if has {
			b.Add.Slots = append(b.Add.Slots, Slot{now.Key, i, to})
		}
	}
}

// diffSorted compares two sorted lists without repeats.
func diffSorted[T comparable](have, want []T, compare func(T, T) int) (gone, fresh []T) {
	if len(have) == len(want) && (len(have) == 0 || &have[0] == &want[0]) {
		return nil, nil
	}
	i, j := 0, 0
	for i < len(have) || j < len(want) {
		switch {
		case i < len(have) && j < len(want) && have[i] == want[j]:
			i++
			j++
		case j == len(want) || i < len(have) && compare(have[i], want[j]) < 0:
			gone = append(gone, have[i])
			i++
		default:
			fresh = append(fresh, want[j])
			j++
		}
	}
	return gone, fresh
}
