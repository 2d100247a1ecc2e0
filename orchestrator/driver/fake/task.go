package fake

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/exitcode"
	"berth/orchestrator/driver/hostport"
)

// codeTerm is the exit code of a task that SIGTERM ended.
const codeTerm = 128 + int(syscall.SIGTERM)

// task is guarded by its host's mutex, except what never changes and done.
type task struct {
	spec     driver.Spec
	what     Behaviour
	status   driver.Status
	output   map[driver.Stream][]byte
	news     chan struct{} // closed and replaced at each change
	done     chan struct{}
	timers   []*time.Timer
	stopping bool
	term     bool // SIGTERM was acted on
}

func (t *task) changed() {
	close(t.news)
	t.news = make(chan struct{})
}

func (t *task) stopTimers() {
	for _, timer := range t.timers {
		timer.Stop()
	}
	t.timers = nil
}

// after runs f on a task that still lives, later, with h.mu held.
func (h *Host) after(t *task, delay time.Duration, f func()) {
	t.timers = append(t.timers, time.AfterFunc(delay, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !t.status.State.Final() {
			f()
		}
	}))
}

// Start implements driver.Driver.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) error {
	h := d.h
	what := h.script(spec.App.ID)
	if err := h.reach(ctx); err != nil {
		return fmt.Errorf("start task %s: %w", spec.TaskID, err)
	}
	t, err := h.reserve(spec, what)
	if err != nil {
		return fmt.Errorf("start task %s: %w", spec.TaskID, err)
	}
	err = h.delay(ctx, t)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err == nil && t.status.State.Final(): // End came first
		return fmt.Errorf("start task %s: it ended: %s", spec.TaskID, t.status.Message)
	case err == nil && h.away:
		err = ErrAway
	case err == nil:
		err = what.StartError
	}
	if err != nil {
		delete(h.tasks, spec.TaskID)
		return fmt.Errorf("start task %s: %w", spec.TaskID, err)
	}
	t.status.StartedAt = time.Now().UTC()
	h.set(t, api.TaskRunning, "")
	h.act(t, what.Program)
	return nil
}

func (h *Host) reserve(spec driver.Spec, what Behaviour) (*task, error) {
	if _, err := hostport.Of(spec); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return nil, ErrAway
	}
	if _, ok := h.tasks[spec.TaskID]; ok {
		return nil, errors.New("a task with this id is already there")
	}
	if p, ok := h.heldPort(spec.Ports); ok {
		return nil, &hostport.BoundError{Port: p, Protocol: "tcp"}
	}
	h.count++
	t := &task{
		spec: spec, what: what, output: map[driver.Stream][]byte{},
		news: make(chan struct{}), done: make(chan struct{}),
		status: driver.Status{
			TaskID: spec.TaskID, AppID: spec.App.ID, Version: spec.App.Version, Ports: spec.Ports, Kind: h.kind,
			Addresses: []api.Address{},
		},
	}
	if spec.App.Mode() != api.NetworkHost {
		ip := fmt.Sprintf("172.17.%d.%d", h.count/250%256, h.count%250+2)
		t.status.Addresses = []api.Address{{IPAddress: ip, Protocol: "IPv4"}}
	}
	h.tasks[spec.TaskID] = t
	h.set(t, api.TaskStaging, "")
	for _, m := range what.Staging {
		h.set(t, api.TaskStaging, m)
	}
	return t, nil
}

func (h *Host) heldPort(ports []int) (int, bool) {
	held := map[int]bool{}
	for _, t := range h.tasks {
		for _, p := range t.spec.Ports {
			held[p] = held[p] || !t.status.State.Final()
		}
	}
	for _, p := range ports {
		if held[p] {
			return p, true
		}
	}
	return 0, false
}

func (h *Host) delay(ctx context.Context, t *task) error {
	if t.what.StartDelay <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(t.what.StartDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// act plays the program.
func (h *Host) act(t *task, p program.Program) {
	t.print(driver.Stdout, p.Stdout)
	t.print(driver.Stderr, p.Stderr)
	for i := range p.Lines {
		t.print(driver.Stdout, fmt.Sprintf("line %d", i+1))
	}
	h.tick(t, p, 1)
}

func (h *Host) tick(t *task, p program.Program, n int) {
	if n <= p.Ticks {
		h.after(t, p.TickEvery, func() {
			t.print(driver.Stdout, fmt.Sprintf("tick %d", n))
			h.tick(t, p, n+1)
		})
		return
	}
	switch {
	case p.Run:
	case p.Crash:
		h.end(t, exitcode.Killed)
	default:
		h.end(t, p.Exit)
	}
}

func (t *task) print(s driver.Stream, line string) {
	if line != "" {
		t.output[s] = append(t.output[s], line+"\n"...)
		t.changed()
	}
}

// end needs h.mu and a living task.
func (h *Host) end(t *task, code int) {
	t.status.ExitCode = code
	message := exitcode.Describe(code)
	switch {
	case t.stopping:
		h.set(t, api.TaskKilled, "stopped: "+message)
	case code == 0:
		h.set(t, api.TaskFinished, message)
	default:
		if e := t.output[driver.Stderr]; len(e) > 0 {
			message += "; stderr ends with:\n" + string(e)
		}
		h.set(t, api.TaskFailed, message)
	}
}

// Stop implements driver.Driver.
func (d *Driver) Stop(ctx context.Context, taskID string, grace time.Duration) error {
	if err := d.h.reach(ctx); err != nil {
		return fmt.Errorf("stop task: %w", err)
	}
	t, err := d.h.beginStop(taskID)
	if err != nil {
		return fmt.Errorf("stop task: %w", err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop task %s: %w", taskID, ctx.Err())
	case <-timer.C:
	}
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	if !t.status.State.Final() {
		d.h.end(t, exitcode.Killed)
	}
	return nil
}

// beginStop delivers SIGTERM.
func (h *Host) beginStop(taskID string) (*task, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, err := h.find(taskID)
	if err != nil || t.status.State.Final() {
		return t, err
	}
	if t.status.State != api.TaskRunning {
		return nil, fmt.Errorf("task %s: it is still being started", taskID)
	}
	p := t.what.Program
	t.stopping = true
	switch {
	case p.IgnoreTerm || t.term:
	case p.Drain > 0:
		t.print(driver.Stdout, "draining")
		h.after(t, p.Drain, func() {
			t.print(driver.Stdout, "drained")
			h.end(t, 0)
		})
	default:
		h.end(t, codeTerm)
	}
	t.term = true
	return t, nil
}
