package vip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"berth/vip/nft"
	"berth/vip/route"
	"berth/vip/ruleset"
)

// kernel is a table with the kernel's rules for batches.
type kernel struct {
	mu      sync.Mutex
	have    *ruleset.Ruleset
	batches int
	refuse  error // the next batch
	lose    bool  // the answer to the next batch, which is applied
}

func (k *kernel) Read() (*ruleset.Ruleset, []string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.have, nil, nil
}

func (k *kernel) Apply(b *ruleset.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refuse; err != nil {
		k.refuse = nil
		return err
	}
	next, err := ruleset.Apply(k.have, b)
	if err != nil {
		return err
	}
	k.have = next
	k.batches++
	if k.lose {
		k.lose = false
		return nft.ErrUncertain
	}
	return nil
}

func (k *kernel) Counters() (nft.Counters, error) {
	return nft.Counters{Services: map[ruleset.Key]uint64{}, Slots: map[ruleset.Slot]uint64{}}, nil
}

func (k *kernel) table() *ruleset.Ruleset {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.have
}

// host is a machine with one uplink and one bridge.
type host struct {
	mu      sync.Mutex
	touched func()
	routes  []netip.Prefix
	busy    int // times that no route can be dropped
	hairpin map[string]bool
	forgot  int
	open    []backend // connections
	facts   route.Facts
}

func newHost() *host {
	return &host{hairpin: map[string]bool{}, facts: route.Facts{Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")},
		Uplinks: []string{"eth0"}, Bridges: []route.Bridge{{Name: "br0", Filtered4: true, Filtered6: true}}}}
}

func (h *host) Look() (*route.Facts, error) { f := h.facts; return &f, nil }

func (h *host) Plan(_ *route.Facts, backends []netip.Addr) (route.Bridged, error) {
	var b route.Bridged
	for _, a := range backends {
		b.Ports = append(b.Ports, "veth-"+a.String())
	}
	return b, nil
}

func (h *host) Hairpin(port string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hairpin[port]
}

func (h *host) SetHairpin(port string, on bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hairpin[port] = on
	return nil
}

func (h *host) Prepare(*route.Facts) error { return nil }

func (h *host) DropRoutes(want []netip.Prefix) (time.Duration, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy > 0 {
		h.busy--
		return time.Millisecond, nil
	}
	h.routes = slices.DeleteFunc(h.routes, func(p netip.Prefix) bool { return !slices.Contains(want, p) })
	return 0, nil
}

func (h *host) AddRoutes(want []netip.Prefix) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range want {
		if !slices.Contains(h.routes, p) {
			h.routes = append(h.routes, p)
		}
	}
	return nil
}

func (h *host) Sessions(of func(ruleset.Key, netip.AddrPort) string) (map[string]int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := map[string]int{}
	for _, c := range h.open {
		if task := of(c.key, c.to); task != "" {
			n[task]++
		}
	}
	return n, nil
}

func (h *host) Forget(route.Match, bool, bool) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgot++
	return 1, nil
}

func (h *host) Resolve(_ context.Context, name string) ([]netip.Addr, error) {
	if name == "agent" {
		return []netip.Addr{netip.MustParseAddr("10.0.0.2")}, nil
	}
	return nil, errors.New("no such host")
}

func (h *host) Strangers(ctx context.Context, touched func()) error {
	h.mu.Lock()
	h.touched = touched
	h.mu.Unlock()
	<-ctx.Done()
	return ctx.Err()
}

func (h *host) Changes(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}
