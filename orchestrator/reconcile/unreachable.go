package reconcile

import (
	"slices"
	"time"

	"berth/orchestrator/api"
)

// Tasks on an agent that does not answer may run on and come back (marathon-api.md section 11.5). The app's
// unreachableStrategy says after what time such a task is replaced, and after what time it is forgotten. Here one more
// condition holds: it is forgotten only once as many others are healthy as the app wants. So when everything is
// unreachable, because it is our own line that is cut, nothing is lost when it comes back.

// inactive reports whether a task is not counted on any longer.
func (s *situation) inactive(t *Task) bool {
	if t.State != api.TaskUnreachable {
		return false
	}
	def := s.app.Def
	if def == nil {
		return true
	}
	return !def.UnreachableStrategy.Disabled && s.past(t, def.UnreachableStrategy.InactiveAfterSeconds)
}

// past reports whether a task has been lost for so many seconds, and sees to it that the moment is not missed.
func (s *situation) past(t *Task, seconds int) bool {
	at := t.Lost.Add(time.Duration(seconds) * time.Second)
	if s.c.in.Now.Before(at) {
		s.wakeAt(at)
		return false
	}
	return true
}

// expunge forgets tasks whose time is over.
func (s *situation) expunge() {
	target := BoundsOf(s.app.Def).Target
	healthy := 0
	for _, t := range slices.Concat(s.now, s.old) {
		if t.Healthy {
			healthy++
		}
	}
	for _, t := range s.lost {
		if target > 0 && (!s.past(t, s.app.Def.UnreachableStrategy.ExpungeAfterSeconds) || healthy < target) {
			continue
		}
		s.c.plan.Expunges = append(s.c.plan.Expunges, Expunge{s.app.ID, t.ID})
	}
}
