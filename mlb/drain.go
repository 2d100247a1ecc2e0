package mlb

import (
	"context"
	"maps"
	"sync"
	"time"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/orchestrator/api"
)

// drainer acknowledges what HAProxy does by now, and goes on counting the sessions of draining tasks until there are none.
//
// A server that has left the configuration, with its app or because the app's port changed, may still have sessions on an
// old worker. It is counted like a draining one until it has none.
type drainer struct {
	l    *LB
	wake chan struct{}

	mu    sync.Mutex
	index uint64
	model *model.Model              // in force
	tasks map[haproxy.Server]string // draining servers and their tasks
	gone  map[haproxy.Server]string // servers that left the configuration
}

func newDrainer(l *LB) *drainer {
	return &drainer{l: l, wake: make(chan struct{}, 1), gone: map[haproxy.Server]string{}}
}

// set tells what HAProxy does now.
func (d *drainer) set(index uint64, m *model.Model) {
	d.mu.Lock()
	d.follow(m)
	d.index, d.model = index, m
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// follow brings tasks and gone in line with the next model: the servers that are not in it have gone, unless they come back.
// Services that did not change are the same pointers, in the same order. The caller holds mu.
func (d *drainer) follow(to *model.Model) {
	var old []*model.Service
	if d.model != nil {
		old = d.model.Services
	}
	now := to.Services
	next := maps.Clone(d.tasks) // it may have been handed out
	if next == nil {
		next = map[haproxy.Server]string{}
	}
	d.tasks = next
	for len(old) > 0 || len(now) > 0 {
		switch order := compareHeads(old, now); {
		case order < 0:
			d.leave(old[0])
			old = old[1:]
		case order > 0:
			d.stay(now[0])
			now = now[1:]
		default:
			if old[0] != now[0] {
				d.leave(old[0])
				d.stay(now[0])
			}
			old, now = old[1:], now[1:]
		}
	}
}

// compareHeads orders the first of two sorted lists; an empty one comes last.
func compareHeads(a, b []*model.Service) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return model.Compare(a[0], b[0])
}

func (d *drainer) leave(s *model.Service) {
	for i := range s.Servers {
		server := haproxy.Server{Backend: s.Name, Name: s.Servers[i].Name}
		d.gone[server] = s.Servers[i].Task
		delete(d.tasks, server)
	}
}

func (d *drainer) stay(s *model.Service) {
	for i := range s.Servers {
		server := haproxy.Server{Backend: s.Name, Name: s.Servers[i].Name}
		delete(d.gone, server)
		if s.Servers[i].Draining {
			d.tasks[server] = s.Servers[i].Task
		}
	}
}

// get returns the servers to count.
func (d *drainer) get() (uint64, map[haproxy.Server]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.gone) == 0 {
		return d.index, d.tasks
	}
	all := maps.Clone(d.gone)
	maps.Copy(all, d.tasks)
	return d.index, all
}

// forget drops servers that left the configuration and have no sessions.
func (d *drainer) forget(counts map[haproxy.Server]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.gone, func(s haproxy.Server, _ string) bool { return counts[s] == 0 })
}

// countTime bounds one count: a worker that does not answer must not hold up acknowledgements.
const countTime = time.Second

// run acknowledges at once after each set, and later when the numbers have changed.
func (d *drainer) run(ctx context.Context) {
	tick := time.NewTicker(d.l.opt.DrainPoll)
	defer tick.Stop()
	var last map[string]int
	again := false
	for {
		fresh := false
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
			fresh = true
		case <-tick.C:
			if len(last) == 0 && !again {
				continue
			}
		}
		index, tasks := d.get()
		sessions, err := d.count(ctx, tasks)
		if again = err != nil; again { // as while HAProxy 2.6 reloads: its master does not answer then
			d.l.log.Warn("sessions of draining tasks not counted", "err", err)
			sessions = assumed(last, tasks)
		}
		if !fresh && !again && maps.Equal(sessions, last) {
			continue
		}
		last = sessions
		if err := d.l.opt.Source.Ack(ctx, api.Ack{Index: index, Sessions: sessions}); err != nil {
			d.l.log.Warn("acknowledgement not sent", "index", index, "err", err)
			again = true
		}
	}
}

// assumed are the sessions when they cannot be counted: what was counted last, and one of each other task, which may have
// some. A task that is taken for idle is stopped.
func assumed(last map[string]int, tasks map[haproxy.Server]string) map[string]int {
	sessions := map[string]int{}
	for _, task := range tasks {
		sessions[task] = max(1, last[task])
	}
	return sessions
}

// count sums up sessions by task; tasks without any are left out.
func (d *drainer) count(ctx context.Context, tasks map[haproxy.Server]string) (map[string]int, error) {
	if len(tasks) == 0 {
		return nil, nil
	}
	servers := make([]haproxy.Server, 0, len(tasks))
	for s := range tasks {
		servers = append(servers, s)
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	counts, err := d.l.opt.Proxy.Sessions(ctx, servers)
	if err != nil {
		return nil, err
	}
	d.forget(counts)
	sessions := map[string]int{}
	for s, n := range counts {
		if n > 0 {
			sessions[tasks[s]] += n
		}
	}
	return sessions, nil
}
