package orchestrator

import (
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// apply stores a plan's intents, and then hands them to the drivers. Apps that have changed since they were looked at are
// left for the next turn.
func (l *loop) apply(plan *reconcile.Plan, records map[string]*store.App, now time.Time) error {
	o := l.o
	var started []*store.Task
	if len(plan.Starts)+len(plan.Kills)+len(plan.Expunges) > 0 {
		_, err := o.st.Update(func(tx *store.Tx) error {
			started = o.write(tx, plan, records, now)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, t := range started {
		o.ops.start(o.link(t.Agent, t.Kind), t)
	}
	for _, s := range plan.Stops {
		o.withTask(s.Task, func(link *link, t *store.Task) { o.ops.stop(link, t) })
	}
	for _, r := range plan.Removes {
		_, t := o.st.Task(r.Task)
		if t == nil {
			continue
		}
		if link := o.link(t.Agent, t.Kind); link != nil && !link.isLost() {
			o.ops.remove(link, r.App, r.Task)
		} else if _, err := o.st.Update(forget(r.App, r.Task)); err != nil {
			return err
		}
	}
	if !plan.Empty() {
		o.opt.Log.Info("plan applied", "started", len(started), "killed", len(plan.Kills), "stopped", len(plan.Stops),
			"removed", len(plan.Removes), "expunged", len(plan.Expunges), "waiting", len(plan.Waiting), "duration", o.opt.Now().Sub(now))
	}
	return nil
}

func (o *Orchestrator) withTask(id string, fn func(*link, *store.Task)) {
	_, t := o.st.Task(id)
	if t == nil {
		return
	}
	if link := o.link(t.Agent, t.Kind); link != nil {
		fn(link, t)
	}
}

// write makes a plan's kills and starts part of the state.
func (o *Orchestrator) write(tx *store.Tx, plan *reconcile.Plan, records map[string]*store.App, now time.Time) []*store.Task {
	fresh := map[string]bool{}
	for id, a := range records {
		if fresh[id] = !relevant(store.Change{Old: a, New: tx.App(id)}); !fresh[id] {
			o.look(id)
		}
	}
	for _, k := range plan.Kills {
		if _, t := tx.Task(k.Task); t != nil && fresh[k.App] {
			o.kill(tx, t, k.Reason, now)
		}
	}
	for _, e := range plan.Expunges {
		if _, t := tx.Task(e.Task); t != nil && fresh[e.App] && t.State == api.TaskUnreachable && o.unreachable(t) {
			o.expunge(tx, t, now)
		}
	}
	var started []*store.Task
	for _, s := range plan.Starts {
		switch l := o.link(s.Agent, s.Kind); {
		case l.isLost():
			o.look(s.App) // it was lost after the plan was made
		case fresh[s.App]:
			started = append(started, o.stage(tx, s, now))
		}
	}
	return started
}

// stage stores a task that is about to be started.
func (o *Orchestrator) stage(tx *store.Tx, s reconcile.Start, now time.Time) *store.Task {
	a := tx.App(s.App)
	agent := o.agent(s.Agent)
	t := &store.Task{
		ID: taskID(s.App, o.opt.NewID()), AppID: s.App, Agent: agent.ID, Host: agent.Host, IP: agent.IP,
		Region: agent.Region, Zone: agent.Zone, Kind: s.Kind, Version: a.Def.Version, State: api.TaskStaging,
		Ports: s.Ports, StagedAt: api.TimestampOf(now), Def: a.Def,
		Ready: len(a.Def.ReadinessChecks) == 0 || a.Deployment == "",
	}
	tx.PutTask(t)
	emitCondition(tx, t, "Created", now)
	emitState(tx, t, now)
	return t
}

// taskID builds a task's id: the app's path joined by underscores, a dot, and a UUID (marathon-api.md section 7.3).
func taskID(app, uuid string) string {
	b := []byte(app[1:])
	for i, c := range b {
		if c == '/' {
			b[i] = '_'
		}
	}
	return string(b) + "." + uuid
}
