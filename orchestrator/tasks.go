package orchestrator

import (
	"strconv"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/health"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// failing are the ends that raise the backoff; lost are those that become lastTaskFailure (marathon-api.md sections 7.1
// and 11.6).
var (
	failing = map[api.TaskState]bool{
		api.TaskFailed: true, api.TaskFinished: true, api.TaskError: true, api.TaskDropped: true, api.TaskGone: true,
	}
	lost = map[api.TaskState]bool{
		api.TaskFailed: true, api.TaskError: true, api.TaskDropped: true, api.TaskGone: true, api.TaskUnknown: true,
		api.TaskLost: true,
	}
)

// healthy reports whether a task runs and all its checks say it is alive.
func healthy(t *store.Task) bool {
	if t.State != api.TaskRunning || len(t.Health) < len(t.Def.HealthChecks) {
		return false
	}
	for i := range t.Def.HealthChecks {
		if t.Health[i] == nil || !t.Health[i].Alive {
			return false
		}
	}
	return true
}

// put stores a changed task and keeps the revision since which it is good.
func (o *Orchestrator) put(tx *store.Tx, t *store.Task, now time.Time) {
	good := healthy(t) && t.Ready
	switch {
	case good && t.GoodIndex == 0:
		t.GoodIndex, t.GoodAt = tx.Index(), api.TimestampOf(now)
	case !good:
		t.GoodIndex, t.GoodAt = 0, 0
	}
	tx.PutTask(t)
}

// settle takes in what a driver says of a task that lives as far as the store knows. It reports whether that changes
// anything worth a sync.
func (o *Orchestrator) settle(tx *store.Tx, s driver.Status, now time.Time) {
	_, t := tx.Task(s.TaskID)
	if t == nil || t.State.Final() {
		return
	}
	if s.State.Final() {
		o.end(tx, t, s.State, s.Message, now)
		return
	}
	c := *t
	if len(s.Addresses) > 0 {
		c.Addresses = s.Addresses
	}
	waiting := t.State == api.TaskStaging || t.State == api.TaskStarting
	switch {
	case s.State == api.TaskRunning && t.State == api.TaskUnreachable:
		c.State, c.Message, c.Lost = api.TaskRunning, s.Message, 0
	case s.State == api.TaskRunning && waiting:
		c.State, c.Message = api.TaskRunning, s.Message
		if c.StartedAt = api.TimestampOf(s.StartedAt); c.StartedAt.IsZero() {
			c.StartedAt = api.TimestampOf(now)
		}
	case s.State == api.TaskStarting && t.State == api.TaskStaging:
		c.State, c.Message = s.State, s.Message
	case waiting:
		c.Progress, c.Message = api.TimestampOf(now), s.Message
	case sameAddresses(t.Addresses, c.Addresses):
		return
	}
	o.put(tx, &c, now)
	switch {
	case c.State != t.State:
		emitState(tx, &c, now)
	case !sameAddresses(t.Addresses, c.Addresses):
		emitCondition(tx, &c, conditions[c.State], now)
	}
}

func sameAddresses(a, b []api.Address) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// end moves a task among the ended ones. One that was to go was killed, whatever its driver calls it.
func (o *Orchestrator) end(tx *store.Tx, t *store.Task, state api.TaskState, message string, now time.Time) {
	c := o.finish(tx, t, state, message, now)
	if c.State == api.TaskKilled {
		return
	}
	a := tx.App(t.AppID).Clone()
	if failing[c.State] && reconcile.Current(c.Version, a.Def) {
		a.Backoff = raise(a.Backoff, a.Def, now, c.Message)
	}
	if lost[c.State] {
		a.Failure = failureOf(c)
	}
	tx.PutApp(a)
}

func failureOf(t *store.Task) *api.TaskFailure {
	return &api.TaskFailure{
		AppID: t.AppID, Host: t.Host, Message: t.Message, State: t.State, TaskID: t.ID, Timestamp: t.EndedAt,
		Version: t.Version, SlaveID: t.Agent,
	}
}

// finish is end without anybody to blame: no backoff, no failure. It returns the ended task.
func (o *Orchestrator) finish(tx *store.Tx, t *store.Task, state api.TaskState, message string, now time.Time) *store.Task {
	c := *t
	c.State, c.Message, c.EndedAt = state, message, api.TimestampOf(now)
	c.GoodIndex, c.GoodAt, c.Lost = 0, 0, 0
	if t.Kill != nil {
		c.State, c.Message = api.TaskKilled, t.Kill.Reason
	}
	tx.EndTask(&c)
	emitState(tx, &c, now)
	if a := tx.App(t.AppID); a.Def == nil && len(a.Tasks) == 0 {
		tx.Emit(event(api.EventAppTerminated, now, a.ID, fields{"appId": a.ID}))
	}
	return &c
}

// raise makes the next launch wait longer (marathon-api.md section 11.6).
func raise(b store.Backoff, def *api.App, now time.Time, cause string) store.Backoff {
	limit := health.Seconds(def.MaxLaunchDelaySeconds)
	delay := health.Seconds(def.BackoffSeconds)
	if quiet := now.After(b.Until.Time().Add(limit)); b.Delay > 0 && !quiet {
		delay = health.Seconds(b.Delay.Seconds() * def.BackoffFactor)
	}
	delay = min(delay, limit)
	return store.Backoff{Delay: delay, Until: api.TimestampOf(now.Add(delay)), Cause: cause}
}

// kill makes a task one that is to go. Its balancers get the chance to let go of it first.
func (o *Orchestrator) kill(tx *store.Tx, t *store.Task, reason string, now time.Time) {
	if t.State == api.TaskKilling || t.State.Final() {
		return
	}
	c := *t
	c.State, c.Message = api.TaskKilling, reason
	c.GoodIndex, c.GoodAt = 0, 0
	c.Kill = &store.Kill{
		Reason: reason, Index: tx.Index(), At: api.TimestampOf(now),
		DrainUntil: api.TimestampOf(now.Add(o.drain(t.Def))),
	}
	if o.unreachable(t) { // nobody would hear of it; should it come back, it is ended then
		o.finish(tx, &c, api.TaskKilled, reason, now)
		return
	}
	c.Lost = 0
	tx.PutTask(&c)
	emitState(tx, &c, now)
}

// drain is how long tasks of def wait for the balancers at most. A label that is no number is as if it were not there.
func (o *Orchestrator) drain(def *api.App) time.Duration {
	seconds := o.opt.DefaultDrainSeconds
	if def != nil {
		if v, err := strconv.ParseFloat(def.Labels[api.LabelDrainSeconds], 64); err == nil && v >= 0 && v <= 3600 {
			seconds = v
		}
	}
	return health.Seconds(seconds)
}

// grace is the time between SIGTERM and SIGKILL.
func (o *Orchestrator) grace(def *api.App) time.Duration {
	if def == nil || def.TaskKillGracePeriodSeconds == nil {
		return o.opt.KillGrace
	}
	return health.Seconds(*def.TaskKillGracePeriodSeconds)
}
