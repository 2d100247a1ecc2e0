package orchestrator

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/store"
)

// setDeadline gives a deployment the tightest deadline that one of its apps asks for by label, and makes it one that is
// undone if any asks for that.
func (w *write) setDeadline(d *store.Deployment) {
	if w.undoes {
		return
	}
	for _, e := range w.edits {
		if e.New == nil || d.After[e.ID] != d.Version {
			continue
		}
		limit, rollback := e.New.Deadline()
		if limit == 0 {
			continue
		}
		if at := api.TimestampOf(w.now.Add(limit)); d.Deadline.IsZero() || at < d.Deadline {
			d.Deadline = at
		}
		d.Rollback = d.Rollback || rollback
	}
}

// overdue ends the deployments whose deadline has passed. It adds those that could not be stored to stuck.
func (o *Orchestrator) overdue(now time.Time, stuck map[string]struct{}) {
	for _, d := range o.st.Deployments() {
		if d.Deadline.IsZero() || now.Before(d.Deadline.Time()) {
			continue
		}
		if err := o.giveUp(d, now); err != nil {
			o.opt.Log.Error("end a deployment past its deadline", "deployment", d.ID, "error", err)
			stuck[d.ID] = struct{}{}
		}
	}
}

// giveUp ends a deployment past its deadline, and starts the one that undoes it if that is asked for. One that cannot be
// undone, because a rule between apps forbids it by now, only ends.
func (o *Orchestrator) giveUp(d *store.Deployment, now time.Time) error {
	reason := fmt.Sprintf("not done within %s", d.Deadline.Time().Sub(d.Started.Time()))
	if waits := o.waitingFor(d); len(waits) > 0 {
		reason += ": " + strings.Join(waits, "; ")
	}
	if !d.Rollback {
		return o.fail(d, reason, nil, now)
	}
	var result httpapi.WriteResult
	err := o.fail(d, reason+"; rolled back", func(tx *store.Tx) (err error) {
		result, err = o.undo(tx, d, httpapi.WriteOptions{}, now)
		return err
	}, now)
	var refused *api.Error
	if errors.As(err, &refused) {
		return o.fail(d, reason+"; it cannot be rolled back: "+refused.Error(), nil, now)
	}
	if err == nil {
		o.opt.Log.Warn("deployment rolled back", "deployment", d.ID, "by", result.DeploymentID, "reason", reason)
	}
	return err
}

// fail cancels a deployment, if it still runs, together with what then does.
func (o *Orchestrator) fail(d *store.Deployment, reason string, then func(*store.Tx) error, now time.Time) error {
	_, err := o.st.Update(func(tx *store.Tx) error {
		if tx.Deployment(d.ID) == nil {
			return nil
		}
		o.cancel(tx, d, reason, now)
		if then == nil {
			return nil
		}
		return then(tx)
	})
	return err
}
