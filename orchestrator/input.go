package orchestrator

import (
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// input gathers what a decision about the given apps rests on; records is filled with what was looked at.
func (l *loop) input(ids []string, records map[string]*store.App, now time.Time) *reconcile.Input {
	o := l.o
	in := &reconcile.Input{
		Now: now, Seed: o.opt.Seed + l.turns, Followers: o.followers.list(), LaunchTimeout: o.opt.LaunchTimeout,
		KeepEnded: o.opt.KeepEnded, KeepEndedFor: o.opt.KeepEndedFor,
	}
	for _, id := range ids {
		a := o.st.App(id)
		if a == nil {
			continue
		}
		records[id] = a
		app := o.appState(a)
		app.Hold = l.held(a)
		in.Apps = append(in.Apps, app)
	}
	in.Agents = l.agents
	for i := range in.Agents {
		l.refresh(&in.Agents[i])
	}
	return in
}

// agentState converts an agent for reconcile.
func (o *Orchestrator) agentState(a *Agent, used *reconcile.Usage, drains map[string]api.Timestamp) reconcile.Agent {
	_, draining := drains[a.ID]
	return reconcile.Agent{
		ID: a.ID, Host: a.Host, Region: a.Region, Zone: a.Zone, Roles: a.Roles, Attributes: a.Attributes,
		Total: o.node(a.ID).total(), Fixed: a.Ports, Dynamic: a.DynamicPorts, Used: used, Kinds: o.kinds(a.ID), Draining: draining,
	}
}

// kinds are the kinds of tasks that an agent can run, with why it cannot just now, or "".
func (o *Orchestrator) kinds(agent string) map[string]string {
	kinds := map[string]string{}
	for kind, link := range o.node(agent).links {
		_, kinds[kind] = link.status()
	}
	return kinds
}

// refresh fills in what changes of an agent.
func (l *loop) refresh(a *reconcile.Agent) {
	agent := l.o.agent(a.ID)
	*a = l.o.agentState(agent, a.Used, l.o.st.Drains())
	a.Blocked = map[int]string{}
	for port := range l.blocked[a.ID] {
		a.Blocked[port] = "something outside this cluster"
	}
	for _, link := range l.o.node(a.ID).links {
		for port := range link.heldPorts {
			a.Blocked[port] = "a task that was given up and is being ended"
		}
	}
}

// appState converts a record for reconcile.
func (o *Orchestrator) appState(a *store.App) reconcile.App {
	app := reconcile.App{
		ID: a.ID, Def: a.Def, LaunchAfter: a.Backoff.Until.Time(), Cause: a.Backoff.Cause, Drain: o.drain(a.Def),
		Tasks: make([]reconcile.Task, len(a.Tasks)),
	}
	for i, t := range a.Tasks {
		app.Tasks[i] = o.taskState(t)
	}
	for _, t := range a.Ended {
		app.Ended = append(app.Ended, reconcile.Ended{ID: t.ID, At: t.EndedAt.Time()})
	}
	return app
}

func (o *Orchestrator) taskState(t *store.Task) reconcile.Task {
	r := reconcile.Task{
		ID: t.ID, Agent: t.Agent, State: t.State, Version: t.Version, StagedAt: t.StagedAt.Time(),
		Started: t.StartedAt.Time(), Progress: t.Progress.Time(), Healthy: healthy(t), Ready: t.Ready,
		GoodIndex: t.GoodIndex, GoodAt: t.GoodAt.Time(), Need: reconcile.Need(t.Def), Ports: t.Ports, Lost: t.Lost.Time(),
	}
	if o.ops.queued(t.ID) {
		r.Progress = o.opt.Now() // it waits for its turn, which is not its fault
	}
	if t.Kill != nil {
		r.KillIndex, r.DrainUntil = t.Kill.Index, t.Kill.DrainUntil.Time()
		r.Stopping = o.ops.stopping(t.ID)
	}
	return r
}

// held reports whether an app has to stay as it is: an earlier step of its deployment is under way, or it is not known
// yet what runs of it.
func (l *loop) held(a *store.App) bool {
	for _, t := range a.Tasks {
		if link := l.o.link(t.Agent, t.Kind); link != nil && !link.known() {
			return true
		}
	}
	if a.Deployment == "" {
		return false
	}
	d := l.o.st.Deployment(a.Deployment)
	return d != nil && l.stepOf(d, a.ID) > d.Current
}

// stepOf returns the step in which a deployment changes an app. It remembers the running deployments' steps.
func (l *loop) stepOf(d *store.Deployment, app string) int {
	m := l.steps[d.ID]
	if m == nil {
		for id := range l.steps {
			if l.o.st.Deployment(id) == nil {
				delete(l.steps, id)
			}
		}
		m = map[string]int{}
		for i, s := range d.Steps {
			for _, action := range s.Actions {
				if action.Action != api.ActionStart {
					m[action.App] = i + 1
				}
			}
		}
		l.steps[d.ID] = m
	}
	return m[app]
}
