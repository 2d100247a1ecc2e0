package ruleset

import (
	"net/netip"
	"slices"
)

// Stale says which tracked connections must end after a batch (vip.md section 10.1). A tracked connection keeps the
// translation it got; for UDP it lives on as long as packets flow, so it would stay with a backend that is gone, or without
// translation when it began before its VIP had a backend. The latter holds for a TCP client too that uses its port again.
type Stale struct {
	pairs map[pair]bool
	keys  map[Key]bool
}

type pair struct {
	key Key
	to  netip.AddrPort
}

// StaleAfter compares two states. lost tells of a backend that it was taken out because its node is gone: then its TCP
// connections end too, instead of hanging until the client gives up.
func StaleAfter(have, want *Ruleset, lost func(Key, netip.AddrPort) bool) *Stale {
	s := &Stale{map[pair]bool{}, map[Key]bool{}}
	if have == nil {
		have = &Ruleset{}
	}
	pairs(have.Services, want.Services, func(_ int, old, now *Service) {
		var from, to []netip.AddrPort
		var k Key
		if old != nil {
			from, k = old.Slots, old.Key
		}
		if now != nil {
			to, k = now.Slots, now.Key
		}
		if len(from) == 0 && len(to) > 0 {
			s.keys[k] = true
		}
		for _, a := range from {
			if !slices.Contains(to, a) && (k.Proto == UDP || lost != nil && lost(k, a)) {
				s.pairs[pair{k, a}] = true
			}
		}
	})
	return s
}

// Empty reports whether there is nothing to look for.
func (s *Stale) Empty() bool { return len(s.pairs) == 0 && len(s.keys) == 0 }

// Match reports whether a connection to key that is answered by a backend has to end.
func (s *Stale) Match(key Key, by netip.AddrPort) bool {
	if s.keys[key] && (key.Proto == UDP || by.Addr() == key.Addr) {
		return true
	}
	return s.pairs[pair{key, by}]
}
