package health

import (
	"log/slog"
	"time"
)

// The prober itself is suspected when this much that once passed fails without any success in between.
const (
	suspectTasks = 10
	suspectApps  = 3
)

// suspicion notices that everything fails at once, which says more about the prober than about the tasks.
type suspicion struct {
	success time.Time      // last one of any check
	tasks   map[string]int // task → checks failing that once passed
	apps    map[string]int // app → the same
	raised  bool
}

// note takes in a counted outcome of e.
func (s *suspicion) note(e *entry, passed bool, now time.Time, log *slog.Logger) {
	if passed {
		s.success = now
		s.forget(e)
		e.since = time.Time{}
		if s.raised {
			s.raised = false
			log.Info("health checks pass again, kills are resumed")
		}
		return
	}
	if !e.since.IsZero() {
		return
	}
	e.since = now
	if e.result == nil || e.result.FirstSuccess.IsZero() {
		return
	}
	if s.tasks == nil {
		s.tasks, s.apps = map[string]int{}, map[string]int{}
	}
	e.counted = true
	s.tasks[e.check.Task]++
	s.apps[e.check.App]++
}

// forget takes e out of the failing ones.
func (s *suspicion) forget(e *entry) {
	if !e.counted {
		return
	}
	e.counted = false
	decrease(s.tasks, e.check.Task)
	decrease(s.apps, e.check.App)
}

func decrease(m map[string]int, key string) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// prober reports whether e's failures should be blamed on the prober: nothing has passed since they began, and enough
// others fail as well.
func (s *suspicion) prober(e *entry, log *slog.Logger) bool {
	if len(s.tasks) < suspectTasks || len(s.apps) < suspectApps || s.success.After(e.since) {
		return false
	}
	if !s.raised {
		s.raised = true
		log.Warn("all health checks fail at once: the cause may lie here, no task is killed for it",
			"tasks", len(s.tasks), "apps", len(s.apps))
	}
	return true
}
