package orchestrator

import (
	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/store"
)

// adoption is the outcome of comparing a driver's list with the store: what changes, and what is to be done about it.
type adoption struct {
	o    *Orchestrator
	link *link

	writes  []func(*store.Tx)
	restart []*store.Task // stored, but not started: a crash came in between
	strays  []driver.Status
	ghosts  []*store.Task // ended as far as the store knows
	half    []*store.Task // half started
	adopted int
	back    bool            // the agent was unreachable
	kept    []driver.Status // of the tasks that were adopted
}

// judge compares a task that lives as far as the store knows with what the driver says, or does not say, of it.
func (a *adoption) judge(t *store.Task, s driver.Status, listed bool) {
	o := a.o
	if o.ops.active(t.ID) {
		return // its outcome is on the way
	}
	never := t.State == api.TaskStaging || t.State == api.TaskStarting
	switch {
	case !listed && t.State == api.TaskStaging:
		a.restart = append(a.restart, t)
	case !listed:
		a.end(t, driver.Status{TaskID: t.ID, State: api.TaskGone, Message: "the task vanished: its driver does not know it"})
	case never && !s.State.Final() && s.State != api.TaskRunning:
		a.half = append(a.half, t) // by an orchestrator that is no more: nobody will finish it
	default:
		a.adopted++
		a.kept = append(a.kept, s)
		a.end(t, s)
	}
}

func (a *adoption) end(t *store.Task, s driver.Status) {
	if s.State == t.State && sameAddresses(s.Addresses, t.Addresses) {
		return
	}
	a.writes = append(a.writes, func(tx *store.Tx) { a.o.settle(tx, s, a.o.opt.Now()) })
}

// stray notes what carries the cluster's mark and should not be there. A record is always stored before its task is
// started, so what has none is nobody's; and what has ended by its record must not go on.
func (a *adoption) stray(s driver.Status) {
	if a.o.ops.active(s.TaskID) {
		return
	}
	switch _, t := a.o.st.Task(s.TaskID); {
	case t == nil:
		a.strays = append(a.strays, s)
	case t.State.Final() && !s.State.Final():
		a.ghosts = append(a.ghosts, t)
	}
}

func (a *adoption) store() error {
	if len(a.writes) == 0 && !a.back {
		return nil
	}
	judged := len(a.ghosts)
	_, err := a.o.st.Update(func(tx *store.Tx) error {
		a.ghosts = a.ghosts[:judged]
		if a.back {
			a.givenUp(tx)
		}
		for _, w := range a.writes {
			w(tx)
		}
		return nil
	})
	return err
}

// givenUp finds the tasks that were given up by a write that was on its way while they were judged.
func (a *adoption) givenUp(tx *store.Tx) {
	for _, s := range a.kept {
		if _, t := tx.Task(s.TaskID); t != nil && t.State.Final() && !s.State.Final() {
			a.ghosts = append(a.ghosts, t)
		}
	}
}

// hold keeps the host ports of what will be ended from being offered before it is gone.
func (a *adoption) hold() {
	for _, s := range a.strays {
		a.link.hold(s.TaskID, s.Ports)
	}
	for _, t := range a.ghosts {
		a.link.hold(t.ID, t.Ports)
	}
}

func (a *adoption) act() {
	log := a.o.opt.Log.With("agent", a.link.agent.ID, "driver", string(a.link.kind))
	for _, s := range a.strays {
		log.Warn("remove a task nobody asked for", "task", s.TaskID, "app", s.AppID, "state", string(s.State))
		a.o.ops.cleanUp(a.link, s.TaskID, func() { a.o.tellOfStray(s) })
	}
	for _, t := range a.half {
		a.o.ops.cleanUp(a.link, t.ID, func() { a.o.dropHalf(t.ID) })
	}
	for _, t := range a.ghosts {
		log.Warn("stop a task that was given up", "task", t.ID)
		a.o.ops.stop(a.link, t)
	}
	for _, t := range a.restart {
		a.o.ops.start(a.link, t)
	}
	log.Info("driver linked", "adopted", a.adopted, "started again", len(a.restart), "strays", len(a.strays))
}

// tellOfStray speaks of the end of a task that the store never knew, or knows no more.
func (o *Orchestrator) tellOfStray(s driver.Status) {
	o.st.Publish(event(api.EventUnknownTerminated, o.opt.Now(), s.AppID, fields{
		"instanceId": s.TaskID, "runSpecId": s.AppID, "condition": conditions[api.TaskKilled],
	}))
}

// dropHalf ends a half started task once nothing is left of it, so that its ports are free.
func (o *Orchestrator) dropHalf(id string) {
	_, err := o.st.Update(func(tx *store.Tx) error {
		if _, t := tx.Task(id); t != nil && !t.State.Final() {
			o.finish(tx, t, api.TaskDropped, "the orchestrator ended while it was starting this task", o.opt.Now())
		}
		return nil
	})
	if err != nil {
		o.opt.Log.Error("drop a half started task", "task", id, "error", err)
	}
}

// endOrphans ends the tasks of agents and drivers that are not configured any more.
func (o *Orchestrator) endOrphans() {
	_, err := o.st.Update(func(tx *store.Tx) error {
		for a := range tx.Apps {
			for _, t := range a.Tasks {
				if o.link(t.Agent, t.Kind) == nil {
					o.end(tx, t, api.TaskGone, "agent "+t.Agent+" with driver "+t.Kind+" is not part of the cluster any more",
						o.opt.Now())
				}
			}
		}
		return nil
	})
	if err != nil {
		o.opt.Log.Error("end the tasks of missing agents", "error", err)
	}
}
