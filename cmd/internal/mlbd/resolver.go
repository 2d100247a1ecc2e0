package mlbd

import (
	"context"
	"net"
	"sync"
	"time"
)

// resolver looks host names of agents up. Answers are kept for a minute, failures for five seconds, and after a failure the
// last good answer goes on being used: an agent does not vanish because DNS does. It is safe for concurrent use.
type resolver struct {
	mu    sync.Mutex
	known map[string]answer
}

type answer struct {
	ip    string
	until time.Time
}

const (
	maxNames   = 100_000
	goodFor    = time.Minute
	badFor     = 5 * time.Second
	lookupTime = 2 * time.Second
)

func newResolver() *resolver { return &resolver{known: map[string]answer{}} }

func (r *resolver) lookup(host string) (string, bool) {
	now := time.Now()
	r.mu.Lock()
	old, ok := r.known[host]
	r.mu.Unlock()
	if ok && now.Before(old.until) {
		return old.ip, old.ip != ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	fresh := answer{ip: old.ip, until: now.Add(badFor)}
	if ips, err := net.DefaultResolver.LookupIP(ctx, "ip4", host); err == nil && len(ips) > 0 {
		fresh = answer{ip: ips[0].String(), until: now.Add(goodFor)}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) >= maxNames {
		clear(r.known)
	}
	r.known[host] = fresh
	return fresh.ip, fresh.ip != ""
}
