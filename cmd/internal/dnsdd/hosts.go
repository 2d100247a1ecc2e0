package dnsdd

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// hosts looks up agents and orchestrators that are listed by name. Answers are asked for again every minute; when a look-up
// fails, the last answer stays, because an agent does not move when DNS is down. Only a name that is new is waited for, and all
// new names together not longer than hostsPatience at a time; who came too late for that is told by run.
type hosts struct {
	ask func(ctx context.Context, host string) ([]netip.Addr, error)

	group sync.WaitGroup
	ctx   context.Context
	stop  context.CancelFunc
	slots chan struct{} // a token for each look-up under way

	mu    sync.Mutex
	known map[string]*hostEntry
	begun time.Time // when the present stretch of waiting began
	moved map[string]bool
	wake  chan struct{}
}

type hostEntry struct {
	addrs  []netip.Addr
	told   []netip.Addr // what lookup returned last
	until  time.Time
	failed time.Time     // since when look-ups fail; zero if the last one did not
	done   chan struct{} // closed when the look-up under way has ended; nil if there is none
}

const (
	hostsGood     = time.Minute
	hostsBad      = 5 * time.Second
	hostsTimeout  = 2 * time.Second
	hostsPatience = 2 * time.Second
	hostsForget   = time.Hour // a name that has failed for so long is asked for only when somebody wants it
	hostsAtOnce   = 32        // look-ups
	maxHosts      = 100_000
)

func newHosts() *hosts {
	h := &hosts{
		ask: askSystem, known: map[string]*hostEntry{}, slots: make(chan struct{}, hostsAtOnce), moved: map[string]bool{},
		wake: make(chan struct{}, 1),
	}
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
	done := h.begin(host, e, now)
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
	e.told = e.addrs
	return e.addrs
}

// begin starts a look-up of a host if one is due, and returns the channel that is closed when the one under way has ended. h.mu
// is held.
func (h *hosts) begin(host string, e *hostEntry, now time.Time) <-chan struct{} {
	if e.done == nil && !now.Before(e.until) {
		done := make(chan struct{})
		e.done = done
		h.group.Go(func() { h.refresh(host, e, done) })
	}
	return e.done
}

func (h *hosts) refresh(host string, e *hostEntry, done chan struct{}) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-h.ctx.Done():
	}
	ctx, cancel := context.WithTimeout(h.ctx, hostsTimeout)
	defer cancel()
	addrs, err := h.ask(ctx, host)
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	defer close(done)
	e.done, e.until = nil, now.Add(hostsBad)
	if err != nil || len(addrs) == 0 {
		if e.failed.IsZero() {
			e.failed = now
		}
		return
	}
	e.addrs, e.until, e.failed = addrs, now.Add(hostsGood), time.Time{}
	if !slices.Equal(addrs, e.told) {
		h.moved[host] = true
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
}

// run asks again for all names that are due, and calls tell with those whose addresses are not what lookup said last.
func (h *hosts) run(ctx context.Context, tell func(hosts ...string)) {
	tick := time.NewTicker(hostsBad)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			h.due(time.Now())
		case <-h.wake:
			if list := h.takeMoved(); len(list) > 0 {
				tell(list...)
			}
		}
	}
}

// due starts the look-ups that are due.
func (h *hosts) due(now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for host, e := range h.known {
		if !e.failed.IsZero() && now.Sub(e.failed) > hostsForget {
			delete(h.known, host)
			continue
		}
		h.begin(host, e, now)
	}
}

func (h *hosts) takeMoved() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for host := range h.moved {
		if e := h.known[host]; e != nil && !slices.Equal(e.addrs, e.told) {
			out = append(out, host)
		}
	}
	clear(h.moved)
	slices.Sort(out)
	return out
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
