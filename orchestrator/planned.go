package orchestrator

import (
	"fmt"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// placements says what a dry run's change would do to tasks: which go, where new ones would start, and which no agent
// takes. It rests on what is used and free at this moment.
func (w *write) placements() []api.Placement {
	goes := map[string]bool{} // apps all of whose tasks are replaced or removed
	for _, e := range w.edits {
		goes[e.ID] = e.Action() == api.ActionRestart || e.Action() == api.ActionStop
	}
	after := w.agents(func(app string) bool { return !goes[app] })
	before := w.agents(func(string) bool { return true })
	out := make([]api.Placement, 0, len(w.edits))
	for _, e := range w.edits {
		out = append(out, w.placement(e, before, after))
	}
	return out
}

// agents are the agents as they would be if only the tasks of the given apps ran.
func (w *write) agents(counts func(app string) bool) []reconcile.Agent {
	l := newLoop(w.o)
	for a := range w.tx.Apps {
		if !counts(a.ID) {
			continue
		}
		for _, t := range a.Tasks {
			if u := l.used[t.Agent]; u != nil && t.Def != nil {
				u.Add(a.ID, reconcile.Need(t.Def), t.Ports)
			}
		}
	}
	for i := range l.agents {
		l.refresh(&l.agents[i])
	}
	return l.agents
}

func (w *write) placement(e *reconcile.Edit, before, after []reconcile.Agent) api.Placement {
	p := api.Placement{App: e.ID, Action: e.Action(), Keep: []string{}, Stop: []string{}, Start: []api.PlannedTask{}, Explain: []string{}}
	record := w.tx.App(e.ID)
	if record == nil {
		return p
	}
	app := w.o.appState(record)
	app.LaunchAfter = w.now // a backoff ends; what is asked for here is room
	switch p.Action {
	case api.ActionStop:
		p.Stop = append(p.Stop, taskIDs(record.Tasks)...)
	case api.ActionRestart:
		p.Stop = append(p.Stop, taskIDs(record.Tasks)...)
		now := w.compute(app, before)
		app.Tasks = nil
		w.starts(&p, w.compute(app, after), after)
		if p.Waits == 0 && len(now.Starts) == 0 && len(now.Kills) == 0 && len(now.Waiting) > 0 {
			// There is room in the end, but no way to get there.
			p.Explain, p.Standstill = append(p.Explain, now.Waiting[0].Explain...), true
		}
	case "":
		p.Keep = append(p.Keep, taskIDs(record.Tasks)...)
	default:
		plan := w.compute(app, after)
		gone := map[string]bool{}
		for _, k := range plan.Kills {
			gone[k.Task] = true
		}
		for _, t := range record.Tasks {
			if gone[t.ID] {
				p.Stop = append(p.Stop, t.ID)
			} else {
				p.Keep = append(p.Keep, t.ID)
			}
		}
		w.starts(&p, plan, after)
	}
	return p
}

func (w *write) compute(app reconcile.App, agents []reconcile.Agent) *reconcile.Plan {
	return reconcile.Compute(&reconcile.Input{
		Now: w.now, Seed: w.o.opt.Seed, Apps: []reconcile.App{app}, Agents: agents, LaunchTimeout: w.o.opt.LaunchTimeout,
		KeepEnded: w.o.opt.KeepEnded, KeepEndedFor: w.o.opt.KeepEndedFor,
	})
}

// starts takes over what a plan launches and what it cannot, and counts it in for the apps that follow.
func (w *write) starts(p *api.Placement, plan *reconcile.Plan, agents []reconcile.Agent) {
	def := w.lookup(p.App)
	for _, s := range plan.Starts {
		t := api.PlannedTask{Agent: s.Agent, Ports: append([]int{}, s.Ports...)}
		if a := w.o.agent(s.Agent); a != nil {
			t.Host, t.IP = a.Host, a.IP
		}
		p.Start = append(p.Start, t)
		for i := range agents {
			if agents[i].ID == s.Agent {
				agents[i].Used.Add(p.App, reconcile.Need(def), s.Ports)
			}
		}
	}
	if len(plan.Starts) == reconcile.MaxStarts {
		p.Explain = append(p.Explain, fmt.Sprintf("planned as far as the first %d tasks", reconcile.MaxStarts))
	}
	for _, wait := range plan.Waiting {
		p.Waits += wait.Count
		p.Explain = append(p.Explain, wait.Sentences(w.now)...)
	}
}

func taskIDs(tasks []*store.Task) []string {
	var ids []string
	for _, t := range tasks {
		ids = append(ids, t.ID)
	}
	return ids
}
