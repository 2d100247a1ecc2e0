// Package process is the driver for apps without an image: each task is a process of this host in a session of its own.
//
// A task's directory, <data>/sandboxes/<task id>, is all there is to know about it:
//
//	spec.json        who it is: cluster, app, version, ports, and which process (pid, start time, boot)
//	stdout, stderr   its output, each with one older part, stdout.1 and stderr.1
//	exit             its exit code, written by the shell that supervises it
//	stop             present when it was told to stop
//	sandbox/         its working directory, MESOS_SANDBOX
//
// Only sandbox/ belongs to the task: what lies beside it is read with the daemon's privileges. The files are handed to
// the task open, so it runs on, and its exit code is kept, whatever becomes of the daemon; New finds it again.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/feed"
	"berth/orchestrator/driver/sandbox"
)

// DefaultLogLimit is the size in bytes at which an output file is moved aside; two such parts are kept.
const DefaultLogLimit = 10 << 20

// Options configure a Driver.
type Options struct {
	Cluster  string // mark of the tasks that are ours
	Data     string // directory; tasks live in sandboxes/ below it
	LogLimit int64  // bytes per output file; 0 means DefaultLogLimit
	Path     string // PATH of tasks whose app sets none; "" means the system's usual one
	Fetcher  sandbox.Fetcher
	Log      *slog.Logger // nil discards
}

// Driver runs tasks as processes of this host.
type Driver struct {
	opt   Options
	root  string // absolute path of the sandboxes
	boot  string // identifies this boot of the host: pids mean nothing in another
	feed  feed.Feed
	procs *scanner
	// cgroup finds where to keep a task's processes together, "" for nowhere.
	cgroup func() string

	ctx    context.Context // ends the background work
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex // guards tasks
	tasks map[string]*task
}

var _ driver.Driver = (*Driver)(nil)

// New opens the directory and adopts the tasks it finds there.
func New(opt Options) (*Driver, error) {
	if opt.LogLimit <= 0 {
		opt.LogLimit = DefaultLogLimit
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	root, err := filepath.Abs(filepath.Join(opt.Data, "sandboxes"))
	if err != nil {
		return nil, fmt.Errorf("find the sandbox directory: %w", err)
	}
	// 0711: a task run as another user must be able to reach its own sandbox, not to list the others.
	if err := os.MkdirAll(root, 0o711); err != nil {
		return nil, fmt.Errorf("make the sandbox directory: %w", err)
	}
	d := &Driver{opt: opt, root: root, boot: bootID(), cgroup: ownCgroup, procs: newScanner(processes), tasks: map[string]*task{}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if err := d.adopt(); err != nil {
		d.Close()
		return nil, err
	}
	d.work.Go(d.rotateLoop)
	return d, nil
}

// Close ends the driver's own work and closes the channels of Watch. The tasks run on.
func (d *Driver) Close() {
	d.cancel()
	d.work.Wait()
	d.feed.Close()
}

// Kind returns driver.KindProcess.
func (d *Driver) Kind() driver.Kind { return driver.KindProcess }

// List returns every task of the cluster, sorted by id.
func (d *Driver) List(context.Context) ([]driver.Status, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]driver.Status, 0, len(d.tasks))
	for _, t := range d.tasks {
		out = append(out, t.snapshot())
	}
	slices.SortFunc(out, func(a, b driver.Status) int { return strings.Compare(a.TaskID, b.TaskID) })
	return out, nil
}

// Watch delivers every change from now on. Watching first and listing second misses nothing.
func (d *Driver) Watch(ctx context.Context) (<-chan driver.Status, error) {
	return d.feed.Watch(ctx), nil
}

// Remove deletes an ended task's directory. A living task is an error.
func (d *Driver) Remove(_ context.Context, taskID string) error {
	t, err := d.task(taskID)
	if err != nil {
		return err
	}
	if !t.ended() {
		return fmt.Errorf("remove task %s: it has not ended", taskID)
	}
	if err := os.RemoveAll(t.dir); err != nil {
		return fmt.Errorf("remove task %s: %w", taskID, err)
	}
	d.forget(taskID)
	return nil
}

func (d *Driver) task(id string) (*task, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.tasks[id]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("task %s: %w", id, driver.ErrNotFound)
}

func (d *Driver) forget(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.tasks, id)
}

// errExists refuses a second start.
var errExists = errors.New("a task with this id is already there")

// reserve enters a new task in state Staging.
func (d *Driver) reserve(spec driver.Spec) (*task, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.tasks[spec.TaskID]; ok {
		return nil, errExists
	}
	t := newTask(filepath.Join(d.root, sandbox.Name(spec.TaskID)), record{
		Cluster: d.opt.Cluster, TaskID: spec.TaskID, AppID: spec.App.ID, Version: spec.App.Version,
		Ports: slices.Clone(spec.Ports), Kind: driver.KindProcess, User: spec.App.User, Boot: d.boot,
		StartedAt: time.Now().UTC(),
	})
	t.status.State = api.TaskStaging
	d.tasks[spec.TaskID] = t
	return t, nil
}
