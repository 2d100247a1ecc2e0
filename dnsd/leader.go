package dnsd

import (
	"context"
	"maps"
	"time"
)

// maxLeader bounds a leader's host:port in bytes.
const maxLeader = 300

// watchLeader asks the source now and then who leads.
func (d *Daemon) watchLeader(ctx context.Context) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		next := d.o.LeaderEvery
		if !d.askLeader(ctx) {
			next = min(next, time.Second)
		}
		wait.Reset(next)
	}
}

// askLeader reports whether the source answered.
func (d *Daemon) askLeader(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, f := range d.others {
		if info, err := f.Source.Info(ctx); err == nil && len(info.Leader) <= maxLeader && info.Leader != "" {
			d.setLeaderOf(f.Name, info.Leader)
		}
	}
	info, err := d.o.Source.Info(ctx)
	if err != nil {
		return false // the watch says so
	}
	if len(info.Leader) > maxLeader || info.Leader == "" {
		return true
	}
	d.setLeader(info.Leader)
	d.keep()
	return true
}

func (d *Daemon) setLeader(leader string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if leader == d.infra.Leader {
		return
	}
	d.infra.Leader = leader
	d.builder.SetInfra(d.infra)
	d.update(time.Now())
}

func (d *Daemon) setLeaderOf(framework, leader string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.infra.Leaders[framework] == leader {
		return
	}
	leaders := maps.Clone(d.infra.Leaders) // the builder has the old one
	if leaders == nil {
		leaders = map[string]string{}
	}
	leaders[framework] = leader
	d.infra.Leaders = leaders
	d.builder.SetInfra(d.infra)
	d.update(time.Now())
}
