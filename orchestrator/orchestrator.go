// Package orchestrator is the loop that turns desired into running: it takes changes from the API, keeps them in the
// store, lets reconcile decide what follows, hands that to the drivers, watches what becomes of it, and tells everybody
// who listens. Its Orchestrator is the backend of package httpapi.
//
//	Change, Kill, Ack → store → turn: reconcile.Compute → intents to the store → operations on drivers
//	                      ↑                                                            │
//	                      └──────────── task states, health reports ←──────────────────┘
package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"berth/orchestrator/driver"
	"berth/orchestrator/health"
	"berth/orchestrator/store"
)

// StateFile is the name of the state file in the data directory.
const StateFile = "state.db"

// Orchestrator runs apps on agents. Make one with New, start it with Run; until then it only reads. All methods may be
// called from many goroutines.
type Orchestrator struct {
	opt       Options
	st        *store.Store
	checks    *health.Manager
	nodes     []*node          // in the order of their configuration
	byAgent   map[string]*node // the same by id
	links     []*link          // those of all nodes
	followers *followers
	ops       *operations
	gates     *gates
	book      portBook
	load      loadBook // as of the last commit; like book it is used by whoever commits
	wake      chan struct{}

	mu      sync.Mutex
	started bool
	changes []store.Change       // committed, not looked at by the loop yet
	dirty   map[string]struct{}  // apps to look at for other reasons
	moving  map[string]struct{}  // deployments to look at
	staged  []string             // deployments to look at once their write is committed: before, nobody finds them
	waiting map[string]*waitInfo // what /v2/queue shows
	acks    map[string]struct{}  // apps for which an acknowledgement may change something
	bound   []boundPorts         // ports that turned out to be taken
}

// New checks opt, and opens the state file under opt.DataDir, which it creates if there is none. A file that another
// orchestrator holds, that is damaged or that a newer version wrote is an error that says so.
func New(opt Options) (*Orchestrator, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	o := &Orchestrator{
		opt: opt, wake: make(chan struct{}, 1), book: portBook{},
		dirty: map[string]struct{}{}, moving: map[string]struct{}{}, waiting: map[string]*waitInfo{},
		acks: map[string]struct{}{}, gates: newGates(), load: newLoadBook(opt.Agents), byAgent: map[string]*node{},
	}
	o.st, err = store.Open(filepath.Join(opt.DataDir, StateFile), store.Options{
		Cluster: opt.Name, OnCommit: o.committed, NoSync: opt.noSync, FailSave: opt.failSave,
	})
	if err != nil {
		return nil, err
	}
	for i := range opt.Agents {
		n := newNode(&opt.Agents[i])
		o.nodes = append(o.nodes, n)
		o.byAgent[n.agent.ID] = n
		o.links = slices.AppendSeq(o.links, maps.Values(n.links))
	}
	o.checks = health.New(health.Options{Report: o.probed, Exec: o.exec, Now: opt.Now, Log: opt.Log, Probe: opt.probe})
	o.followers = newFollowers(o.st.Followers(), opt.Now(), opt.ReconnectGrace)
	o.ops = newOperations(o)
	apps, _ := o.st.Apps()
	for _, a := range apps {
		o.book.add(a.Def)
		o.load.account(store.Change{New: a})
		o.changes = append(o.changes, store.Change{New: a})
	}
	for _, d := range o.st.Deployments() {
		o.moving[d.ID] = struct{}{}
	}
	return o, nil
}

// Close releases the state file of an Orchestrator that was never started; Run does it by itself.
func (o *Orchestrator) Close() error { return o.st.Close() }

// Run adopts what runs, then keeps the cluster as it was asked for until ctx ends. It returns nil after a clean stop;
// tasks keep running. It can be called once.
func (o *Orchestrator) Run(ctx context.Context) error {
	o.mu.Lock()
	again := o.started
	o.started = true
	o.mu.Unlock()
	if again {
		return errors.New("run the orchestrator: it was started before")
	}
	o.endOrphans()
	var parts sync.WaitGroup
	o.ops.begin(ctx)
	for _, l := range o.links {
		parts.Go(func() { o.follow(ctx, l) })
	}
	parts.Go(func() { _ = o.checks.Run(ctx) }) // ends with ctx, without an error
	err := o.loop(ctx)
	parts.Wait()
	o.ops.wait()
	return errors.Join(err, o.st.Close())
}

// Ready says why requests cannot be served yet, or returns nil: once every driver has been asked what runs, and at least
// one has answered.
func (o *Orchestrator) Ready() error {
	o.mu.Lock()
	started := o.started
	o.mu.Unlock()
	if !started {
		return errors.New("the orchestrator has not started")
	}
	var away error
	up := false
	for _, l := range o.links {
		switch tried, why := l.status(); {
		case !tried:
			return fmt.Errorf("agent %s: what its %s driver runs is not known yet", l.agent.ID, l.kind)
		case why == "":
			up = true
		default:
			away = fmt.Errorf("agent %s: %s: %s", l.agent.ID, l.kind, why)
		}
	}
	if up {
		return nil
	}
	return away
}

// committed is told by the store of every commit.
func (o *Orchestrator) committed(changes []store.Change) {
	if o.opt.atCommit != nil {
		o.opt.atCommit()
	}
	for _, c := range changes {
		o.load.account(c)
		if c.Old != nil && c.New != nil && c.Old.Def == c.New.Def {
			continue
		}
		if c.Old != nil {
			o.book.remove(c.Old.Def)
		}
		if c.New != nil {
			o.book.add(c.New.Def)
		}
	}
	o.mu.Lock()
	o.changes = append(o.changes, changes...)
	for _, id := range o.staged {
		o.moving[id] = struct{}{}
	}
	o.staged = nil
	o.mu.Unlock()
	o.nudge()
}

func (o *Orchestrator) nudge() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// look makes the loop look at apps although their records do not change.
func (o *Orchestrator) look(apps ...string) {
	o.mu.Lock()
	for _, id := range apps {
		o.dirty[id] = struct{}{}
	}
	o.mu.Unlock()
	o.nudge()
}

// lookAtWaiting makes the loop look at every app that waits for room.
func (o *Orchestrator) lookAtWaiting() {
	o.mu.Lock()
	for id := range o.waiting {
		o.dirty[id] = struct{}{}
	}
	o.mu.Unlock()
	o.nudge()
}

// node finds what is known of an agent by its id, or nil.
func (o *Orchestrator) node(id string) *node { return o.byAgent[id] }

// agent finds an agent by its id, or nil.
func (o *Orchestrator) agent(id string) *Agent {
	if n := o.byAgent[id]; n != nil {
		return n.agent
	}
	return nil
}

// link finds the driver that a task belongs to, or nil.
func (o *Orchestrator) link(agent, kind string) *link {
	if n := o.byAgent[agent]; n != nil {
		return n.links[kind]
	}
	return nil
}

func (o *Orchestrator) exec(ctx context.Context, taskID, command string) (driver.ExecResult, error) {
	_, t := o.st.Task(taskID)
	if t == nil {
		return driver.ExecResult{}, driver.ErrNotFound
	}
	l := o.link(t.Agent, t.Kind)
	if l == nil {
		return driver.ExecResult{}, driver.ErrNotFound
	}
	return l.drv.Exec(ctx, taskID, command)
}
