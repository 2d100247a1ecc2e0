package orchestrator

import (
	"reflect"
	"slices"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/health"
	"berth/orchestrator/store"
)

// watchHealth keeps the checks in step with a changed record.
func (o *Orchestrator) watchHealth(c store.Change) {
	var old []*store.Task
	if c.Old != nil {
		old = c.Old.Tasks
	}
	before := make(map[string]*store.Task, len(old))
	for _, t := range old {
		before[t.ID] = t
	}
	if c.New != nil {
		for _, t := range c.New.Tasks {
			was := before[t.ID]
			delete(before, t.ID)
			if was != t {
				o.watchTask(was, t)
			}
		}
	}
	for id, t := range before {
		if watched(t) {
			o.checks.Remove(id)
		}
	}
}

// sickness begins the reason for which a task is killed that its health checks gave up.
const sickness = "health check failed: "

// watched reports whether checks run for t.
func watched(t *store.Task) bool {
	return t != nil && t.State == api.TaskRunning && (len(t.Def.HealthChecks) > 0 || !t.Ready)
}

func (o *Orchestrator) watchTask(was, t *store.Task) {
	switch {
	case !watched(t):
		if watched(was) {
			o.checks.Remove(t.ID)
		}
	case !watched(was) || !sameAddresses(was.Addresses, t.Addresses):
		o.checks.Set(t.ID, o.checksOf(t))
	}
}

// checksOf lists the checks of a running task. One whose port cannot be found is left out and logged.
func (o *Orchestrator) checksOf(t *store.Task) []health.Check {
	at := health.Place{AgentIP: t.IP, Ports: t.Ports, Addresses: t.Addresses}
	base := health.Check{App: t.AppID, Task: t.ID, Started: t.StartedAt.Time()}
	var out []health.Check
	for i := range t.Def.HealthChecks {
		c := base
		c.Index, c.Def = i, &t.Def.HealthChecks[i]
		if i < len(t.Health) {
			c.Prior = t.Health[i]
		}
		if c.Def.Protocol != api.ProtocolCommand {
			var err error
			if c.Address, err = health.Address(t.Def, c.Def, at); err != nil {
				o.opt.Log.Warn("health check cannot be made", "task", t.ID, "check", i, "error", err)
				continue
			}
		}
		out = append(out, c)
	}
	if !t.Ready && len(t.Def.ReadinessChecks) > 0 {
		c := base
		c.Index, c.Readiness = -1, &t.Def.ReadinessChecks[0]
		var err error
		if c.Address, err = health.ReadinessAddress(t.Def, c.Readiness, at); err != nil {
			o.opt.Log.Warn("readiness check cannot be made", "task", t.ID, "error", err)
		} else {
			out = append(out, c)
		}
	}
	return out
}

// probed is told of every probe. Verdicts that change are stored; the rest is only noted. After an error the check is
// made again.
func (o *Orchestrator) probed(r health.Report) error {
	write := func(tx *store.Tx) error {
		o.takeReport(tx, r)
		return nil
	}
	var err error
	if r.Changed || r.Kill {
		_, err = o.st.Update(write)
	} else {
		err = o.st.Note(write)
	}
	if err != nil {
		o.opt.Log.Warn("store a health result", "task", r.Check.Task, "error", err)
	}
	return err
}

func (o *Orchestrator) takeReport(tx *store.Tx, r health.Report) {
	_, t := tx.Task(r.Check.Task)
	if t == nil || t.State != api.TaskRunning {
		return
	}
	now := o.opt.Now()
	c := *t
	if r.Check.Readiness != nil {
		result := readinessOf(r)
		if !result.Ready && reflect.DeepEqual(t.Readiness, result) {
			return
		}
		c.Ready, c.Readiness = t.Ready || result.Ready, result
		o.put(tx, &c, now)
		if c.Ready {
			emitCondition(tx, &c, conditions[c.State], now) // followers wait for an event before they acknowledge
		}
		return
	}
	c.Health = slices.Clone(t.Health)
	for len(c.Health) < len(t.Def.HealthChecks) {
		c.Health = append(c.Health, nil)
	}
	c.Health[r.Check.Index] = r.Result
	if r.Cause != "" {
		c.Unwell = r.Cause
	}
	if r.Result != healthAt(t, r.Check.Index) {
		o.put(tx, &c, now)
	} else if c.Unwell != t.Unwell {
		tx.PutTask(&c)
	}
	o.emitHealth(tx, t, &c, r)
	if r.Kill && o.reachable(t, r.Since) {
		reason := sickness + r.Cause
		tx.Emit(event(api.EventUnhealthyInstanceKill, now, t.AppID, fields{
			"appId": t.AppID, "taskId": t.ID, "instanceId": t.ID, "version": t.Version, "reason": reason,
			"host": t.Host, "slaveId": t.Agent,
		}))
		o.kill(tx, &c, reason, now)
	}
}

// readinessOf is what a readiness probe's outcome shows to clients.
func readinessOf(r health.Report) *api.ReadinessResult {
	result := &api.ReadinessResult{Name: r.Check.Readiness.Name, TaskID: r.Check.Task, Ready: r.Cause == ""}
	if r.Check.Readiness.PreserveLastResponse {
		result.LastResponse = r.Check.Response
	}
	return result
}

// reachable reports whether the driver of a task answers, and has done so since the task began to fail; what cannot be
// seen is not judged.
func (o *Orchestrator) reachable(t *store.Task, since time.Time) bool {
	l := o.link(t.Agent, t.Kind)
	if l == nil {
		return false
	}
	if _, remote := l.drv.(pinger); remote && l.lastHeard().Before(since) {
		return false
	}
	tried, why := l.status()
	return tried && why == ""
}

func (o *Orchestrator) emitHealth(tx *store.Tx, was, t *store.Task, r health.Report) {
	now := o.opt.Now()
	if r.Cause != "" {
		tx.Emit(event(api.EventFailedHealthCheck, now, t.AppID, fields{
			"appId": t.AppID, "taskId": t.ID, "instanceId": t.ID, "healthCheck": r.Check.Def,
		}))
	}
	if !r.Changed {
		return
	}
	tx.Emit(event(api.EventHealthStatusChanged, now, t.AppID, fields{
		"appId": t.AppID, "taskId": t.ID, "instanceId": t.ID, "version": t.Version, "alive": r.Result.Alive,
	}))
	if is := healthy(t); is != healthy(was) || was.Health == nil {
		tx.Emit(event(api.EventInstanceHealthChanged, now, t.AppID, fields{
			"instanceId": t.ID, "runSpecId": t.AppID, "runSpecVersion": t.Version, "healthy": is,
		}))
	}
}

func healthAt(t *store.Task, i int) *api.HealthResult {
	if i < len(t.Health) {
		return t.Health[i]
	}
	return nil
}
