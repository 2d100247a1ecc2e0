package reconcile

import (
	"math"
	"slices"
	"time"

	"berth/orchestrator/api"
)

// Compute decides what has to happen now. Equal inputs give equal plans. The apps are served in their order; when that
// is all of a cluster's apps, applying the plan and computing again gives no further starts and kills.
func Compute(in *Input) *Plan {
	c := &computer{in: in, plan: &Plan{}, taken: make([]Usage, len(in.Agents)), byID: make(map[string]int, len(in.Agents))}
	for i := range in.Agents {
		c.byID[in.Agents[i].ID] = i
	}
	for i := range in.Apps {
		c.app(&in.Apps[i])
	}
	return c.plan
}

type computer struct {
	in    *Input
	plan  *Plan
	taken []Usage        // by this plan's starts, per agent
	byID  map[string]int // agent → its index
}

// agent finds an agent by its id, or nil.
func (c *computer) agent(id string) *Agent {
	if i, ok := c.byID[id]; ok {
		return &c.in.Agents[i]
	}
	return nil
}

func (c *computer) app(a *App) {
	s := &situation{c: c, app: a}
	for i := range a.Tasks {
		t := &a.Tasks[i]
		if t.State == api.TaskKilling {
			s.dying++
			if Current(t.Version, a.Def) {
				s.going = append(s.going, t)
			}
			s.stop(t)
			continue
		}
		if s.inactive(t) {
			s.lost = append(s.lost, t)
			continue
		}
		s.sort(t)
	}
	c.removes(a)
	if !a.Hold {
		s.expire()
		s.shrink()
		s.replace()
		s.grow()
		s.expunge()
	}
	s.done()
}

// removes lets go of ended tasks: all but the last few, and those that have been kept long enough.
func (c *computer) removes(a *App) {
	for i, e := range a.Ended {
		until := e.At.Add(c.in.KeepEndedFor)
		if i >= len(a.Ended)-c.in.KeepEnded && c.in.Now.Before(until) {
			c.plan.Wakes = append(c.plan.Wakes, Wake{a.ID, until})
			return // the others are younger
		}
		c.plan.Removes = append(c.plan.Removes, Remove{a.ID, e.ID})
	}
}

// situation is an app's tasks while a decision about them is made.
type situation struct {
	c     *computer
	app   *App
	old   []*Task // of a former configuration, or on an agent that is being drained
	now   []*Task // of the wanted one
	dying int     // killed, not gone yet
	lost  []*Task // on unreachable agents, and not counted on any longer
	going []*Task // those of the dying that are of the wanted configuration
	acks  bool
	wake  time.Time
	here  map[string]int // see tasksOn
}

// Current reports whether a task of version v runs the configuration that def asks for.
func Current(v api.Timestamp, def *api.App) bool {
	return def != nil && (def.VersionInfo == nil || v >= def.VersionInfo.LastConfigChangeAt)
}

func (s *situation) sort(t *Task) {
	if Current(t.Version, s.app.Def) && !s.leaving(t) {
		s.now = append(s.now, t)
	} else {
		s.old = append(s.old, t)
	}
}

// leaving reports whether a task has to go because its agent is being drained. It is replaced like one of a former
// configuration, within the same bounds.
func (s *situation) leaving(t *Task) bool {
	a := s.c.agent(t.Agent)
	return a != nil && a.Draining
}

// whyReplaced is the reason for the end of a task that another one has taken the place of.
func (s *situation) whyReplaced(t *Task) string {
	if Current(t.Version, s.app.Def) {
		return "agent " + t.Agent + " is being drained"
	}
	return "replaced by a newer version"
}

// kill marks a task as one that is to go.
func (s *situation) kill(t *Task, reason string) {
	s.c.plan.Kills = append(s.c.plan.Kills, Kill{s.app.ID, t.ID, reason})
	gone := func(o *Task) bool { return o == t }
	if t.State != api.TaskUnreachable { // which is forgotten at once
		s.dying++
		if slices.Contains(s.now, t) {
			s.going = append(s.going, t)
		}
	}
	s.old, s.now = slices.DeleteFunc(s.old, gone), slices.DeleteFunc(s.now, gone)
}

func (s *situation) wakeAt(t time.Time) {
	if s.wake.IsZero() || t.Before(s.wake) {
		s.wake = t
	}
}

func (s *situation) done() {
	if !s.wake.IsZero() {
		s.c.plan.Wakes = append(s.c.plan.Wakes, Wake{s.app.ID, s.wake})
	}
	if s.acks {
		s.c.plan.Acks = append(s.c.plan.Acks, s.app.ID)
	}
}

// expire kills tasks that do not get beyond staging.
func (s *situation) expire() {
	limit := s.c.in.LaunchTimeout
	if limit <= 0 {
		return
	}
	for _, t := range slices.Concat(s.old, s.now) {
		if t.State != api.TaskStaging && t.State != api.TaskStarting {
			continue
		}
		since := t.StagedAt
		if t.Progress.After(since) {
			since = t.Progress
		}
		if end := since.Add(limit); s.c.in.Now.Before(end) {
			s.wakeAt(end)
		} else {
			s.kill(t, "not running "+limit.String()+" after it was launched")
		}
	}
}

// Bounds are how many tasks of an app must stay healthy and how many may live at one time while it changes.
type Bounds struct{ Target, Low, High int }

// BoundsOf computes the bounds of marathon-api.md section 10.2.
func BoundsOf(def *api.App) Bounds {
	if def == nil || def.Instances <= 0 {
		return Bounds{}
	}
	n := float64(def.Instances)
	return Bounds{
		Target: def.Instances,
		Low:    int(math.Ceil(n*def.UpgradeStrategy.MinimumHealthCapacity - 1e-9)),
		High:   int(math.Floor(n*(1+def.UpgradeStrategy.MaximumOverCapacity) + 1e-9)),
	}
}

// high is how many tasks may live now. Where the bounds leave no room at all, it is one more: outside an update, so that a
// task that is to go does not hold up the one in its place; and within one when that many live and nothing is under way
// that could make room.
func (s *situation) high() int {
	b := BoundsOf(s.app.Def)
	if b.Low < b.High {
		return b.High
	}
	if len(s.old) == 0 || len(s.now)+len(s.old) >= b.High && !s.moving() {
		return b.High + 1
	}
	return b.High
}

// moving reports whether an update may go on without a further start: a task is about to be gone, or to become good.
func (s *situation) moving() bool {
	return s.dying > 0 || slices.ContainsFunc(s.now, func(t *Task) bool { return !s.good(t) })
}

// good tasks carry traffic.
func (s *situation) good(t *Task) bool { return t.Healthy && t.Ready && s.routed(t) }

// shrink kills what is too much of the wanted configuration.
func (s *situation) shrink() {
	n := BoundsOf(s.app.Def).Target
	reason := "the app was scaled down"
	if s.app.Def == nil {
		reason = "the app was deleted"
	}
	for _, t := range s.surplus(len(s.now) - n) {
		s.kill(t, reason)
	}
	if n == 0 {
		for _, t := range slices.Clone(s.old) {
			s.kill(t, reason)
		}
	}
}

// replace kills tasks of a former configuration as far as the bounds allow: never a healthy one while that would leave
// fewer healthy ones than Low, and one that is not healthy once Low others live.
func (s *situation) replace() {
	b := BoundsOf(s.app.Def)
	good := 0 // new ones that carry traffic
	if len(s.old) > 0 {
		for _, t := range s.now {
			if s.good(t) {
				good++
			}
		}
	}
	healthy := good
	for _, t := range s.old {
		if t.Healthy {
			healthy++
		}
	}
	alive := good + len(s.old)
	for _, t := range s.ranked(s.old) {
		if t.Healthy && healthy <= b.Low || !t.Healthy && alive <= b.Low {
			continue
		}
		if t.Healthy {
			healthy--
		}
		alive--
		s.kill(t, s.whyReplaced(t))
	}
}

// ranked orders tasks by how dispensable they are: unreachable, staging, starting, running and unhealthy, healthy; and
// among equals as the app's killSelection says (marathon-api.md section 10.2).
func (s *situation) ranked(tasks []*Task) []*Task {
	oldest := s.app.Def != nil && s.app.Def.KillSelection == api.OldestFirst
	out := slices.Clone(tasks)
	slices.SortFunc(out, func(a, b *Task) int {
		if r := rank(a) - rank(b); r != 0 {
			return r
		}
		byAge := b.age().Compare(a.age())
		if byAge == 0 {
			byAge = compare(b.ID, a.ID)
		}
		if oldest {
			return -byAge
		}
		return byAge
	})
	return out
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (t *Task) age() time.Time {
	if !t.Started.IsZero() {
		return t.Started
	}
	return t.StagedAt
}

func rank(t *Task) int {
	switch {
	case t.State == api.TaskUnreachable:
		return 0
	case t.State == api.TaskStaging:
		return 1
	case t.State == api.TaskStarting:
		return 2
	case !t.Healthy:
		return 3
	}
	return 4
}

// grow launches what is missing, as far as the upper bound, the backoff and the agents allow.
func (s *situation) grow() {
	b := BoundsOf(s.app.Def)
	missing := b.Target - len(s.now)
	room := s.high() - len(s.now) - len(s.old) - s.dying
	want := min(missing, room)
	if want <= 0 {
		return
	}
	if s.c.in.Now.Before(s.app.LaunchAfter) {
		s.wakeAt(s.app.LaunchAfter)
		s.c.plan.Waiting = append(s.c.plan.Waiting, s.delayed(want))
		return
	}
	s.place(want, missing)
}
