package orchestrator

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/store"
)

// How long a link that broke waits before it is tried again.
const (
	relinkFirst = 100 * time.Millisecond
	relinkMax   = 5 * time.Second
)

// link is the connection to one driver of one agent.
type link struct {
	agent  *Agent
	kind   driver.Kind
	drv    driver.Driver
	relist chan struct{} // asks for a new List while the watch goes on
	stops  *slots

	mu       sync.Mutex
	tried    bool             // the driver has been asked once
	adopted  bool             // and has answered once
	away     string           // why it does not answer; "" while it does
	answered time.Time        // the last time it did
	lost     bool             // it has been silent for too long
	removing map[string][]int // tasks that nobody counts and that are being ended → their host ports
}

func newLink(a *Agent, kind driver.Kind, drv driver.Driver) *link {
	return &link{
		agent: a, kind: kind, drv: drv, relist: make(chan struct{}, 1), stops: newSlots(maxStops, maxStopsPerApp),
		away: "it has not answered yet", removing: map[string][]int{},
	}
}

func (l *link) status() (tried bool, away string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tried, l.away
}

// set keeps whether the driver answers, and returns the type of the event that tells of a change, or "".
func (l *link) set(away string) (told string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case away == "" && !l.adopted:
		told = api.EventSchedulerRegistered
	case away == "" && l.away != "":
		told = api.EventSchedulerReregistered
	case away != "" && l.adopted && l.away == "":
		told = api.EventSchedulerDisconnected
	}
	l.tried, l.away = true, away
	l.adopted = l.adopted || away == ""
	return told
}

// heard notes that the driver answered.
func (l *link) heard(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered = now
}

func (l *link) lastHeard() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered
}

// lose makes the link a lost one; it reports false if it is one already.
func (l *link) lose() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.lost
	l.lost = true
	return !was
}

// found ends lose; it reports false if the link was not lost.
func (l *link) found() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.lost
	l.lost = false
	return was
}

func (l *link) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// known reports whether it is known what became of the tasks: the driver was asked, or is given up for now.
func (l *link) known() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.adopted || l.lost
}

// hold keeps the ports of a task that nobody counts until it is gone.
func (l *link) hold(task string, ports []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removing[task] = ports
}

// settle releases the tasks that ended while nobody looked.
func (l *link) settle(found map[string]driver.Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for task := range l.removing {
		if s, ok := found[task]; !ok || s.State.Final() {
			delete(l.removing, task)
		}
	}
}

// release reports whether there was something to release.
func (l *link) release(task string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, held := l.removing[task]
	delete(l.removing, task)
	return held
}

// heldPorts calls yield with each port of a task that is being ended without being counted.
func (l *link) heldPorts(yield func(int) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ports := range l.removing {
		for _, p := range ports {
			if !yield(p) {
				return
			}
		}
	}
}

// setLink keeps whether a driver answers, and tells the followers when that changes: Marathon speaks of its one link to
// Mesos, Berth of each agent's.
func (o *Orchestrator) setLink(l *link, away string) {
	if told := l.set(away); told != "" {
		o.st.Publish(event(told, o.opt.Now(), "", fields{"frameworkId": frameworkID, "master": l.agent.ID}))
	}
}

func (l *link) askAgain() {
	select {
	case l.relist <- struct{}{}:
	default:
	}
}

func (l *link) owns(t *store.Task) bool { return t.Agent == l.agent.ID && t.Kind == string(l.kind) }

// follow keeps the link up until ctx ends.
func (o *Orchestrator) follow(ctx context.Context, l *link) {
	log := o.opt.Log.With("agent", l.agent.ID, "driver", string(l.kind))
	l.heard(o.opt.Now()) // the time it has for its first answer begins
	for wait := relinkFirst; ctx.Err() == nil; wait = min(wait*2, relinkMax) {
		began := o.opt.Now()
		err := o.session(ctx, l)
		if ctx.Err() != nil {
			return
		}
		o.setLink(l, err.Error())
		o.lookAtWaiting()
		log.Warn("the driver does not answer", "error", err)
		if o.opt.Now().Sub(began) > relinkMax {
			wait = relinkFirst
		}
		left := o.opt.AgentTimeout - o.opt.Now().Sub(l.lastHeard())
		if left <= 0 {
			o.lose(ctx, l)
			left = wait
		}
		pause(ctx, min(wait, left))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// session watches first and lists second, so that nothing is missed in between, and then takes in what is watched.
func (o *Orchestrator) session(ctx context.Context, l *link) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var beats sync.WaitGroup
	defer beats.Wait()
	defer cancel(nil)
	if err := o.ping(ctx, l); err != nil {
		return err
	}
	beats.Go(func() { o.heartbeat(ctx, l, cancel) })
	if err := o.node(l.agent.ID).measure(ctx); err != nil {
		return causeOf(ctx, err)
	}
	states, err := l.drv.Watch(ctx)
	if err != nil {
		return err
	}
	if err := o.list(ctx, l); err != nil {
		return causeOf(ctx, err)
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case s, ok := <-states:
			if !ok {
				return errors.New("the connection was lost")
			}
			arrived := drainStates(s, states)
			o.settleAll(ctx, arrived)
			if o.undead(arrived) {
				l.askAgain()
			}
		case <-l.relist:
			if err := o.list(ctx, l); err != nil {
				return causeOf(ctx, err)
			}
		}
	}
}

// causeOf prefers why a session was ended to what its calls made of it.
func causeOf(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// drainStates collects what has arrived together, so that it is stored together.
func drainStates(first driver.Status, more <-chan driver.Status) []driver.Status {
	out := []driver.Status{first}
	for len(out) < 256 {
		select {
		case s, ok := <-more:
			if !ok {
				return out
			}
			out = append(out, s)
		default:
			return out
		}
	}
	return out
}

// settleAll stores what a driver said. It will not say so again, so a write that fails is repeated until ctx ends.
func (o *Orchestrator) settleAll(ctx context.Context, states []driver.Status) {
	write := func(tx *store.Tx) error {
		for _, s := range states {
			o.settle(tx, s, o.opt.Now())
		}
		return nil
	}
	if !slices.ContainsFunc(states, func(s driver.Status) bool { return s.State != api.TaskStaging }) {
		if err := o.st.Note(write); err != nil { // progress of starting
			o.opt.Log.Error("note task states", "error", err)
		}
		return
	}
	o.insist(ctx, "store task states", write)
}

// insist repeats a write until it is stored, the store is closed, or ctx ends.
func (o *Orchestrator) insist(ctx context.Context, what string, write func(*store.Tx) error) {
	for {
		_, err := o.st.Update(write)
		if err == nil || errors.Is(err, store.ErrClosed) {
			return
		}
		o.opt.Log.Error(what, "error", err)
		if pause(ctx, retryWrite); ctx.Err() != nil {
			return
		}
	}
}

// undead reports whether one of the tasks lives although it has ended, or is forgotten, as far as the store knows.
func (o *Orchestrator) undead(states []driver.Status) bool {
	return slices.ContainsFunc(states, func(s driver.Status) bool {
		_, t := o.st.Task(s.TaskID)
		return !s.State.Final() && (t == nil || t.State.Final())
	})
}

// list compares what the driver runs with what the store knows.
func (o *Orchestrator) list(ctx context.Context, l *link) error {
	known := o.livingOn(l)
	listed, err := l.drv.List(ctx)
	if err != nil {
		return err
	}
	back := l.found() // before anything is judged: from now on nothing there is given up any more
	found := make(map[string]driver.Status, len(listed))
	for _, s := range listed {
		found[s.TaskID] = s
	}
	a := &adoption{o: o, link: l, back: back}
	for _, t := range known {
		s, ok := found[t.ID]
		a.judge(t, s, ok)
	}
	for _, s := range listed {
		a.stray(s)
	}
	if err := a.store(); err != nil {
		return err
	}
	l.settle(found)
	a.hold()
	o.setLink(l, "")
	a.act()
	o.lookAtAll(l)
	return nil
}

// livingOn returns the living tasks of a link.
func (o *Orchestrator) livingOn(l *link) []*store.Task {
	var out []*store.Task
	apps, _ := o.st.Apps()
	for _, a := range apps {
		for _, t := range a.Tasks {
			if l.owns(t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// lookAtAll makes the loop look at every app that has tasks on a link, and at all that wait.
func (o *Orchestrator) lookAtAll(l *link) {
	seen := map[string]bool{}
	for _, t := range o.livingOn(l) {
		seen[t.AppID] = true
	}
	ids := make([]string, 0, len(seen))
	for id := range seen {
		ids = append(ids, id)
	}
	o.look(ids...)
	o.lookAtWaiting()
}

// lookAtEnded makes the loop look at every app that has ended tasks on a link: their remains can be forgotten.
func (o *Orchestrator) lookAtEnded(l *link) {
	apps, _ := o.st.Apps()
	for _, a := range apps {
		if slices.ContainsFunc(a.Ended, l.owns) {
			o.look(a.ID)
		}
	}
}
