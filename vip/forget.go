package vip

import (
	"context"
	"net/netip"
	"time"

	"berth/vip/ruleset"
)

// forget ends tracked connections that would go on with what is no longer so. The kernel looks through its whole table for
// them, which takes 10 ms a family even when that is empty; so what has time is done aside, and nobody waits for it.
func (l *LB) forget(have, want *ruleset.Ruleset, r ruleset.Result) error {
	lost := map[string]map[netip.AddrPort]bool{}
	stale := ruleset.StaleAfter(have, want, func(k ruleset.Key, to netip.AddrPort) bool {
		return l.lost(lost, r, k, to)
	})
	switch {
	case stale.Empty():
		return nil
	case stale.Urgent():
		return l.end(stale)
	}
	l.mu.Lock()
	l.stale = append(l.stale, stale)
	l.mu.Unlock()
	select {
	case l.aside <- struct{}{}:
	default:
	}
	return nil
}

// asideAfter is how long connections that have time are collected for one look: shorter than the second after which a
// client sends its first packet again.
const asideAfter = 300 * time.Millisecond

// forgetAside does what has time, until ctx ends.
func (l *LB) forgetAside(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.aside:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(asideAfter):
		}
		l.mu.Lock()
		list := l.stale
		l.stale = nil
		l.mu.Unlock()
		if err := l.end(list...); err != nil {
			l.log.Warn("tracked connections of VIPs that were not there before may be refused", "err", err)
		}
	}
}

// end ends the connections in one look through the kernel's table.
func (l *LB) end(list ...*ruleset.Stale) error {
	var v4, v6 bool
	for _, s := range list {
		a, b := s.Families()
		v4, v6 = v4 || a, v6 || b
	}
	match := func(k ruleset.Key, by netip.AddrPort) bool {
		for _, s := range list {
			if s.Match(k, by) {
				return true
			}
		}
		return false
	}
	n, err := l.opt.Host.Forget(match, v4, v6)
	l.count(func(s *state) { s.forgotten += uint64(n) })
	return err
}

// lost reports whether a backend of a service belongs to a task on a lost agent.
func (l *LB) lost(cache map[string]map[netip.AddrPort]bool, r ruleset.Result, k ruleset.Key, to netip.AddrPort) bool {
	if len(cache) == 0 {
		cache[""] = nil
		for _, v := range r.VIPs {
			for _, m := range v.Members {
				if m.State == ruleset.Unreachable && m.Addr.IsValid() {
					for _, a := range v.Addrs {
						id := ruleset.Key{Addr: a, Proto: v.Proto, Port: v.Port}.String()
						if cache[id] == nil {
							cache[id] = map[netip.AddrPort]bool{}
						}
						cache[id][m.Addr] = true
					}
				}
			}
		}
	}
	return cache[k.String()][to]
}
