package orchestrator

import (
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
)

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
