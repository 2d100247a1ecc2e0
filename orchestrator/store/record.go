package store

import (
	"slices"
	"sync/atomic"
	"time"

	"berth/orchestrator/api"
)

// App is everything known of one app at one revision. It is immutable: change a Clone.
type App struct {
	ID       string
	Def      *api.App      // what is wanted; nil once the app is deleted, until its last task is forgotten
	Created  api.Timestamp // first version of this life
	Versions []*api.App    // of this life, oldest first; the last one is Def
	Tasks    []*Task       // living ones, in the order of their launch
	Ended    []*Task       // kept for reading their logs, in the order of their end
	Backoff  Backoff
	Failure  *api.TaskFailure // the last one

	// Deployment is the running deployment that holds the app, or "". It follows from the deployments, so there is no
	// lock without one.
	Deployment string

	view atomic.Pointer[api.AppInfo]
}

// Clone returns a copy of a whose fields may be set; what they point to is shared and must be replaced, not changed.
func (a *App) Clone() *App {
	return &App{
		ID: a.ID, Def: a.Def, Created: a.Created, Versions: a.Versions, Tasks: a.Tasks, Ended: a.Ended,
		Backoff: a.Backoff, Failure: a.Failure, Deployment: a.Deployment,
	}
}

// Task returns the task with the given id, living or ended, or nil.
func (a *App) Task(id string) *Task {
	for _, list := range [][]*Task{a.Tasks, a.Ended} {
		if i := slices.IndexFunc(list, func(t *Task) bool { return t.ID == id }); i >= 0 {
			return list[i]
		}
	}
	return nil
}

// Backoff delays an app's next launch after failures (marathon-api.md section 11.6). The zero value delays nothing.
type Backoff struct {
	Delay time.Duration `json:"delay,omitempty"`
	Until api.Timestamp `json:"until,omitzero"`
	Cause string        `json:"cause,omitempty"` // of the failure that raised it last
}

// Task is what is known of one task. It is immutable: change a copy.
type Task struct {
	ID      string        `json:"id"`
	AppID   string        `json:"appId"`
	Agent   string        `json:"agent"`
	Host    string        `json:"host"`
	IP      string        `json:"ip"` // the agent's address
	Region  string        `json:"region,omitempty"`
	Zone    string        `json:"zone,omitempty"`
	Kind    string        `json:"kind"` // of the driver
	Version api.Timestamp `json:"version"`
	State   api.TaskState `json:"state"`
	Ports   []int         `json:"ports"`
	// Addresses are the task's own, empty in host mode and until they are known.
	Addresses []api.Address `json:"addresses,omitempty"`
	StagedAt  api.Timestamp `json:"stagedAt"`
	StartedAt api.Timestamp `json:"startedAt,omitzero"`
	EndedAt   api.Timestamp `json:"endedAt,omitzero"`
	Message   string        `json:"message,omitempty"` // why it is in its state

	Health []*api.HealthResult `json:"health,omitempty"` // by check; nil: no result yet
	Ready  bool                `json:"ready,omitempty"`  // passed its readiness check
	// Readiness is what that check last said; nil before its first probe, and for a task that is not checked.
	Readiness *api.ReadinessResult `json:"readiness,omitempty"`
	// GoodIndex is the revision since which the task is running, healthy and ready; 0 while it is not.
	GoodIndex uint64        `json:"goodIndex,omitempty"`
	GoodAt    api.Timestamp `json:"goodAt,omitzero"`
	Kill      *Kill         `json:"kill,omitempty"` // set once it is to go
	// Lost is the moment since which the task's agent is unreachable; set in TASK_UNREACHABLE only.
	Lost api.Timestamp `json:"lost,omitzero"`

	Def      *api.App      `json:"-"` // the definition of Version
	Progress api.Timestamp `json:"-"` // last sign of life while staging; not kept over a restart
	Unwell   string        `json:"-"` // what the last failed probe said, also one that does not count yet; not kept either
}

// Kill is the decision that a task is to go.
type Kill struct {
	Reason     string        `json:"reason"`
	Index      uint64        `json:"index"` // the revision in which the decision became visible
	At         api.Timestamp `json:"at"`
	DrainUntil api.Timestamp `json:"drainUntil"` // SIGTERM is sent then at the latest
}

// Deployment is a change on its way. It is immutable: replace it.
type Deployment struct {
	ID      string                   `json:"id"`
	Version api.Timestamp            `json:"version"`
	Started api.Timestamp            `json:"started"`
	Steps   []api.DeploymentStep     `json:"steps"`
	Current int                      `json:"current"` // step under way, from 1
	Apps    []string                 `json:"apps"`    // those it holds, sorted
	Before  map[string]*api.App      `json:"before"`  // their definitions before it; nil where there was none
	After   map[string]api.Timestamp `json:"after"`   // their versions through it; 0 where it deleted the app

	Deadline api.Timestamp `json:"deadline,omitzero"`  // when it counts as failed; 0: never
	Rollback bool          `json:"rollback,omitempty"` // it is undone then
}
