package vip

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"berth/orchestrator/api"
)

// hosts knows the addresses of agents that are listed by name. A name that could be resolved once keeps its addresses while
// it cannot be.
type hosts struct {
	resolve func(context.Context, string) ([]netip.Addr, error)
	addrs   map[string][]netip.Addr
	fresh   map[string]bool
	seen    []*api.AppInfo // sorted by id: apps whose hosts are all fresh
}

const (
	resolveTime     = 2 * time.Second
	resolveParallel = 16
	maxHosts        = 10000
)

func newHosts(resolve func(context.Context, string) ([]netip.Addr, error)) *hosts {
	return &hosts{resolve, map[string][]netip.Addr{}, map[string]bool{}, nil}
}

// expire makes the next learn ask again.
func (h *hosts) expire() {
	clear(h.fresh)
	h.seen = nil
}

// known returns a copy.
func (h *hosts) known() map[string][]netip.Addr {
	out := make(map[string][]netip.Addr, len(h.addrs))
	for k, v := range h.addrs {
		out[k] = v
	}
	return out
}

// learn resolves names it has not met in apps, which are sorted by id, and reports whether anything changed.
func (h *hosts) learn(ctx context.Context, apps []*api.AppInfo) bool {
	var names []string
	seen := h.seen
	for _, a := range apps {
		for len(seen) > 0 && seen[0] != a && seen[0].ID < a.ID {
			seen = seen[1:]
		}
		if len(seen) > 0 && seen[0] == a {
			seen = seen[1:]
			continue
		}
		for i := range a.Tasks {
			name := a.Tasks[i].Host
			if _, err := netip.ParseAddr(name); err == nil || name == "" || h.fresh[name] || len(h.fresh) >= maxHosts {
				continue
			}
			h.fresh[name] = true
			names = append(names, name)
		}
	}
	h.seen = apps
	return h.ask(ctx, names)
}

func (h *hosts) ask(ctx context.Context, names []string) (changed bool) {
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, resolveParallel)
	for _, name := range names {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, resolveTime)
			defer cancel()
			addrs, err := h.resolve(ctx, name)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(addrs) == 0 {
				delete(h.fresh, name)
				return
			}
			slices.SortFunc(addrs, netip.Addr.Compare)
			if !slices.Equal(addrs, h.addrs[name]) {
				h.addrs[name], changed = addrs, true
			}
		})
	}
	group.Wait()
	return changed
}
