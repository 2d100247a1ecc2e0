package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// Files of a task's directory.
const (
	specFile = "spec.json"
	exitFile = "exit"
	stopFile = "stop"
	workDir  = "sandbox"
)

// record is the content of spec.json. PID 0 means that the process was never let go.
type record struct {
	Cluster   string        `json:"cluster"`
	TaskID    string        `json:"taskId"`
	AppID     string        `json:"appId"`
	Version   api.Timestamp `json:"version"`
	Ports     []int         `json:"ports"`
	Kind      driver.Kind   `json:"kind"`
	User      string        `json:"user,omitempty"`
	StartedAt time.Time     `json:"startedAt"`
	Boot      string        `json:"boot"`
	PID       int           `json:"pid"`
	StartTime uint64        `json:"startTime"` // clock ticks after boot, field 22 of /proc/<pid>/stat
	Cgroup    string        `json:"cgroup,omitempty"`
}

// write replaces spec.json in one step.
func (r record) write(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, specFile+".tmp")
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, specFile))
}

func readRecord(dir string) (record, error) {
	var r record
	data, err := os.ReadFile(filepath.Join(dir, specFile))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", filepath.Join(dir, specFile), err)
	}
	if r.TaskID == "" || r.PID < 0 {
		return r, fmt.Errorf("read %s: no task id, or a bad pid", filepath.Join(dir, specFile))
	}
	return r, nil
}

// task is what the driver knows of one task.
type task struct {
	dir     string
	rec     record // fixed once the task runs
	outputs map[driver.Stream]*output

	mu       sync.Mutex // guards what follows
	status   driver.Status
	stopping bool          // it was told to stop
	waits    bool          // a Stop of this driver is counting the grace time
	grace    time.Duration // the last Stop's

	kill    context.Context // ends when the grace time does
	endKill context.CancelFunc

	done chan struct{} // closed when the task has ended and nothing of it is left
}

func newTask(dir string, r record) *task {
	t := &task{dir: dir, rec: r, outputs: newOutputs(dir), done: make(chan struct{}), status: driver.Status{
		TaskID: r.TaskID, AppID: r.AppID, Version: r.Version, Ports: r.Ports, StartedAt: r.StartedAt,
		Addresses: []api.Address{}, Kind: driver.KindProcess,
	}}
	t.kill, t.endKill = context.WithCancel(context.Background())
	return t
}

func (t *task) work() string { return filepath.Join(t.dir, workDir) }

func (t *task) snapshot() driver.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

func (t *task) set(state api.TaskState, message string) driver.Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.State, t.status.Message = state, message
	return t.status
}

func (t *task) ended() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// beginStop notes that the task is to end, on disk as well.
func (t *task) beginStop(grace time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopping, t.waits, t.grace = true, true, grace
	err := os.WriteFile(filepath.Join(t.dir, stopFile), nil, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil // removed meanwhile
	}
	return err
}

// graceContext ends when the grace time does, at once if nobody gives the task any, and with parent.
func (t *task) graceContext(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.waits {
		cancel()
		return ctx, cancel
	}
	stop := context.AfterFunc(t.kill, cancel)
	return ctx, func() { stop(); cancel() }
}
