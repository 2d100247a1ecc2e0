package reconcile

import "berth/orchestrator/api"

// stop lets a killed task have its SIGTERM when no follower sends it anything any more: each one has the revision that
// made it TASK_KILLING in force and carries no session of it. After the drain time it is stopped anyway,
// and a task that never ran at once.
func (s *situation) stop(t *Task) {
	if t.Stopping {
		return
	}
	if !t.Started.IsZero() && !s.drained(t) {
		s.acks = true
		s.wakeAt(t.DrainUntil)
		return
	}
	s.c.plan.Stops = append(s.c.plan.Stops, Stop{s.app.ID, t.ID})
}

// drained reports whether a killed task has passed the gates before SIGTERM.
func (s *situation) drained(t *Task) bool {
	late := !s.c.in.Now.Before(t.DrainUntil)
	acknowledged, idle := true, true
	for _, f := range s.c.in.Followers {
		acknowledged = acknowledged && f.Index >= t.KillIndex
		idle = idle && f.Sessions[t.ID] == 0
	}
	if len(s.c.in.Followers) == 0 {
		return true
	}
	if acknowledged || late {
		s.pass(t, api.GateAcknowledged, !acknowledged)
	}
	done := acknowledged && idle
	if done || late {
		s.pass(t, api.GateSessions, !done)
	}
	return done || late
}

func (s *situation) pass(t *Task, gate string, late bool) {
	s.c.plan.Passes = append(s.c.plan.Passes, Pass{s.app.ID, t.ID, gate, late})
}

// routed reports whether every balancer sends traffic to a good task, or has had the drain time to do so: a dead one
// must not stop a deployment.
func (s *situation) routed(t *Task) bool {
	if t.GoodIndex == 0 {
		return false
	}
	balanced, all := false, true
	for _, f := range s.c.in.Followers {
		balanced = balanced || f.Balances
		all = all && (!f.Balances || f.Index >= t.GoodIndex)
	}
	late := t.GoodAt.Add(s.app.Drain)
	if all || !s.c.in.Now.Before(late) {
		if balanced {
			s.pass(t, api.GateRouted, !all)
		}
		return true
	}
	s.acks = true
	s.wakeAt(late)
	return false
}

// AtTarget reports whether an app is as it is wanted: the right number of tasks, all of the wanted configuration, running,
// healthy and ready, and nothing else alive as far as can be seen.
func AtTarget(a *App) bool {
	seen := 0
	for i := range a.Tasks {
		t := &a.Tasks[i]
		if t.State == api.TaskUnreachable {
			continue
		}
		seen++
		if t.State != api.TaskRunning || !t.Healthy || !t.Ready || !Current(t.Version, a.Def) {
			return false
		}
	}
	return seen == BoundsOf(a.Def).Target
}
