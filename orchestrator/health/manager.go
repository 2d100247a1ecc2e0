package health

import (
	"container/heap"
	"context"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"berth/orchestrator/api"
)

// Check is one check of one running task. Either Def or Readiness is set.
type Check struct {
	App, Task string
	Index     int // in the app's list
	Def       *api.HealthCheck
	Readiness *api.ReadinessCheck
	Address   string // host:port; unused by COMMAND
	Started   time.Time
	// Response is the answer to the last readiness probe; nil before it, and for a health check.
	Response *api.ReadinessResponse
	Prior    *api.HealthResult // what is known already, after a restart
}

// Report is the outcome of one probe.
type Report struct {
	Check Check
	Cause string    // why it failed, or ""
	Since time.Time // of a failure: when the present run of failures began
	Outcome
}

// Options configure a Manager.
type Options struct {
	// Report takes in every outcome, called from many goroutines, for one check from one at a time. After an error the
	// outcome counts for nothing, and the check is made again soon.
	Report func(Report) error
	Exec   Exec
	Probe  func(context.Context, *Check) error // default: the real thing
	Now    func() time.Time
	Log    *slog.Logger // nil discards

	Parallel int // probes at one time; default 1024
	PerApp   int // probes of one app at one time, so that a hanging one hurts only itself; default 64
}

// Manager probes. Set and Remove may be called before and during Run.
type Manager struct {
	opt   Options
	probe func(context.Context, *Check) error
	wake  chan struct{}

	mu      sync.Mutex
	tasks   map[string][]*entry
	due     schedule
	flying  int
	perApp  map[string]int
	parked  map[string][]*entry // due, but their app is at its limit
	suspect suspicion
}

// entry is a scheduled check. The Manager's lock guards all but check, which only its own probe uses, and result, which
// only its own probe changes.
type entry struct {
	check   Check
	at      time.Time
	removed bool
	result  *api.HealthResult
	since   time.Time // of the current run of failures
	counted bool      // among the failing ones that suspicion counts
	first   bool      // not probed yet
}

// New returns a Manager without checks.
func New(opt Options) *Manager {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Parallel == 0 {
		opt.Parallel = 1024
	}
	if opt.PerApp == 0 {
		opt.PerApp = 64
	}
	m := &Manager{
		opt: opt, probe: opt.Probe, wake: make(chan struct{}, 1),
		tasks: map[string][]*entry{}, perApp: map[string]int{}, parked: map[string][]*entry{},
	}
	if m.probe == nil {
		m.probe = newProber(opt.Exec).probe
	}
	return m
}

// Set makes checks the checks of a task, in place of those it had.
func (m *Manager) Set(task string, checks []Check) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(task)
	now := m.opt.Now()
	for _, c := range checks {
		e := &entry{check: c, result: c.Prior, first: true, at: now.Add(c.firstDelay(now))}
		m.tasks[task] = append(m.tasks[task], e)
		heap.Push(&m.due, e)
	}
	m.nudge()
}

// Remove ends the checks of a task. A probe under way goes on, but is not reported.
func (m *Manager) Remove(task string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(task)
}

func (m *Manager) drop(task string) {
	for _, e := range m.tasks[task] {
		e.removed = true
		m.suspect.forget(e)
	}
	delete(m.tasks, task)
}

func (m *Manager) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run probes until ctx ends, and waits for the probes under way.
func (m *Manager) Run(ctx context.Context) error {
	var probes sync.WaitGroup
	defer probes.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(m.launch(ctx, &probes))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-m.wake:
		}
	}
}

// launch starts what is due and returns how long to wait for the next.
func (m *Manager) launch(ctx context.Context, probes *sync.WaitGroup) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.opt.Now()
	for len(m.due) > 0 && m.flying < m.opt.Parallel {
		e := m.due[0]
		if e.removed {
			heap.Pop(&m.due)
			m.unpark(e.check.App)
			continue
		}
		if wait := e.at.Sub(now); wait > 0 {
			return wait
		}
		heap.Pop(&m.due)
		if m.perApp[e.check.App] >= m.opt.PerApp {
			m.parked[e.check.App] = append(m.parked[e.check.App], e)
			continue
		}
		m.flying++
		m.perApp[e.check.App]++
		probes.Go(func() { m.run(ctx, e) })
	}
	return time.Hour // the end of a probe, or Set, wakes
}

func (m *Manager) run(ctx context.Context, e *entry) {
	err := m.probe(ctx, &e.check)
	before := e.result
	var lost error
	if report, ok := m.finish(ctx, e, err); ok {
		lost = m.opt.Report(report)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flying--
	m.land(e.check.App)
	switch now := m.opt.Now(); {
	case e.removed:
	case lost != nil:
		e.result = before
		m.schedule(e, now.Add(min(e.check.interval(), retryReport)))
	case e.check.Readiness == nil || err != nil:
		m.schedule(e, e.next(now))
	}
	m.nudge()
}

// retryReport is the wait after an outcome that could not be reported.
const retryReport = time.Second

func (m *Manager) schedule(e *entry, at time.Time) {
	e.at, e.first = at, false
	heap.Push(&m.due, e)
}

// land gives the place of a finished probe to a parked one of the same app.
func (m *Manager) land(app string) {
	if m.perApp[app]--; m.perApp[app] == 0 {
		delete(m.perApp, app)
	}
	m.unpark(app)
}

func (m *Manager) unpark(app string) {
	waiting := m.parked[app]
	if len(waiting) == 0 {
		return
	}
	heap.Push(&m.due, waiting[0])
	if m.parked[app] = waiting[1:]; len(waiting) == 1 {
		delete(m.parked, app)
	}
}

// finish counts a probe's outcome; it reports false if nobody is to hear of it.
func (m *Manager) finish(ctx context.Context, e *entry, err error) (Report, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e.removed || err != nil && ctx.Err() != nil {
		return Report{}, false
	}
	r := Report{Check: e.check}
	if err != nil {
		r.Cause = err.Error()
	}
	if e.check.Readiness != nil {
		r.Changed = err == nil
		return r, true
	}
	now := m.opt.Now()
	r.Outcome = Count(e.check.Def, e.result, e.check.Started, now, r.Cause)
	if r.Result != nil && r.Result != e.result {
		r.Result.TaskID, r.Result.InstanceID = e.check.Task, e.check.Task
	}
	e.result = r.Result
	m.suspect.note(e, err == nil, now, m.opt.Log)
	r.Since = e.since
	if r.Kill && m.suspect.prober(e, m.opt.Log) {
		r.Kill = false
	}
	return r, true
}

// firstDelay: checks from the orchestrator begin after the interval, at most 5 s; those beside the task after their
// delay; readiness checks at once. What was adopted is looked at again soon, spread by the task's id.
func (c *Check) firstDelay(now time.Time) time.Duration {
	if c.Readiness != nil {
		return 0
	}
	if c.Prior != nil {
		return time.Duration(float64(min(c.interval(), 5*time.Second)) * c.spread())
	}
	delay := min(c.interval(), 5*time.Second)
	if Beside(c.Def) {
		delay = Seconds(c.Def.DelaySeconds)
	}
	return max(0, c.Started.Add(delay).Sub(now))
}

func (c *Check) interval() time.Duration {
	if c.Readiness != nil {
		return max(time.Duration(c.Readiness.IntervalSeconds)*time.Second, time.Second)
	}
	return bounded(Seconds(c.Def.IntervalSeconds), 100*time.Millisecond, 24*time.Hour)
}

// spread is a number from 0 to 1 that depends on the task and the check alone.
func (c *Check) spread() float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.Task))
	_, _ = h.Write([]byte{byte(c.Index)})
	return float64(h.Sum32()) / float64(1<<32)
}

// next keeps the rhythm; the second probe comes early by up to half an interval, so that tasks launched together are
// not probed together for ever.
func (e *entry) next(now time.Time) time.Time {
	interval := e.check.interval()
	if e.first {
		interval -= time.Duration(float64(interval) * e.check.spread() / 2)
	}
	if at := e.at.Add(interval); at.After(now) {
		return at
	}
	return now
}

// schedule is a heap by due time.
type schedule []*entry

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(*entry)) }
func (s *schedule) Pop() any {
	old := *s
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*s = old[:len(old)-1]
	return e
}
