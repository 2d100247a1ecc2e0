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

// refresh fills in what changes of an agent.
func (l *loop) refresh(a *reconcile.Agent) {
	a.Kinds = map[string]string{}
	for _, link := range l.o.links {
		if link.agent.ID == a.ID {
			_, a.Kinds[string(link.kind)] = link.status()
		}
	}
	a.Blocked = map[int]bool{}
	for port := range l.blocked[a.ID] {
		a.Blocked[port] = true
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
		GoodIndex: t.GoodIndex, GoodAt: t.GoodAt.Time(),
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
		if link := l.o.link(t.Agent, t.Kind); link != nil && !link.wasAdopted() {
			return true
		}
	}
	if a.Deployment == "" {
		return false
	}
	d := l.o.st.Deployment(a.Deployment)
	return d != nil && l.stepOf(d, a.ID) > d.Current
}

func (l *link) wasAdopted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.adopted
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

// probedPlan computes a plan whose host ports nothing else uses. A port that something outside holds is not offered for a
// while, and the plan is made anew.
func (l *loop) probedPlan(in *reconcile.Input) *reconcile.Plan {
	const attempts = 20
	plan := reconcile.Compute(in)
	for range attempts {
		if !l.probe(in, plan) {
			return plan
		}
		for i := range in.Agents {
			l.refresh(&in.Agents[i])
		}
		plan = reconcile.Compute(in)
	}
	return plan
}

// probe tries the ports of all starts and reports whether one of them is in use.
func (l *loop) probe(in *reconcile.Input, plan *reconcile.Plan) (found bool) {
	defs := map[string]*api.App{}
	for i := range in.Apps {
		defs[in.Apps[i].ID] = in.Apps[i].Def
	}
	for _, s := range plan.Starts {
		agent := l.o.agent(s.Agent)
		for i, p := range reconcile.HostPorts(defs[s.App]) {
			if err := l.o.opt.ProbePort(*agent, s.Ports[i], p.Protocol); err != nil {
				l.o.opt.Log.Info("host port not usable", "app", s.App, "error", err)
				l.blocked[s.Agent][s.Ports[i]] = in.Now.Add(blockedFor)
				found = true
			}
		}
	}
	return found
}

// unblock offers ports again whose time is over.
func (l *loop) unblock(now time.Time) (changed bool) {
	for _, ports := range l.blocked {
		for p, until := range ports {
			if !now.Before(until) {
				delete(ports, p)
				changed = true
			}
		}
	}
	return changed
}

func (o *Orchestrator) agent(id string) *Agent {
	for i := range o.opt.Agents {
		if o.opt.Agents[i].ID == id {
			return &o.opt.Agents[i]
		}
	}
	return nil
}

// apply stores a plan's intents, and then hands them to the drivers. Apps that have changed since they were looked at are
// left for the next turn.
func (l *loop) apply(plan *reconcile.Plan, records map[string]*store.App, now time.Time) error {
	o := l.o
	var started []*store.Task
	if len(plan.Starts)+len(plan.Kills) > 0 {
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
		if link := o.link(t.Agent, t.Kind); link != nil {
			o.ops.remove(link, r.App, r.Task)
		} else {
			o.forget(r.App, r.Task)
		}
	}
	if !plan.Empty() {
		o.opt.Log.Info("plan applied", "started", len(started), "killed", len(plan.Kills), "stopped", len(plan.Stops),
			"removed", len(plan.Removes), "waiting", len(plan.Waiting), "duration", o.opt.Now().Sub(now))
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
	var started []*store.Task
	for _, s := range plan.Starts {
		if fresh[s.App] {
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

// waitInfo is what is known of an app that waits, over several attempts.
type waitInfo struct {
	reconcile.Waiting
	since      time.Time
	processed  int
	unused     int
	lastUnused time.Time
	lastUsed   time.Time
}

func (w *waitInfo) update(attempt reconcile.Waiting, used bool, now time.Time) {
	w.Waiting = attempt
	w.processed += attempt.Processed
	w.unused += attempt.Processed
	if attempt.Processed > 0 {
		w.lastUnused = now
	}
	if used {
		w.lastUsed = now
	}
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
