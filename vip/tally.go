package vip

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"berth/vip/nft"
	"berth/vip/ruleset"
)

// connections are those since vip began to count.
type connections struct {
	services map[ruleset.Key]uint64
	backends map[backend]uint64
}

// backend is one backend of one service.
type backend struct {
	key ruleset.Key
	to  netip.AddrPort
}

// tally adds up connection counters over the rewriting of elements, which sets them to zero.
type tally struct {
	reading sync.Mutex // one reader at a time; the loop never waits for it

	mu      sync.Mutex
	until   time.Time // the last reading counts as current
	version uint64    // of the table and of last; odd while a change is on its way
	last    nft.Counters
	total   connections
}

const (
	// tallyShare bounds the part of the time that goes into readings: one that took 10 ms counts as current for 100 ms
	// more. With 44,000 VIPs one takes more than a second.
	tallyShare = 10
	// tallyTries is how often a reading is begun anew because the table changed meanwhile.
	tallyTries = 3
	// tallyFirst is how many services there are at most for counters to be read before a change sets some to zero. With
	// more of them a change would wait for it, and what has been counted since the last reading is lost.
	tallyFirst = 500
)

// counters returns the connections so far, as of a moment ago.
func (l *LB) counters(now time.Time) (connections, error) {
	t := &l.tally
	t.reading.Lock()
	defer t.reading.Unlock()
	t.mu.Lock()
	total, current := t.total, now.Before(t.until)
	t.mu.Unlock()
	if current {
		return total, nil
	}
	return l.recount(now)
}

// recount reads counters, whenever they were read last. It is called with reading held, or by the loop, which makes the
// changes.
func (l *LB) recount(now time.Time) (connections, error) {
	t := &l.tally
	for range tallyTries {
		t.mu.Lock()
		total, version := t.total, t.version
		t.mu.Unlock()
		start := time.Now()
		c, err := l.opt.Kernel.Counters()
		if err != nil && !errors.Is(err, nft.ErrInterrupted) {
			return total, err
		}
		if err == nil && t.take(c, version, now.Add(tallyShare*time.Since(start))) {
			break
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total, nil // an older reading when changes come faster than counters can be read
}

// take adds a reading that was begun at a version. If the table has changed since, it is not known which counters began anew
// before it; if another reading was taken since, this one may be the older.
func (t *tally) take(c nft.Counters, version uint64, until time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version != version || version%2 == 1 {
		return false
	}
	t.version += 2
	t.total, t.last, t.until = t.total.plus(t.last, c), c, until
	return true
}

// changing says that a change is on its way; the function returned says that it is over, and which batch it was.
func (t *tally) changing() (over func(*ruleset.Batch)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.version++
	return func(b *ruleset.Batch) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.version++
		if b.Create {
			t.last = nft.Counters{}
		}
		for _, e := range b.Del.Entries {
			delete(t.last.Services, e.Key)
		}
		for _, s := range b.Del.Slots {
			delete(t.last.Slots, s)
		}
	}
}

// plus returns new totals for what exists now.
func (c connections) plus(last, now nft.Counters) connections {
	out := connections{make(map[ruleset.Key]uint64, len(now.Services)), make(map[backend]uint64, len(now.Slots))}
	for k, n := range now.Services {
		out.services[k] = c.services[k] + since(last.Services[k], n)
	}
	for s, n := range now.Slots {
		b := backend{s.Key, s.To}
		if _, met := out.backends[b]; !met {
			out.backends[b] = c.backends[b]
		}
		out.backends[b] += since(last.Slots[s], n)
	}
	return out
}

// since is what was counted between two readings. A counter that is smaller than before began anew.
func since(last, now uint64) uint64 {
	if now < last {
		return now
	}
	return now - last
}
