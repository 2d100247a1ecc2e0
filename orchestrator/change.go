package orchestrator

import (
	"context"
	"errors"
	"slices"
	"strings"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/store"
)

// errDry undoes a write whose answer alone was wanted.
var errDry = errors.New("dry run")

// Change makes one write of any number of apps: all of it, or nothing with an error that says what is wrong.
func (o *Orchestrator) Change(_ context.Context, changes []httpapi.AppChange, opt httpapi.WriteOptions) (
	httpapi.WriteResult, error,
) {
	var result httpapi.WriteResult
	err := o.update(opt, func(tx *store.Tx) error {
		var err error
		result, err = o.newWrite(tx, opt).run(changes)
		return err
	})
	if err != nil {
		o.changeFailed(groupOf(changes), opt, err)
		return httpapi.WriteResult{}, err
	}
	return result, nil
}

// groupOf is the group that a change of apps is one of.
func groupOf(changes []httpapi.AppChange) string {
	if len(changes) == 1 {
		return api.Parent(changes[0].ID)
	}
	return "/"
}

// update makes a write for a client.
func (o *Orchestrator) update(opt httpapi.WriteOptions, fn func(*store.Tx) error) error {
	_, err := o.st.Update(func(tx *store.Tx) error {
		err := fn(tx)
		if err == nil && opt.DryRun {
			err = errDry
		}
		return err
	})
	switch {
	case errors.Is(err, errDry):
		return nil
	case errors.Is(err, store.ErrClosed):
		return &api.Error{Code: api.CodeUnavailable, Message: "the orchestrator is stopping"}
	}
	return err
}

// Kill makes tasks ones that are to go. Without Scale others take their place; with it their apps get smaller.
func (o *Orchestrator) Kill(_ context.Context, taskIDs []string, opt httpapi.KillOptions) (
	[]api.Task, api.DeploymentResult, error,
) {
	for _, id := range taskIDs {
		if i := strings.LastIndexByte(id, '.'); i <= 0 || i == len(id)-1 {
			return nil, api.DeploymentResult{}, &api.Error{
				Code: api.CodeBadRequest, Message: "task id '" + id + "' is malformed; expected <app>.<uuid>",
			}
		}
	}
	killed := []api.Task{}
	var result httpapi.WriteResult
	err := o.update(opt.WriteOptions, func(tx *store.Tx) error {
		tasks := livingTasks(tx, taskIDs)
		for _, t := range tasks {
			killed = append(killed, t.View())
		}
		now := o.opt.Now()
		if opt.Scale {
			var err error
			if result, err = o.newWrite(tx, opt.WriteOptions).run(shrinkBy(tasks)); err != nil {
				return err
			}
		}
		for _, t := range tasks {
			if _, current := tx.Task(t.ID); current != nil {
				o.kill(tx, current, "killed on request", now)
			}
		}
		return nil
	})
	if err != nil {
		return nil, api.DeploymentResult{}, err
	}
	return killed, result.DeploymentResult, nil
}

// livingTasks finds the tasks that can be killed, each once.
func livingTasks(tx *store.Tx, ids []string) []*store.Task {
	var out []*store.Task
	seen := map[string]bool{}
	for _, id := range ids {
		_, t := tx.Task(id)
		if t == nil || t.State.Final() || t.State == api.TaskKilling || seen[id] {
			continue
		}
		seen[id] = true
		out = append(out, t)
	}
	return out
}

// shrinkBy lowers each app's instances by the number of its tasks given.
func shrinkBy(tasks []*store.Task) []httpapi.AppChange {
	count := map[string]int{}
	var ids []string
	for _, t := range tasks {
		if count[t.AppID]++; count[t.AppID] == 1 {
			ids = append(ids, t.AppID)
		}
	}
	slices.Sort(ids)
	var out []httpapi.AppChange
	for _, id := range ids {
		n := count[id]
		out = append(out, httpapi.AppChange{ID: id, Apply: func(stored *api.App) (*api.App, error) {
			if stored == nil {
				return nil, nil
			}
			c := *stored
			c.Instances = max(0, c.Instances-n)
			return &c, nil
		}})
	}
	return out
}
