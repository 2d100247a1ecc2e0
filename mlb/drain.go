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
type drainer struct {
	l    *LB
	wake chan struct{}

	mu    sync.Mutex
	index uint64
	tasks map[haproxy.Server]string // draining servers and their tasks
}

func newDrainer(l *LB) *drainer { return &drainer{l: l, wake: make(chan struct{}, 1)} }

// set tells what HAProxy does now.
func (d *drainer) set(index uint64, m *model.Model) {
	tasks := draining(m)
	d.mu.Lock()
	d.index, d.tasks = index, tasks
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// draining lists the servers that are to lose their sessions, with their tasks.
func draining(m *model.Model) map[haproxy.Server]string {
	tasks := map[haproxy.Server]string{}
	for _, s := range m.Services {
		for _, server := range s.Servers {
			if server.Draining {
				tasks[haproxy.Server{Backend: s.Name, Name: server.Name}] = server.Task
			}
		}
	}
	return tasks
}

func (d *drainer) get() (uint64, map[haproxy.Server]string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.index, d.tasks
}

// run acknowledges at once after each set, and later when the numbers have changed.
func (d *drainer) run(ctx context.Context) {
	tick := time.NewTicker(d.l.opt.DrainPoll)
	defer tick.Stop()
	var last map[string]int
	for {
		always := false
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
			always = true
		case <-tick.C:
			if len(last) == 0 {
				continue
			}
		}
		index, tasks := d.get()
		sessions, err := d.count(ctx, tasks)
		if err != nil {
			d.l.log.Warn("sessions of draining tasks not counted", "err", err)
			last = map[string]int{"": 1} // try again at the next tick
			continue
		}
		if !always && maps.Equal(sessions, last) {
			continue
		}
		last = sessions
		if err := d.l.opt.Source.Ack(ctx, api.Ack{Index: index, Sessions: sessions}); err != nil {
			d.l.log.Warn("acknowledgement not sent", "index", index, "err", err)
			last = map[string]int{"": 1}
		}
	}
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
	counts, err := d.l.opt.Proxy.Sessions(ctx, servers)
	if err != nil {
		return nil, err
	}
	sessions := map[string]int{}
	for s, n := range counts {
		if n > 0 {
			sessions[tasks[s]] += n
		}
	}
	return sessions, nil
}
