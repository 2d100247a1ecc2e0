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

// Urgent reports whether packets go on to where they should not until the connections have ended. Otherwise there are only
// TCP connections from before their VIP had a backend, which the rules refuse.
func (s *Stale) Urgent() bool {
	for k := range s.keys {
		if k.Proto == UDP {
			return true
		}
	}
	return len(s.pairs) > 0
}

// Families reports of which there may be connections.
func (s *Stale) Families() (v4, v6 bool) {
	note := func(k Key) { v4, v6 = v4 || k.Addr.Is4(), v6 || k.Addr.Is6() }
	for k := range s.keys {
		note(k)
	}
	for p := range s.pairs {
		note(p.key)
	}
	return v4, v6
}

// Match reports whether a connection to key that is answered by a backend has to end.
func (s *Stale) Match(key Key, by netip.AddrPort) bool {
	if s.keys[key] && (key.Proto == UDP || by.Addr() == key.Addr) {
		return true
	}
	return s.pairs[pair{key, by}]
}
