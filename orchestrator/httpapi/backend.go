// Package httpapi speaks Marathon's HTTP API: it decodes and validates requests, asks a Backend, and encodes answers,
// errors and the event stream. It holds no state of its own.
package httpapi

import (
	"context"
	"io"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// AppChange is one app's part of a write. Apply runs under the write lock with the stored definition (nil if there is
// none) and returns the new one (nil to delete the app), normalised and valid in itself; rules between apps, service
// ports, versions and the deployment are the backend's. An error refuses the whole write.
type AppChange struct {
	ID      string
	Apply   func(stored *api.App) (*api.App, error)
	Restart bool // replace all tasks although nothing changes
	// Path is where the app stands in the client's document, such as (2) or /groups(0)/apps(1); "" if it is the document.
	// The backend puts it before the paths of its own errors.
	Path string
	// Undo is the version that the change takes back, or 0: tasks from before it that run what the new definition asks for
	// are kept.
	Undo api.Timestamp
}

// GroupChange is a write of a group. A document whose lists are nil leaves what is there; see api.GroupUpdate.
type GroupChange struct {
	ID     string
	Update *api.GroupUpdate // nil deletes the group with all below it
	Create bool             // a conflict if there is a group of that id
}

// WriteOptions accompany a write.
type WriteOptions struct {
	Force    bool // override a lock
	DryRun   bool // compute the answer, change nothing
	ClientIP string
	URI      string
}

// WriteResult is what a write did, or with DryRun would do.
type WriteResult struct {
	api.DeploymentResult
	Apps     []*api.App // the apps as stored, in the order of the changes; nil for deleted ones
	Steps    []api.DeploymentStep
	Warnings []string
	// Placements are, for a dry run, what would become of the tasks, in the order of the changes.
	Placements []api.Placement
}

// KillOptions accompany a kill of tasks.
type KillOptions struct {
	WriteOptions
	Scale bool // lower the instance count by the number killed
}

// Subscription is a stream of events. C is closed when the subscriber is cut off because it was too slow (1024
// undelivered events, the oldest for 10 s) or the backend ends.
type Subscription struct {
	C     <-chan api.Event
	Close func()
}

// Backend is what the API needs of the orchestrator. All values it returns are the caller's to read, never to change.
// Errors are *api.Error where the client is at fault.
type Backend interface {
	// Index is the revision of the last stored change.
	Index() uint64
	// Apps returns all apps, sorted by id, with everything that can be embedded.
	Apps() []*api.AppInfo
	App(id string) (*api.AppInfo, bool)
	// Leaving returns the apps that are deleted, but of which tasks still live.
	Leaving() []*api.AppInfo
	// Versions are newest first; both give a not-found error for an unknown app.
	Versions(id string) ([]api.Timestamp, error)
	Version(id string, v api.Timestamp) (*api.App, error)
	// Group returns a group with all below it; there is always a root.
	Group(id string) (*api.GroupInfo, bool)
	// GroupVersions are newest first; both give a not-found error for an unknown group. GroupVersion gives an invalid one
	// for a version the group never had, or one that is forgotten.
	GroupVersions(id string) ([]api.Timestamp, error)
	GroupVersion(id string, v api.Timestamp) (*api.GroupInfo, error)
	Queue() []api.QueueEntry
	// Deployments are those running; Deployment finds one that runs or has ended lately.
	Deployments() []api.Deployment
	Deployment(id string) (api.Deployment, bool)

	Change(ctx context.Context, changes []AppChange, opt WriteOptions) (WriteResult, error)
	// ChangeGroup gives a not-found error for an unknown group that is not to be made.
	ChangeGroup(ctx context.Context, change GroupChange, opt WriteOptions) (WriteResult, error)
	// Kill ends tasks; ids that are well formed but unknown are skipped. The deployment result is zero without Scale.
	Kill(ctx context.Context, taskIDs []string, opt KillOptions) ([]api.Task, api.DeploymentResult, error)
	// ResetDelay drops an app's backoff; not found if the app is not in the queue.
	ResetDelay(id string) error
	// CancelDeployment rolls a deployment back, or with Force only stops it (the result is then zero).
	CancelDeployment(ctx context.Context, id string, opt WriteOptions) (api.DeploymentResult, error)

	// Subscribe starts a stream of all events from now on, the first being its own event_stream_attached with remote as
	// the remoteAddress. A follower that named itself (subscriber) takes part in the drain handshake until it closes.
	Subscribe(subscriber, role, remote string) Subscription
	Ack(api.Ack) error

	// Backup is the state at one revision, as a file to read that goes when it is closed.
	Backup() (f io.ReadSeekCloser, index uint64, err error)

	Logs(ctx context.Context, taskID string, opt driver.LogOptions) (io.ReadCloser, error)
	// Config holds the values shown by /v2/info.
	Config() map[string]any
}
