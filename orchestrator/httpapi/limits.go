package httpapi

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// buckets are token buckets by name: each holds at most burst tokens and gains rate a second. It is safe for concurrent
// use.
type buckets struct {
	rate, burst float64

	mu sync.Mutex
	m  map[string]*bucket
}

type bucket struct {
	tokens  float64
	at      time.Time
	refused int // since the last token was given
}

// maxBuckets bounds the names remembered. Beyond, those with all their tokens are forgotten, if need be all.
const maxBuckets = 4096

func newBuckets(rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, m: map[string]*bucket{}}
}

// left reports whether name has a token.
func (b *buckets) left(name string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.m[name]
	return k == nil || b.fill(k, now) >= 1
}

// take takes a token of name if there is one, and returns how often there was none since the last time.
func (b *buckets) take(name string, now time.Time) (refused int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.m[name]
	if k == nil {
		b.makeRoom(now)
		k = &bucket{tokens: b.burst, at: now}
		b.m[name] = k
	}
	if b.fill(k, now) < 1 {
		k.refused++
		return 0, false
	}
	k.tokens--
	refused, k.refused = k.refused, 0
	return refused, true
}

func (b *buckets) fill(k *bucket, now time.Time) float64 {
	if past := now.Sub(k.at).Seconds(); past > 0 {
		k.tokens, k.at = min(b.burst, k.tokens+past*b.rate), now
	}
	return k.tokens
}

func (b *buckets) makeRoom(now time.Time) {
	if len(b.m) < maxBuckets {
		return
	}
	for name, k := range b.m {
		if b.fill(k, now) >= b.burst {
			delete(b.m, name)
		}
	}
	if len(b.m) >= maxBuckets {
		clear(b.m)
	}
}

// network is an address as far as it stands for one client: a host has a whole IPv6 /64 to choose from.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || !a.Is6() || a.Is4In6() {
		return ip
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}

// lasting are the endpoints whose answers go on as long as the client likes. They have limits of their own.
func (c *call) lasting() bool {
	switch c.route {
	case routeEvents, routeTaskLogs, routeBackup:
		return true
	}
	return false
}

// enter takes one of the places for requests under way, or refuses. Probes always get in.
func (s *Server) enter(c *call) (leave func(), err error) {
	if c.lasting() || open[c.route] {
		return func() {}, nil
	}
	select {
	case s.places <- struct{}{}:
		return func() { <-s.places }, nil
	default:
		return nil, overloaded("too many requests are under way")
	}
}

func overloaded(message string) error {
	return &refusal{
		status: http.StatusServiceUnavailable, message: message + "; try again in a second",
		header: http.Header{"Retry-After": {"1"}},
	}
}
