// Package fake is a driver without processes, for the orchestrator's tests. It keeps state as a real one does: tasks run
// on while no driver instance exists, host ports can be held once, what ended stays until it is removed. What a task
// does is scripted per app; by default it runs until it is stopped.
//
// All time is that of package time, so it works inside testing/synctest bubbles.
package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/exitcode"
	"berth/orchestrator/driver/feed"
)

// ErrAway is what every call says while the host is away.
var ErrAway = errors.New("the host does not answer")

// Behaviour scripts the tasks of an app.
type Behaviour struct {
	StartDelay time.Duration // Start takes so long, in state Staging
	Staging    []string      // messages of Staging statuses during Start
	StartError error         // Start fails with it
	Program    program.Program
	// Exec answers commands; nil understands "exit N", "echo WORDS" and "env".
	Exec func(taskID, command string) driver.ExecResult
}

// Host is what tasks run on. It outlives the drivers on it. Its methods may be called from several goroutines.
type Host struct {
	kind driver.Kind
	feed feed.Feed

	mu      sync.Mutex // guards what follows, and all tasks
	away    bool
	silent  chan struct{} // closed when the host speaks again; nil while it does
	scripts map[string]Behaviour
	tasks   map[string]*task
	count   int // tasks ever started: gives addresses
}

// NewHost returns a host for tasks of one kind.
func NewHost(kind driver.Kind) *Host {
	return &Host{kind: kind, scripts: map[string]Behaviour{}, tasks: map[string]*task{}}
}

// Script sets what tasks of the app do that start from now on.
func (h *Host) Script(appID string, b Behaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scripts[appID] = b
}

func (h *Host) script(appID string) Behaviour {
	h.mu.Lock()
	defer h.mu.Unlock()
	if b, ok := h.scripts[appID]; ok {
		return b
	}
	return Behaviour{Program: program.Program{Run: true}}
}

// End makes a living task end by itself with an exit code.
func (h *Host) End(taskID string, code int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.tasks[taskID]
	if !ok || t.status.State.Final() {
		return fmt.Errorf("end task %s: %w", taskID, driver.ErrNotFound)
	}
	h.end(t, code)
	return nil
}

// Crash makes a living task end as if killed by SIGKILL.
func (h *Host) Crash(taskID string) error { return h.End(taskID, exitcode.Killed) }

// GoAway makes every call fail and closes all watches, as when an engine dies. The tasks go on.
func (h *Host) GoAway() {
	h.mu.Lock()
	h.away = true
	h.mu.Unlock()
	h.feed.Disconnect()
}

// FallSilent makes every call wait and watches tell nothing, as when a cable is cut. The tasks go on.
func (h *Host) FallSilent() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.silent == nil {
		h.silent = make(chan struct{})
	}
}

// ComeBack ends GoAway and FallSilent.
func (h *Host) ComeBack() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = false
	if h.silent != nil {
		close(h.silent)
		h.silent = nil
	}
}

// reach waits while the host is silent.
func (h *Host) reach(ctx context.Context) error {
	h.mu.Lock()
	silent := h.silent
	h.mu.Unlock()
	if silent == nil {
		return nil
	}
	select {
	case <-silent:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Specs returns what the living tasks were started with, sorted by task id.
func (h *Host) Specs() []driver.Spec {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []driver.Spec
	for _, t := range h.tasks {
		if !t.status.State.Final() {
			out = append(out, t.spec)
		}
	}
	slices.SortFunc(out, func(a, b driver.Spec) int { return strings.Compare(a.TaskID, b.TaskID) })
	return out
}

// Close stops all timers. Tasks then change no more.
func (h *Host) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.tasks {
		t.stopTimers()
	}
	h.feed.Close()
}

// Driver is one instance of the driver on a Host.
type Driver struct{ h *Host }

var _ driver.Driver = (*Driver)(nil)

// New returns a driver on h; with several at a time all see the same tasks.
func New(h *Host) *Driver { return &Driver{h} }

// Kind returns the host's.
func (d *Driver) Kind() driver.Kind { return d.h.kind }

// Ping reports whether the host answers.
func (d *Driver) Ping(ctx context.Context) error {
	if err := d.h.reach(ctx); err != nil {
		return err
	}
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	if d.h.away {
		return ErrAway
	}
	return nil
}

// List implements driver.Driver.
func (d *Driver) List(ctx context.Context) ([]driver.Status, error) {
	h := d.h
	if err := h.reach(ctx); err != nil {
		return nil, fmt.Errorf("list tasks: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		return nil, fmt.Errorf("list tasks: %w", ErrAway)
	}
	out := make([]driver.Status, 0, len(h.tasks))
	for _, t := range h.tasks {
		out = append(out, t.status)
	}
	slices.SortFunc(out, func(a, b driver.Status) int { return strings.Compare(a.TaskID, b.TaskID) })
	return out, nil
}

// Watch implements driver.Driver.
func (d *Driver) Watch(ctx context.Context) (<-chan driver.Status, error) {
	d.h.mu.Lock()
	defer d.h.mu.Unlock()
	if d.h.away {
		return nil, fmt.Errorf("watch tasks: %w", ErrAway)
	}
	return d.h.feed.Watch(ctx), nil
}

// Remove implements driver.Driver.
func (d *Driver) Remove(ctx context.Context, taskID string) error {
	h := d.h
	if err := h.reach(ctx); err != nil {
		return fmt.Errorf("remove task: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t, err := h.find(taskID)
	if err != nil {
		return fmt.Errorf("remove task: %w", err)
	}
	if !t.status.State.Final() {
		return fmt.Errorf("remove task %s: it has not ended", taskID)
	}
	delete(h.tasks, taskID)
	return nil
}

// find needs h.mu.
func (h *Host) find(taskID string) (*task, error) {
	if h.away {
		return nil, ErrAway
	}
	t, ok := h.tasks[taskID]
	if !ok {
		return nil, fmt.Errorf("task %s: %w", taskID, driver.ErrNotFound)
	}
	return t, nil
}

// set needs h.mu: it changes a task's state and tells.
func (h *Host) set(t *task, state api.TaskState, message string) {
	t.status.State, t.status.Message = state, message
	if state.Final() {
		t.stopTimers()
		close(t.done)
	}
	if !h.away && h.silent == nil {
		h.feed.Publish(t.status)
	}
	t.changed()
}
