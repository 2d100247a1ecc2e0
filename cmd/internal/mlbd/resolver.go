package mlbd

import (
	"context"
	"net"
	"sync"
	"time"
)

// resolver looks host names of agents up. Answers are kept for a minute, failures for five seconds; after that they go on
// being used while they are asked for again in the background: an agent does not vanish because DNS does, and a slow DNS
// server slows no change down. Only a name that was never seen is waited for, and all such names together not longer than
// patience in any ten seconds. It is safe for concurrent use.
type resolver struct {
	patience time.Duration
	changed  func(host string) // an address that was given out is no longer right; nil ignores it
	ask      func(ctx context.Context, host string) (string, bool)

	ctx   context.Context // of the look-ups; ended by close
	stop  context.CancelFunc
	group sync.WaitGroup
	slots chan struct{}

	mu     sync.Mutex
	known  map[string]answer
	busy   map[string]chan struct{} // closed when the look-up has ended
	waited time.Time                // when the present stretch of waiting began
}

type answer struct {
	ip    string
	until time.Time
}

const (
	maxNames    = 100_000
	goodFor     = time.Minute
	badFor      = 5 * time.Second
	lookupTime  = 2 * time.Second
	lookupsOnce = 32 // under way at one time
	waitStretch = 10 * time.Second

	patience     = 500 * time.Millisecond // of the daemon
	patienceOnce = 5 * time.Second        // of a command that has only one chance
)

func newResolver(patience time.Duration, changed func(host string)) *resolver {
	r := &resolver{
		patience: patience, changed: changed, ask: askDNS, slots: make(chan struct{}, lookupsOnce),
		known: map[string]answer{}, busy: map[string]chan struct{}{},
	}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// close ends the look-ups that are under way.
func (r *resolver) close() {
	r.stop()
	r.group.Wait()
}

func (r *resolver) lookup(host string) (string, bool) {
	now := time.Now()
	r.mu.Lock()
	a, seen := r.known[host]
	if seen && now.Before(a.until) {
		r.mu.Unlock()
		return a.ip, a.ip != ""
	}
	done := r.refresh(host)
	if now.Sub(r.waited) > waitStretch {
		r.waited = now
	}
	left := r.waited.Add(r.patience).Sub(now)
	r.mu.Unlock()
	if !seen && left > 0 {
		t := time.NewTimer(left)
		defer t.Stop()
		select {
		case <-done:
		case <-t.C:
		}
		r.mu.Lock()
		a = r.known[host]
		r.mu.Unlock()
	}
	return a.ip, a.ip != ""
}

// refresh starts a look-up unless one is under way. r.mu is held.
func (r *resolver) refresh(host string) <-chan struct{} {
	if done, ok := r.busy[host]; ok {
		return done
	}
	done := make(chan struct{})
	r.busy[host] = done
	r.group.Go(func() {
		defer close(done)
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		case <-r.ctx.Done():
		}
		ip, ok := r.ask(r.ctx, host)
		if r.store(host, ip, ok) && r.changed != nil && r.ctx.Err() == nil {
			r.changed(host)
		}
	})
	return done
}

// store keeps an answer and reports whether it differs from one that was given out before.
func (r *resolver) store(host, ip string, ok bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, host)
	old, seen := r.known[host]
	if len(r.known) >= maxNames {
		clear(r.known)
	}
	if !ok {
		r.known[host] = answer{ip: old.ip, until: time.Now().Add(badFor)}
		return false
	}
	r.known[host] = answer{ip: ip, until: time.Now().Add(goodFor)}
	return !seen || old.ip != ip
}

func askDNS(ctx context.Context, host string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip4", host)
	if err != nil || len(ips) == 0 {
		return "", false
	}
	return ips[0].String(), true
}
