package server

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// limiter bounds the answers per second that go to one network, so that nobody can aim many at a victim whose address they
// wrote into their queries. It has a fixed size: networks that share a bucket share its allowance.
type limiter struct {
	rate float64
	seed maphash.Seed
	part [limitParts]limitPart
}

const (
	limitParts   = 64
	limitBuckets = 1024 // each part
	limitBurst   = 2    // seconds' worth
)

type limitPart struct {
	mu     sync.Mutex
	bucket [limitBuckets]limitBucket
}

type limitBucket struct {
	tokens float64
	last   int64 // nanoseconds
	over   uint32
}

func newLimiter(rate int) *limiter {
	if rate == 0 {
		return nil
	}
	return &limiter{rate: float64(rate), seed: maphash.MakeSeed()}
}

// verdict says what becomes of an answer.
type verdict int

const (
	send     verdict = iota
	truncate         // say that TCP would do: a client that is there can come back
	drop
)

// judge takes one answer to ip off its network's allowance. Over it, every other answer is truncated and the rest dropped.
func (l *limiter) judge(ip netip.Addr, now time.Time) verdict {
	if l == nil || ip.IsLoopback() {
		return send
	}
	bits := 24
	if ip.Is6() {
		bits = 56
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		return send
	}
	a := network.Addr().As16()
	h := maphash.Bytes(l.seed, a[:])
	p := &l.part[h%limitParts]
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bucket[h/limitParts%limitBuckets].take(l.rate, now.UnixNano())
}

func (b *limitBucket) take(rate float64, now int64) verdict {
	if b.last == 0 {
		b.tokens = rate * limitBurst
	} else {
		b.tokens = min(rate*limitBurst, b.tokens+rate*float64(now-b.last)/1e9)
	}
	b.last = now
	if b.tokens >= 1 {
		b.tokens--
		return send
	}
	if b.over++; b.over%2 == 1 {
		return truncate
	}
	return drop
}
