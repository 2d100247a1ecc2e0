package orchestrator

import (
	"context"
	"maps"
	"slices"
	"time"

	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// blockedFor is how long a port that something else uses is not offered.
const blockedFor = 5 * time.Second

// retryWrite is how long the loop waits after a write that failed, so as not to hammer a disk that is full.
const retryWrite = time.Second

// loop is what one goroutine keeps between turns: an index of what is used, and when to look at what.
type loop struct {
	o       *Orchestrator
	agents  []reconcile.Agent
	used    loadBook
	blocked map[string]map[int]time.Time
	wakes   wakes
	steps   map[string]map[string]int // deployment → app → its step, from 1
	turns   uint64
	retry   time.Time
}

// loop turns until ctx ends.
func (o *Orchestrator) loop(ctx context.Context) error {
	l := newLoop(o)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-o.wake:
		}
		l.turn()
		timer.Reset(l.next())
	}
}

func newLoop(o *Orchestrator) *loop {
	l := &loop{
		o: o, used: newLoadBook(o.opt.Agents), blocked: map[string]map[int]time.Time{},
		wakes: wakes{at: map[string]*wake{}}, steps: map[string]map[string]int{},
	}
	for i := range o.opt.Agents {
		a := &o.opt.Agents[i]
		l.blocked[a.ID] = map[int]time.Time{}
		l.agents = append(l.agents, o.agentState(a, l.used[a.ID]))
	}
	return l
}

// turn looks at every app that may have something to do, and does it.
func (l *loop) turn() {
	o := l.o
	now := o.opt.Now()
	l.turns++
	dirty, moving := l.collect(now)
	l.wakes.due(now, dirty)
	if now.Before(l.retry) {
		o.requeue(dirty, moving)
		return
	}
	stuck := o.progress(moving, dirty)
	o.overdue(now, stuck)
	if len(stuck) > 0 {
		l.retry = now.Add(retryWrite)
		o.requeue(nil, stuck)
	}
	o.retire(now)
	if len(dirty) == 0 {
		return
	}
	ids := slices.Sorted(maps.Keys(dirty))
	records := make(map[string]*store.App, len(ids))
	in := l.input(ids, records, now)
	plan := l.probedPlan(in)
	l.remember(ids, plan, now)
	o.gates.passed(plan, records, now)
	if err := l.apply(plan, records, now); err != nil {
		o.opt.Log.Error("store a plan", "error", err)
		l.retry = now.Add(retryWrite)
		o.requeue(dirty, nil)
	}
}

// requeue puts apps and deployments back that could not be served.
func (o *Orchestrator) requeue(dirty, moving map[string]struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.Copy(o.dirty, dirty)
	maps.Copy(o.moving, moving)
}

// collect takes in what was committed since the last turn.
func (l *loop) collect(now time.Time) (dirty, moving map[string]struct{}) {
	o := l.o
	if names := o.followers.expire(now); names != nil {
		o.keepFollowers(names)
		o.lookAtAcks()
	}
	if l.unblock(now) {
		o.lookAtWaiting()
	}
	o.mu.Lock()
	changes := o.changes
	dirty, moving = o.dirty, o.moving
	o.changes, o.dirty, o.moving = nil, map[string]struct{}{}, map[string]struct{}{}
	o.mu.Unlock()
	for id := range moving {
		if d := o.st.Deployment(id); d != nil {
			o.gates.began(d)
		}
	}
	freed := false
	for _, c := range changes {
		freed = l.used.account(c) || freed
		o.gates.changed(c)
		o.watchHealth(c)
		if relevant(c) {
			dirty[idOf(c)] = struct{}{}
			for _, a := range []*store.App{c.Old, c.New} {
				if a != nil && a.Deployment != "" {
					moving[a.Deployment] = struct{}{}
				}
			}
		}
	}
	if freed {
		o.mu.Lock()
		for id := range o.waiting {
			dirty[id] = struct{}{}
		}
		o.mu.Unlock()
	}
	return dirty, moving
}

func idOf(c store.Change) string {
	if c.New != nil {
		return c.New.ID
	}
	return c.Old.ID
}

func living(a *store.App) map[string]*store.Task {
	if a == nil {
		return nil
	}
	m := make(map[string]*store.Task, len(a.Tasks))
	for _, t := range a.Tasks {
		m[t.ID] = t
	}
	return m
}

// relevant reports whether a change can make a difference to a plan. Most results of health checks cannot.
func relevant(c store.Change) bool {
	a, b := c.Old, c.New
	if a == nil || b == nil || a.Def != b.Def || a.Backoff != b.Backoff || a.Deployment != b.Deployment ||
		len(a.Tasks) != len(b.Tasks) || len(a.Ended) != len(b.Ended) {
		return true
	}
	for i, t := range b.Tasks {
		was := a.Tasks[i]
		if was == t {
			continue
		}
		if was.ID != t.ID || was.State != t.State || was.GoodIndex != t.GoodIndex || was.Kill != t.Kill ||
			healthy(was) != healthy(t) || was.Ready != t.Ready {
			return true
		}
	}
	return false
}

// remember keeps what a plan says besides what to do now.
func (l *loop) remember(ids []string, plan *reconcile.Plan, now time.Time) {
	o := l.o
	for _, id := range ids {
		l.wakes.forget(id)
	}
	for _, w := range plan.Wakes {
		l.wakes.set(w.App, w.At)
	}
	used := map[string]bool{}
	for _, s := range plan.Starts {
		used[s.App] = true
	}
	waiting := map[string]reconcile.Waiting{}
	for _, w := range plan.Waiting {
		waiting[w.App] = w
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		delete(o.acks, id)
		w, ok := waiting[id]
		if !ok {
			delete(o.waiting, id)
			continue
		}
		info := o.waiting[id]
		if info == nil {
			info = &waitInfo{since: now}
			o.waiting[id] = info
		}
		info.update(w, used[id], now)
	}
	for _, id := range plan.Acks {
		o.acks[id] = struct{}{}
	}
}

// next is how long the loop may sleep.
func (l *loop) next() time.Duration {
	now := l.o.opt.Now()
	at := now.Add(time.Hour)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	earlier(l.wakes.next())
	if l.retry.After(now) {
		earlier(l.retry)
	}
	earlier(l.o.followers.nextExpiry())
	for _, d := range l.o.st.Deployments() {
		earlier(d.Deadline.Time())
	}
	for _, ports := range l.blocked {
		for _, until := range ports {
			earlier(until)
		}
	}
	return max(at.Sub(now), 0)
}
