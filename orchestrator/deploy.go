package orchestrator

import (
	"context"
	"slices"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// progress moves deployments on whose current step is done. It adds the apps that may move now to dirty, and returns the
// deployments that could not be stored.
func (o *Orchestrator) progress(ids, dirty map[string]struct{}) (stuck map[string]struct{}) {
	stuck = map[string]struct{}{}
	for id := range ids {
		d := o.st.Deployment(id)
		if d == nil || !o.stepDone(d, d.Current, o.st.App) {
			continue
		}
		var moved []string
		_, err := o.st.Update(func(tx *store.Tx) error {
			moved = o.advance(tx, id)
			return nil
		})
		if err != nil {
			o.opt.Log.Error("move a deployment on", "deployment", id, "error", err)
			stuck[id] = struct{}{}
			continue
		}
		for _, app := range moved {
			dirty[app] = struct{}{}
		}
	}
	return stuck
}

// advance makes all progress there is. It returns the apps of the steps that began.
func (o *Orchestrator) advance(tx *store.Tx, id string) []string {
	d := tx.Deployment(id)
	if d == nil {
		return nil
	}
	now := o.opt.Now()
	var freed []string
	c := *d
	for o.stepDone(&c, c.Current, tx.App) {
		tx.Emit(stepEvent(api.EventDeploymentStepSuccess, &c, c.Current, now))
		if c.Current == len(c.Steps) {
			tx.DropDeployment(id)
			o.gates.succeeded(id)
			tx.Emit(event(api.EventDeploymentSuccess, now, "", fields{"id": id, "plan": planOf(&c)}))
			return freed
		}
		c.Current++
		tx.Emit(stepEvent(api.EventDeploymentInfo, &c, c.Current, now))
		for _, a := range c.Steps[c.Current-1].Actions {
			freed = append(freed, a.App)
		}
	}
	if c.Current != d.Current {
		tx.PutDeployment(&c)
	}
	return freed
}

// stepDone reports whether every app of a step is where the step takes it.
func (o *Orchestrator) stepDone(d *store.Deployment, step int, lookup func(string) *store.App) bool {
	for _, action := range d.Steps[step-1].Actions {
		a := lookup(action.App)
		if action.Action == api.ActionStart || a == nil {
			continue
		}
		if state := o.appState(a); !reconcile.AtTarget(&state) {
			return false
		}
	}
	return true
}

// cancel ends a deployment where it stands.
func (o *Orchestrator) cancel(tx *store.Tx, d *store.Deployment, reason string, now time.Time) {
	tx.DropDeployment(d.ID)
	o.gates.failed(d.ID, reason)
	tx.Emit(stepEvent(api.EventDeploymentStepFailure, d, d.Current, now))
	tx.Emit(event(api.EventDeploymentFailed, now, "", fields{"id": d.ID, "plan": planOf(d), "reason": reason}))
}

// CancelDeployment ends a deployment. Without Force a new one takes its apps back to what they were before, leaving
// alone those that somebody changed since; with Force the apps keep their new targets, and the result is zero.
func (o *Orchestrator) CancelDeployment(_ context.Context, id string, opt httpapi.WriteOptions) (
	api.DeploymentResult, error,
) {
	var result httpapi.WriteResult
	err := o.update(opt, func(tx *store.Tx) error {
		d := tx.Deployment(id)
		if d == nil {
			return api.NotFound("DeploymentPlan", id)
		}
		now := o.opt.Now()
		if opt.DryRun { // which leaves no trace in what is measured either
			tx.DropDeployment(id)
		} else {
			o.cancel(tx, d, "cancelled on request", now)
		}
		if opt.Force {
			return nil
		}
		var err error
		result, err = o.undo(tx, d, opt, now)
		return err
	})
	if err != nil {
		return api.DeploymentResult{}, err
	}
	o.look(affectedBy(result)...)
	return result.DeploymentResult, nil
}

// undo starts the deployment that takes back one that was cancelled.
func (o *Orchestrator) undo(tx *store.Tx, d *store.Deployment, opt httpapi.WriteOptions, now time.Time) (
	httpapi.WriteResult, error,
) {
	opt.Force = true
	w := o.newWrite(tx, opt)
	w.undoes = true
	w.restoreGroups(d)
	result, err := w.run(rollback(tx, d))
	if err == nil && !opt.DryRun {
		o.gates.undone(d.ID, result.DeploymentID)
	}
	return result, err
}

func affectedBy(r httpapi.WriteResult) []string {
	var ids []string
	for _, s := range r.Steps {
		for _, a := range s.Actions {
			ids = append(ids, a.App)
		}
	}
	return ids
}

// rollback lists the changes that undo a deployment.
func rollback(tx *store.Tx, d *store.Deployment) []httpapi.AppChange {
	var out []httpapi.AppChange
	for _, id := range d.Apps {
		var current api.Timestamp
		if a := tx.App(id); a != nil && a.Def != nil {
			current = a.Def.Version
		}
		if current != d.After[id] {
			continue
		}
		before := d.Before[id]
		out = append(out, httpapi.AppChange{
			ID: id, Undo: d.After[id], Apply: func(*api.App) (*api.App, error) { return before.Clone(), nil },
		})
	}
	slices.SortFunc(out, func(a, b httpapi.AppChange) int { return cmpText(a.ID, b.ID) })
	return out
}
