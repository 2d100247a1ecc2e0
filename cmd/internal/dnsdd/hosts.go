package dnsdd

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// hosts looks up agents that are listed by name. Answers are kept for a minute; when a look-up fails, the last answer stays,
// because an agent does not move when DNS is down. Only a name that is new is waited for, and all new names together not longer
// than hostsPatience at a time.
type hosts struct {
	ask   func(ctx context.Context, host string) ([]netip.Addr, error)
	group sync.WaitGroup
	ctx   context.Context
	stop  context.CancelFunc

	mu    sync.Mutex
	known map[string]*hostEntry
	begun time.Time // when the present stretch of waiting began
}

type hostEntry struct {
	addrs []netip.Addr
	until time.Time
	done  chan struct{} // closed when the look-up under way has ended; nil if there is none
}

const (
	hostsGood     = time.Minute
	hostsBad      = 5 * time.Second
	hostsTimeout  = 2 * time.Second
	hostsPatience = 2 * time.Second
	maxHosts      = 100_000
)

func newHosts() *hosts {
	h := &hosts{ask: askSystem, known: map[string]*hostEntry{}}
	h.ctx, h.stop = context.WithCancel(context.Background())
	return h
}

func (h *hosts) close() {
	h.stop()
	h.group.Wait()
}

// lookup returns the addresses of a host, as far as they are known by now.
func (h *hosts) lookup(host string) []netip.Addr {
	now := time.Now()
	h.mu.Lock()
	e := h.known[host]
	if e == nil && len(h.known) >= maxHosts {
		h.mu.Unlock()
		return nil
	}
	fresh := e == nil
	if fresh {
		e = &hostEntry{}
		h.known[host] = e
	}
	if e.done == nil && now.After(e.until) {
		e.done = make(chan struct{})
		done := e.done
		h.group.Go(func() { h.refresh(host, e, done) })
	}
	done := e.done
	if now.Sub(h.begun) > 5*hostsPatience {
		h.begun = now
	}
	left := h.begun.Add(hostsPatience).Sub(now)
	h.mu.Unlock()
	if fresh && left > 0 {
		t := time.NewTimer(left)
		defer t.Stop()
		select {
		case <-done:
		case <-t.C:
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return e.addrs
}

func (h *hosts) refresh(host string, e *hostEntry, done chan struct{}) {
	ctx, cancel := context.WithTimeout(h.ctx, hostsTimeout)
	defer cancel()
	addrs, err := h.ask(ctx, host)
	h.mu.Lock()
	defer h.mu.Unlock()
	defer close(done)
	e.done, e.until = nil, time.Now().Add(hostsBad)
	if err == nil && len(addrs) > 0 {
		e.addrs, e.until = addrs, time.Now().Add(hostsGood)
	}
}

// askSystem leaves out loopback: an agent that registered under a name that means itself is nowhere else to be found by
// it.
func askSystem(ctx context.Context, host string) ([]netip.Addr, error) {
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, ip := range list {
		if ip = ip.Unmap().WithZone(""); !ip.IsLoopback() && !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out, nil
}
