package ruleset

import (
	"net/netip"
	"slices"
)

// Settle returns want with the slots of each service in the places they have in have, as far as possible: when a backend
// goes, the last slot moves into the hole and nothing else changes. The result holds the same as want, and shares with have
// what is the same.
func Settle(have, want *Ruleset) *Ruleset {
	if have == nil {
		return want
	}
	want.count() // once, for the copy as well
	out := *want
	copied := false
	pairs(have.Services, want.Services, func(i int, old, now *Service) {
		if old == nil || now == nil || old == now {
			return
		}
		if s := arrange(old, now); s != now {
			if !copied {
				out.Services, copied = slices.Clone(want.Services), true
			}
			out.Services[i] = s
		}
	})
	return &out
}

// arrange puts now's slots where old has them.
func arrange(old, now *Service) *Service {
	if slices.Equal(old.Slots, now.Slots) && len(old.Spare) == 0 {
		return old
	}
	left := map[netip.AddrPort]int{}
	for _, a := range now.Slots {
		left[a]++
	}
	list := make([]netip.AddrPort, len(now.Slots))
	for i := range min(len(list), len(old.Slots)) {
		if a := old.Slots[i]; left[a] > 0 {
			left[a]--
			list[i] = a
		}
	}
	var rest []netip.AddrPort
	for _, a := range now.Slots {
		if left[a] > 0 {
			left[a]--
			rest = append(rest, a)
		}
	}
	for i := range list {
		if !list[i].IsValid() {
			list[i], rest = rest[0], rest[1:]
		}
	}
	switch {
	case slices.Equal(list, old.Slots) && len(old.Spare) == 0:
		return old
	case slices.Equal(list, now.Slots):
		return now
	}
	return &Service{Key: now.Key, Slots: list}
}

// pairs walks two sorted lists together; i is the place in b, where now is set.
func pairs(a, b []*Service, visit func(i int, old, now *Service)) {
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i++
			j++
			continue
		}
		order := 0
		switch {
		case i == len(a):
			order = 1
		case j == len(b):
			order = -1
		default:
			order = a[i].Key.Compare(b[j].Key)
		}
		switch {
		case order < 0:
			visit(j, a[i], nil)
			i++
		case order > 0:
			visit(j, nil, b[j])
			j++
		default:
			visit(j, a[i], b[j])
			i++
			j++
		}
	}
}
