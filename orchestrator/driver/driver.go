// Package driver is the seam between the orchestrator and what runs tasks. A driver starts, stops and lists tasks; it
// decides nothing. The implementations are docker, process and fake; drivertest runs one suite on all of them.
//
// Tasks outlive the orchestrator: a driver marks what it starts with the cluster's name and the task's id, keeps no
// state that the tasks themselves do not carry, and finds them again by List after a restart or a kill -9.
package driver

import (
	"context"
	"errors"
	"io"
	"time"

	"berth/orchestrator/api"
)

// Kind names what a driver can run.
type Kind string

// Kinds.
const (
	KindDocker  Kind = "docker"  // apps with an image
	KindProcess Kind = "process" // apps without
)

// ErrNotFound says that the driver knows no such task.
var ErrNotFound = errors.New("task not found")

// Spec is all a driver needs to start one task. It is complete: a driver looks nothing up elsewhere.
type Spec struct {
	TaskID  string
	App     *api.App // the definition of Version; not changed by anyone
	Host    string   // the agent's name, as the task sees it in HOST
	AgentIP string   // where host ports are published
	// Ports are the host ports chosen, one for each port definition, or for each port mapping that has a host port, in
	// order.
	Ports []int
	Env   []string // NAME=value, complete and sorted: the app's own and Marathon's (section 6)
}

// Status is what a driver sees of a task.
type Status struct {
	TaskID    string
	AppID     string
	Version   api.Timestamp // the app's version at launch
	State     api.TaskState // Staging, Starting, Running or a final one; never Killing
	Addresses []api.Address // the task's own, empty until known and in host mode
	Ports     []int         // as in Spec
	StartedAt time.Time
	ExitCode  int    // of a final state
	Message   string // why it is in this state: pull error, exit code and last log lines, out of memory, port bound
	Kind      Kind
}

// Stream names an output of a task.
type Stream string

// Streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// LogOptions selects a part of a task's output.
type LogOptions struct {
	Stream Stream
	Follow bool // go on until the task ends or the context does
	Lines  int  // the last so many lines; negative means all
}

// ExecResult is the outcome of a command run inside a task.
type ExecResult struct {
	ExitCode int
	Output   []byte // stdout and stderr together, at most 64 KiB
}

// Driver runs tasks of one kind on one agent. Its methods may be called from several goroutines, for one task from one
// at a time.
type Driver interface {
	Kind() Kind

	// Start brings a task up and returns when it runs, or with the reason why it does not: the message of the error is
	// shown to the app's owner. It reports progress (image pull) as Staging statuses on Watch. Starting an id that is
	// already there is an error and leaves what is there alone.
	Start(ctx context.Context, spec Spec) error

	// Stop sends SIGTERM, waits at most grace, then sends SIGKILL, to everything the task started, and returns when the
	// task is gone. Stopping a task that has ended is not an error; one that is unknown gives ErrNotFound.
	Stop(ctx context.Context, taskID string, grace time.Duration) error

	// List returns every task with this cluster's mark, also ended ones not yet removed.
	List(ctx context.Context) ([]Status, error)

	// Watch delivers each change of a task's state, and closes the channel when ctx ends or the connection to what runs
	// the tasks is lost; then the caller lists and watches again.
	Watch(ctx context.Context) (<-chan Status, error)

	// Remove deletes what is left of an ended task: container, sandbox. Logs go with it.
	Remove(ctx context.Context, taskID string) error

	// Logs reads a task's output, also after its end until Remove.
	Logs(ctx context.Context, taskID string, opt LogOptions) (io.ReadCloser, error)

	// Exec runs a shell command inside the task, for COMMAND health checks.
	Exec(ctx context.Context, taskID, command string) (ExecResult, error)
}
