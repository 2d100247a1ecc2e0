package store

import (
	"maps"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// Tx is one write: it sees the state with its own changes, and either all of it happens or nothing. It is only valid
// inside the function it was given to, which must be quick and must not call the Store.
type Tx struct {
	s     *Store
	base  *batch // changes of the writes before it in the same transaction
	index uint64

	apps        map[string]*App // nil: forgotten
	deployments map[string]*Deployment
	groups      map[string]*Group // nil: forgotten
	undos       []*Undo
	followers   map[string]string
	drains      map[string]api.Timestamp
	version     api.Timestamp
	events      []api.Event
}

// Index is the revision this write gets if it changes something.
func (tx *Tx) Index() uint64 { return tx.index }

// App returns the record of an app or nil.
func (tx *Tx) App(id string) *App {
	if a, ok := tx.apps[id]; ok {
		return a
	}
	return tx.base.app(id)
}

// PutApp replaces the record with a's id.
func (tx *Tx) PutApp(a *App) { tx.apps[a.ID] = a }

// DropApp forgets an app.
func (tx *Tx) DropApp(id string) { tx.apps[id] = nil }

// Apps calls yield with every record as this write sees it, sorted by id. Records may be changed on the way; the changes
// are not seen by the same iteration, except of records yet to come.
func (tx *Tx) Apps(yield func(*App) bool) {
	ids := slices.Clone(tx.s.ids)
	for a := range tx.Pending {
		if tx.s.apps[a.ID] == nil {
			ids = append(ids, a.ID)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		if a := tx.App(id); a != nil && !yield(a) {
			return
		}
	}
}

// Pending calls yield with every record changed since the last commit that the OnCommit function was told of.
func (tx *Tx) Pending(yield func(*App) bool) {
	for _, a := range tx.apps {
		if a != nil && !yield(a) {
			return
		}
	}
	for id, a := range tx.base.apps {
		if _, own := tx.apps[id]; own || a == nil {
			continue
		}
		if !yield(a) {
			return
		}
	}
}

// Task returns a task, living or ended, and its app, or nil.
func (tx *Tx) Task(id string) (*App, *Task) {
	appID, ok := tx.s.taskApp[id]
	if !ok {
		appID = AppOfTask(id) // it may be of this batch
	}
	a := tx.App(appID)
	if a == nil {
		return nil, nil
	}
	return a, a.Task(id)
}

// PutTask adds a task to its app's living tasks, or replaces the one with its id.
func (tx *Tx) PutTask(t *Task) {
	a := tx.App(t.AppID).Clone()
	i := slices.IndexFunc(a.Tasks, func(o *Task) bool { return o.ID == t.ID })
	if i < 0 {
		a.Tasks = inserted(a.Tasks, t, byLaunch)
	} else {
		a.Tasks = slices.Clone(a.Tasks)
		a.Tasks[i] = t
	}
	tx.PutApp(a)
}

// EndTask moves a task from its app's living tasks to the ended ones.
func (tx *Tx) EndTask(t *Task) {
	a := tx.App(t.AppID).Clone()
	a.Tasks = without(a.Tasks, t.ID)
	a.Ended = inserted(without(a.Ended, t.ID), t, byEnd)
	tx.PutApp(a)
}

// DropTask forgets a task, and its app with it if that is deleted and has no task left.
func (tx *Tx) DropTask(appID, taskID string) {
	a := tx.App(appID).Clone()
	a.Tasks, a.Ended = without(a.Tasks, taskID), without(a.Ended, taskID)
	if a.Def == nil && len(a.Tasks)+len(a.Ended) == 0 {
		tx.DropApp(appID)
		return
	}
	tx.PutApp(a)
}

// The orders of App.Tasks and App.Ended, which do not depend on when something was stored.
func byLaunch(a, b *Task) int { return order(a.StagedAt, b.StagedAt, a.ID, b.ID) }
func byEnd(a, b *Task) int    { return order(a.EndedAt, b.EndedAt, a.ID, b.ID) }

func inserted(list []*Task, t *Task, by func(a, b *Task) int) []*Task {
	at, _ := slices.BinarySearchFunc(list, t, by)
	return slices.Insert(slices.Clone(list), at, t)
}

func without(list []*Task, id string) []*Task {
	i := slices.IndexFunc(list, func(t *Task) bool { return t.ID == id })
	if i < 0 {
		return list
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}

// Deployment returns a running deployment or nil.
func (tx *Tx) Deployment(id string) *Deployment {
	if d, ok := tx.deployments[id]; ok {
		return d
	}
	return tx.base.deployment(id)
}

// Running counts the running deployments.
func (tx *Tx) Running() int {
	n := len(tx.s.deployments)
	count := func(m map[string]*Deployment, before func(string) *Deployment) {
		for id, d := range m {
			switch had := before(id) != nil; {
			case d != nil && !had:
				n++
			case d == nil && had:
				n--
			}
		}
	}
	count(tx.base.deployments, func(id string) *Deployment { return tx.s.deployments[id] })
	count(tx.deployments, tx.base.deployment)
	return n
}

// PutDeployment stores a running deployment; its apps are held by it.
func (tx *Tx) PutDeployment(d *Deployment) {
	tx.deployments[d.ID] = d
	for _, id := range d.Apps {
		tx.hold(id, d.ID)
	}
}

// DropDeployment ends a deployment and frees its apps.
func (tx *Tx) DropDeployment(id string) {
	d := tx.Deployment(id)
	if d == nil {
		return
	}
	tx.deployments[id] = nil
	for _, app := range d.Apps {
		if a := tx.App(app); a != nil && a.Deployment == id {
			tx.hold(app, "")
		}
	}
}

func (tx *Tx) hold(app, deployment string) {
	if a := tx.App(app); a != nil && a.Deployment != deployment {
		c := a.Clone()
		c.Deployment = deployment
		tx.PutApp(c)
	}
}

// SetFollowers keeps the names and roles of the followers that take part in the drain handshake.
func (tx *Tx) SetFollowers(m map[string]string) { tx.followers = m }

// Drains returns the agents that are being drained, as this write sees them. Nobody may change it.
func (tx *Tx) Drains() map[string]api.Timestamp {
	switch {
	case tx.drains != nil:
		return tx.drains
	case tx.base.drains != nil:
		return tx.base.drains
	}
	return tx.s.drains
}

// SetDrain keeps that an agent is being drained since a moment, or with the zero value that it is not.
func (tx *Tx) SetDrain(agent string, since api.Timestamp) {
	m := maps.Clone(tx.Drains())
	if since.IsZero() {
		delete(m, agent)
	} else {
		m[agent] = since
	}
	tx.drains = m
}

// NextVersion returns a version for changes made now, later than every version given before.
func (tx *Tx) NextVersion(now time.Time) api.Timestamp {
	tx.version = max(api.TimestampOf(now), tx.version+1, tx.base.version+1)
	return tx.version
}

// Emit sends an event once the write is stored.
func (tx *Tx) Emit(e api.Event) {
	e.Index = tx.index
	tx.events = append(tx.events, e)
}

func (tx *Tx) changed() bool {
	return len(tx.apps)+len(tx.deployments)+len(tx.groups)+len(tx.undos) > 0 || tx.followers != nil || tx.drains != nil ||
		tx.version != 0
}

// AppOfTask returns the app id that a task id carries: the text before the last dot, with "_" for "/".
func AppOfTask(taskID string) string {
	i := strings.LastIndexByte(taskID, '.')
	if i < 0 {
		return ""
	}
	return "/" + strings.ReplaceAll(taskID[:i], "_", "/")
}
