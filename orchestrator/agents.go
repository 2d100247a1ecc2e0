package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// boundFor is how long ports are not offered after a task could not start because something else held one of them. It is
// longer than blockedFor: to look again costs another failed start.
const boundFor = 30 * time.Second

// uncountedDisk, in MiB, stands for a disk whose size is not known: that of a remote engine, which does not tell.
const uncountedDisk = 1 << 40

// node is what is found out about an agent while the orchestrator runs.
type node struct {
	agent *Agent
	links map[string]*link // by the kind of their drivers

	mu        sync.Mutex
	cpus, mem float64 // CPUs and MiB
}

func newNode(a *Agent) *node {
	n := &node{agent: a, links: map[string]*link{}, cpus: a.CPUs, mem: a.Mem}
	for kind, drv := range a.Drivers {
		n.links[string(kind)] = newLink(a, kind, drv)
	}
	return n
}

// total is what the agent has to give; nothing before it has been asked.
func (n *node) total() reconcile.Resources {
	n.mu.Lock()
	defer n.mu.Unlock()
	return reconcile.ResourcesOf(n.cpus, n.mem, n.agent.Disk)
}

// measure asks the agent for what its configuration leaves open.
func (n *node) measure(ctx context.Context) error {
	if n.agent.Measure == nil || n.agent.CPUs > 0 && n.agent.Mem > 0 {
		return nil
	}
	cpus, mem, err := n.agent.Measure(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.agent.CPUs == 0 {
		n.cpus = cpus
	}
	if n.agent.Mem == 0 {
		n.mem = float64(int(lessReserve(mem, memReserve)))
	}
	return nil
}

// pinger is a driver whose tasks run elsewhere, so that it may fall silent without anything breaking.
type pinger interface {
	Ping(ctx context.Context) error
}

// ping asks a driver whether it is there, within a third of the time after which it counts as unreachable. A driver that
// needs no asking always is.
func (o *Orchestrator) ping(ctx context.Context, l *link) error {
	p, ok := l.drv.(pinger)
	if !ok {
		l.heard(o.opt.Now())
		return nil
	}
	limit := o.beat()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := p.Ping(ctx)
	switch {
	case err == nil:
		l.heard(o.opt.Now())
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", limit)
	}
	return err
}

// beat is how often a silent driver is asked, and how long it has for an answer.
func (o *Orchestrator) beat() time.Duration { return min(o.opt.AgentTimeout/3, 3*time.Second) }

// heartbeat asks the driver of a session again and again, and ends the session once it has been silent for too long.
func (o *Orchestrator) heartbeat(ctx context.Context, l *link, end context.CancelCauseFunc) {
	if _, ok := l.drv.(pinger); !ok {
		return
	}
	missed := false // the last time
	for {
		pause(ctx, o.beat())
		if ctx.Err() != nil {
			return
		}
		err := o.ping(ctx, l)
		switch {
		case ctx.Err() != nil:
		case err == nil && missed:
			missed = false
			o.setLink(l, "")
			o.lookAtWaiting()
		case err == nil:
		case o.opt.Now().Sub(l.lastHeard()) >= o.opt.AgentTimeout:
			end(err)
			return
		default:
			if _, away := l.status(); away == "" {
				missed = true
				o.setLink(l, err.Error()) // no new tasks meanwhile
			}
		}
	}
}

// lose is what follows when an agent has been silent for too long. What runs there may go on and come back, so running
// tasks become TASK_UNREACHABLE; those that were starting or stopping are given up, and ended should they come back.
func (o *Orchestrator) lose(ctx context.Context, l *link) {
	if !l.lose() {
		return
	}
	o.opt.Log.Warn("agent unreachable", "agent", l.agent.ID, "driver", string(l.kind), "silent", o.opt.Now().Sub(l.lastHeard()))
	o.insist(ctx, "mark the tasks of an unreachable agent", func(tx *store.Tx) error {
		now := o.opt.Now()
		for a := range tx.Apps {
			for _, t := range a.Tasks {
				if l.owns(t) {
					o.forsake(tx, t, now)
				}
			}
		}
		return nil
	})
	o.ops.abandon(l)
	o.lookAtAll(l)
	o.lookAtEnded(l)
}

// forsake takes note that a task's agent is unreachable.
func (o *Orchestrator) forsake(tx *store.Tx, t *store.Task, now time.Time) {
	message := "agent " + t.Agent + " is unreachable"
	switch t.State {
	case api.TaskUnreachable:
	case api.TaskRunning:
		c := *t
		c.State, c.Message, c.Lost = api.TaskUnreachable, message, api.TimestampOf(now)
		o.put(tx, &c, now)
		emitState(tx, &c, now)
	default:
		o.finish(tx, t, api.TaskDropped, message+", it was lost before it ran", now)
	}
}

// expunge forgets a task on an unreachable agent. Its app is told, but not made to wait for it.
func (o *Orchestrator) expunge(tx *store.Tx, t *store.Task, now time.Time) {
	c := o.finish(tx, t, api.TaskGone, t.Message+"; it was given up", now)
	a := tx.App(t.AppID)
	if a == nil || a.Def == nil {
		return
	}
	a = a.Clone()
	a.Failure = failureOf(c)
	tx.PutApp(a)
}

// unreachable reports whether the agent of a task has been silent for too long.
func (o *Orchestrator) unreachable(t *store.Task) bool {
	l := o.link(t.Agent, t.Kind)
	return l != nil && l.isLost()
}

// boundPorts are ports of an agent that a task could not have.
type boundPorts struct {
	agent string
	ports []int
}

// bound keeps ports from being offered for a while.
func (o *Orchestrator) noteBound(agent string, ports []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bound = append(o.bound, boundPorts{agent, ports})
}
