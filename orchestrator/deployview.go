package orchestrator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// Deployments returns the running deployments, oldest first.
func (o *Orchestrator) Deployments() []api.Deployment {
	out := []api.Deployment{}
	for _, d := range o.st.Deployments() {
		out = append(out, o.deploymentView(d))
	}
	return out
}

// Deployment returns a deployment that runs, or that ended since the orchestrator was started, of those the latest 100.
func (o *Orchestrator) Deployment(id string) (api.Deployment, bool) {
	if d := o.st.Deployment(id); d != nil {
		return o.deploymentView(d), true
	}
	o.gates.mu.Lock()
	defer o.gates.mu.Unlock()
	m := o.gates.find(id)
	if m == nil {
		return api.Deployment{}, false
	}
	v := viewOf(m.d)
	v.State, v.Reason, v.UndoneBy, v.FinishedAt = api.DeploymentSucceeded, m.failed, m.undoneBy, api.TimestampOf(m.finished)
	if m.failed != "" {
		v.State = api.DeploymentFailed
	}
	v.Gates = m.view(nil)
	return v, true
}

// viewOf is what the record of a deployment tells.
func viewOf(d *store.Deployment) api.Deployment {
	return api.Deployment{
		ID: d.ID, Version: d.Version, AffectedApps: d.Apps, AffectedPods: []string{}, Steps: d.Steps,
		CurrentActions: []api.DeploymentAction{}, CurrentStep: d.Current, TotalSteps: len(d.Steps),
		State: api.DeploymentRunning, StartedAt: d.Started, Deadline: d.Deadline,
	}
}

func (o *Orchestrator) deploymentView(d *store.Deployment) api.Deployment {
	v := viewOf(d)
	for _, a := range d.Steps[d.Current-1].Actions {
		a.ReadinessCheckResults = []api.ReadinessResult{}
		if app := o.st.App(a.App); app != nil {
			for _, t := range app.Tasks {
				if t.Readiness != nil {
					a.ReadinessCheckResults = append(a.ReadinessCheckResults, *t.Readiness)
				}
			}
		}
		v.CurrentActions = append(v.CurrentActions, a)
	}
	waits := o.waits(d)
	v.WaitingFor = o.waitingFor(d)
	o.gates.mu.Lock()
	defer o.gates.mu.Unlock()
	if m := o.gates.running[d.ID]; m != nil {
		n := map[string]int{}
		for _, w := range waits {
			n[w.gate]++
		}
		v.Gates = m.view(n)
	}
	return v
}

// view lists the gates that tasks have passed or wait before.
func (m *measured) view(waiting map[string]int) []api.Gate {
	out := []api.Gate{}
	for _, name := range gateNames {
		g := api.Gate{Gate: name, Waiting: waiting[name]}
		if s := m.sums[name]; s != nil {
			g.Passed, g.TimedOut = s.passed, s.late
			g.AverageMillis, g.LongestMillis = millis(s.sum)/float64(s.passed), millis(s.longest)
		}
		if g.Passed+g.Waiting > 0 {
			out = append(out, g)
		}
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// wait is a task before a gate.
type wait struct{ app, task, gate string }

// waits lists the gates before which the tasks of a deployment's current step stand.
func (o *Orchestrator) waits(d *store.Deployment) []wait {
	var out []wait
	for _, action := range d.Steps[d.Current-1].Actions {
		a := o.st.App(action.App)
		if a == nil || action.Action == api.ActionStart {
			continue
		}
		old := slices.ContainsFunc(a.Tasks, func(t *store.Task) bool {
			return t.Kill == nil && !reconcile.Current(t.Version, a.Def)
		})
		for _, t := range a.Tasks {
			if gate := o.gateOf(d.ID, a, t, old); gate != "" {
				out = append(out, wait{a.ID, t.ID, gate})
			}
		}
	}
	return out
}

// gateOf is the gate before which a task stands, or "". Being routed is only waited for while there are old tasks.
func (o *Orchestrator) gateOf(deployment string, a *store.App, t *store.Task, old bool) string {
	o.gates.mu.Lock()
	defer o.gates.mu.Unlock()
	marks := &gateMarks{}
	if m := o.gates.running[deployment]; m != nil && m.marks[t.ID] != nil {
		marks = m.marks[t.ID]
	}
	switch {
	case t.Kill != nil && !marks.stopped.IsZero():
		return api.GateStop
	case t.Kill != nil && !marks.acknowledged.IsZero():
		return api.GateSessions
	case t.Kill != nil:
		return api.GateAcknowledged
	case !reconcile.Current(t.Version, a.Def):
		return ""
	case t.StartedAt.IsZero():
		return api.GateStart
	case t.GoodIndex == 0:
		return api.GateHealthy
	case old && marks.routed.IsZero():
		return api.GateRouted
	}
	return ""
}

// waitingFor says in sentences what a deployment waits for.
func (o *Orchestrator) waitingFor(d *store.Deployment) []string {
	var out []string
	for _, action := range d.Steps[d.Current-1].Actions {
		if action.Action == api.ActionStart {
			continue
		}
		out = append(out, o.appWaitsFor(d, action.App)...)
	}
	return out
}

func (o *Orchestrator) appWaitsFor(d *store.Deployment, app string) []string {
	byGate := map[string][]string{}
	for _, w := range o.waits(d) {
		if w.app == app {
			byGate[w.gate] = append(byGate[w.gate], w.task)
		}
	}
	var out []string
	for _, gate := range gateNames {
		if tasks := byGate[gate]; len(tasks) > 0 {
			out = append(out, app+": "+o.gateSentence(gate, tasks))
		}
	}
	o.mu.Lock()
	w := o.waiting[app]
	if w != nil {
		out = append(out, fmt.Sprintf("%s: %d to launch: %s", app, w.Count, strings.Join(w.Sentences(o.opt.Now()), ", ")))
	}
	o.mu.Unlock()
	if a := o.st.App(app); a != nil {
		if f := a.Failure; f != nil && f.Timestamp >= d.Started {
			out = append(out, fmt.Sprintf("%s: last failure: %s %s", app, f.State, f.Message))
		}
		if why := lastSickness(a, d.Started); why != "" {
			out = append(out, app+": a task was killed, "+why)
		}
	}
	return out
}

// lastSickness is why the last task was killed that was started since then and never got well, or "".
func lastSickness(a *store.App, since api.Timestamp) string {
	for _, t := range slices.Backward(a.Ended) {
		if t.StagedAt >= since && t.Kill != nil && strings.HasPrefix(t.Kill.Reason, sickness) {
			return t.Kill.Reason
		}
	}
	return ""
}

// gateSentence says what tasks before a gate wait for, and for whom.
func (o *Orchestrator) gateSentence(gate string, tasks []string) string {
	n := len(tasks)
	switch gate {
	case api.GateStart:
		return fmt.Sprintf("%d launched, not running yet", n)
	case api.GateHealthy:
		return fmt.Sprintf("%d running, not healthy and ready yet%s", n, o.unhealthyCause(tasks))
	case api.GateRouted:
		return fmt.Sprintf("%d healthy, not in force yet at every balancer", n)
	case api.GateAcknowledged:
		return fmt.Sprintf("%d to be stopped, not let go yet by every balancer and name server", n)
	case api.GateSessions:
		return fmt.Sprintf("%d to be stopped, with %d session(s) left", n, o.followers.sessionsOf(tasks))
	}
	return fmt.Sprintf("%d told to stop, not gone yet", n)
}

// unhealthyCause is what a probe of one of the tasks last said against it.
func (o *Orchestrator) unhealthyCause(tasks []string) string {
	for _, id := range tasks {
		if _, t := o.st.Task(id); t != nil && t.Unwell != "" {
			return ": " + t.Unwell
		}
	}
	return ""
}
