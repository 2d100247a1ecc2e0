package orchestrator

import (
	"context"
	"errors"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/hostport"
	"berth/orchestrator/store"
)

// Bounds on calls to drivers: those that start tasks, in all and of one app, so that its slow image holds up nobody else;
// and those that stop or remove tasks, for each driver, and of one app, whose tasks may use up their grace time.
const (
	maxStarts       = 256
	maxStartsPerApp = 8
	maxStops        = 256
	maxStopsPerApp  = 64
)

// How long a failed stop or removal waits before it is tried again.
const (
	retryFirst = time.Second
	retryMax   = 5 * time.Second
)

// slow is the time a call to a driver may take over what it was told to wait.
const slow = 30 * time.Second

// operations are the calls to drivers under way, at most one for each task.
type operations struct {
	o      *Orchestrator
	ctx    context.Context
	starts *slots
	all    sync.WaitGroup

	mu     sync.Mutex
	byTask map[string]*operation
}

type operation struct {
	link     *link
	cancel   context.CancelFunc
	done     chan struct{}
	stopping bool
	queued   bool // a start that waits for its turn
	refused  bool // another one was asked for meanwhile
}

func newOperations(o *Orchestrator) *operations {
	return &operations{o: o, starts: newSlots(maxStarts, maxStartsPerApp), byTask: map[string]*operation{}}
}

// begin sets the context that ends all operations.
func (p *operations) begin(ctx context.Context) { p.ctx = ctx }

func (p *operations) wait() { p.all.Wait() }

// active reports whether a call concerning the task is under way.
func (p *operations) active(task string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byTask[task] != nil
}

// stopping reports whether the task's stop is under way.
func (p *operations) stopping(task string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	op := p.byTask[task]
	return op != nil && op.stopping
}

// queued reports whether the task's start waits for its turn.
func (p *operations) queued(task string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	op := p.byTask[task]
	return op != nil && op.queued
}

func (p *operations) dequeue(task string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if op := p.byTask[task]; op != nil {
		op.queued = false
	}
}

// run makes fn the task's operation. What is under way for it is cancelled first, and fn waits for its end. A second stop,
// or a start beside anything, is left out; the loop looks at the app again once the first has ended.
func (p *operations) run(l *link, task string, stopping bool, fn func(ctx context.Context)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.byTask[task]
	if before != nil && (before.stopping || !stopping) {
		before.refused = true
		return
	}
	ctx, cancel := context.WithCancel(p.ctx)
	op := &operation{link: l, cancel: cancel, done: make(chan struct{}), stopping: stopping, queued: !stopping}
	p.byTask[task] = op
	p.all.Go(func() {
		defer cancel()
		if before != nil {
			before.cancel()
			<-before.done
		}
		fn(ctx)
		p.mu.Lock()
		if p.byTask[task] == op {
			delete(p.byTask, task)
		}
		refused := op.refused
		p.mu.Unlock()
		close(op.done)
		if refused {
			p.o.look(store.AppOfTask(task))
		}
	})
}

// start launches a task whose record is stored.
func (p *operations) start(l *link, t *store.Task) {
	p.run(l, t.ID, false, func(ctx context.Context) {
		release, err := p.starts.take(ctx, t.AppID)
		if err != nil {
			return
		}
		defer release()
		p.dequeue(t.ID)
		spec := driver.Spec{TaskID: t.ID, App: t.Def, Host: t.Host, AgentIP: t.IP, Ports: t.Ports}
		spec.Env = Environment(spec, p.o.opt.EnvPrefix)
		err = l.drv.Start(ctx, spec)
		switch {
		case ctx.Err() != nil:
			// Whoever cancelled deals with the task: its stop, or the next orchestrator.
		case err != nil:
			if errors.Is(err, hostport.ErrBound) {
				p.o.noteBound(t.Agent, t.Ports)
			}
			p.o.settleAll(ctx, []driver.Status{{TaskID: t.ID, State: api.TaskError, Message: err.Error()}})
		default:
			p.all.Go(func() { p.confirm(l, t.ID) })
		}
	})
}

// confirm makes sure that a task that was started is seen running: the word of it may have been lost on the way.
func (p *operations) confirm(l *link, task string) {
	pause(p.ctx, time.Second)
	if p.ctx.Err() != nil {
		return
	}
	if _, t := p.o.st.Task(task); t != nil && (t.State == api.TaskStaging || t.State == api.TaskStarting) {
		l.askAgain()
	}
}

// stop ends a task, again and again until it is gone.
func (p *operations) stop(l *link, t *store.Task) {
	p.run(l, t.ID, true, func(ctx context.Context) {
		grace := p.o.grace(t.Def)
		p.retry(ctx, l, "stop a task", t.ID, func() error {
			ctx, cancel := context.WithTimeout(ctx, grace+slow)
			defer cancel()
			return l.drv.Stop(ctx, t.ID, grace)
		})
		if ctx.Err() == nil {
			p.o.settleAll(ctx, []driver.Status{{TaskID: t.ID, State: api.TaskKilled}})
			p.released(l, t.ID)
		}
	})
}

// remove deletes what is left of an ended task, and then its record.
func (p *operations) remove(l *link, app, task string) {
	p.run(l, task, true, func(ctx context.Context) {
		p.retry(ctx, l, "remove a task", task, func() error {
			ctx, cancel := context.WithTimeout(ctx, slow)
			defer cancel()
			return l.drv.Remove(ctx, task)
		})
		if ctx.Err() == nil {
			p.o.insist(ctx, "forget a task", forget(app, task))
		}
	})
}

// cleanUp stops and removes what should not be there, and then calls done.
func (p *operations) cleanUp(l *link, task string, done func()) {
	p.run(l, task, true, func(ctx context.Context) {
		p.retry(ctx, l, "remove a stray", task, func() error {
			ctx, cancel := context.WithTimeout(ctx, p.o.opt.KillGrace+slow)
			defer cancel()
			if err := l.drv.Stop(ctx, task, p.o.opt.KillGrace); err != nil && !errors.Is(err, driver.ErrNotFound) {
				return err
			}
			return l.drv.Remove(ctx, task)
		})
		if ctx.Err() == nil {
			done()
			p.released(l, task)
		}
	})
}

// released gives the ports of a task that nobody counted back.
func (p *operations) released(l *link, task string) {
	if l.release(task) {
		p.o.lookAtWaiting()
	}
}

// abandon cancels what is under way on a link: nobody there answers.
func (p *operations) abandon(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, op := range p.byTask {
		if op.link == l {
			op.cancel()
		}
	}
}

// retry calls fn, each time when there is room for it, until it succeeds, the driver says that there is no such task, or
// ctx ends.
func (p *operations) retry(ctx context.Context, l *link, what, task string, fn func() error) {
	for wait := retryFirst; ; wait = min(wait*2, retryMax) {
		release, err := l.stops.take(ctx, store.AppOfTask(task))
		if err != nil {
			return
		}
		err = fn()
		release()
		if err == nil || errors.Is(err, driver.ErrNotFound) || ctx.Err() != nil {
			return
		}
		p.o.opt.Log.Warn(what, "task", task, "error", err)
		pause(ctx, wait)
		if ctx.Err() != nil {
			return
		}
	}
}

// forget is the write that drops the record of an ended task.
func forget(app, task string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		if a := tx.App(app); a != nil && a.Task(task) != nil {
			tx.DropTask(app, task)
		}
		return nil
	}
}
