package vip

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"berth/vip/nft"
	"berth/vip/ruleset"
)

// tally adds up connection counters over the rewriting of elements, which sets them to zero. What was counted between two
// readings and then rewritten is lost.
type tally struct {
	mu    sync.Mutex
	until time.Time // a reading counts as current
	last  nft.Counters
	total nft.Counters
}

// tallyShare bounds the part of the time that goes into readings: one that took 10 ms counts as current for 90 ms. With
// 44,000 VIPs one takes the better part of a second.
const tallyShare = 10

// counters returns the connections so far.
func (l *LB) counters(now time.Time) (nft.Counters, error) {
	t := &l.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.until) {
		return t.total, nil
	}
	start := time.Now()
	c, err := l.opt.Kernel.Counters()
	if errors.Is(err, nft.ErrInterrupted) { // changes come faster than they can be read; the next reading will do
		return t.total, nil
	}
	if err != nil {
		return t.total, err
	}
	t.total = nft.Counters{Services: addUp(t.total.Services, t.last.Services, c.Services),
		Backends: addUp(t.total.Backends, t.last.Backends, c.Backends)}
	t.last, t.until = c, now.Add(tallyShare*time.Since(start))
	return t.total, nil
}

// addUp returns new totals for the keys that exist now.
func addUp[K comparable](total, last, now map[K]uint64) map[K]uint64 {
	out := make(map[K]uint64, len(now))
	for k, n := range now {
		if n >= last[k] {
			n -= last[k]
		}
		out[k] = total[k] + n
	}
	return out
}

func backendOf(k ruleset.Key, to netip.AddrPort) nft.Backend { return nft.Backend{Key: k, To: to} }
