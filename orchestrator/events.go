package orchestrator

import (
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/store"
)

// frameworkID stands where Marathon names the framework it is to Mesos; /v2/info shows the same.
const frameworkID = "berth"

type fields = map[string]any

// event makes an event of marathon-api.md section 9; the store stamps it with its revision.
func event(kind string, now time.Time, app string, f fields) api.Event {
	return api.Event{Type: kind, Time: api.TimestampOf(now), AppID: app, Fields: f}
}

// conditions are the names instance_changed_event has for task states.
var conditions = map[api.TaskState]string{
	api.TaskStaging: "Staging", api.TaskStarting: "Starting", api.TaskRunning: "Running", api.TaskKilling: "Killing",
	api.TaskUnreachable: "Unreachable", api.TaskFinished: "Finished", api.TaskFailed: "Failed", api.TaskKilled: "Killed",
	api.TaskError: "Error", api.TaskDropped: "Dropped", api.TaskGone: "Gone", api.TaskUnknown: "Unknown",
	api.TaskLost: "Gone",
}

// emitState speaks of a task's new state.
func emitState(tx *store.Tx, t *store.Task, now time.Time) {
	v := t.View()
	tx.Emit(event(api.EventStatusUpdate, now, t.AppID, fields{
		"slaveId": t.Agent, "taskId": t.ID, "taskStatus": t.State, "message": t.Message, "appId": t.AppID,
		"host": t.Host, "ipAddresses": v.IPAddresses, "ports": v.Ports, "version": t.Version,
	}))
	emitCondition(tx, t, conditions[t.State], now)
}

func emitCondition(tx *store.Tx, t *store.Task, condition string, now time.Time) {
	tx.Emit(event(api.EventInstanceChanged, now, t.AppID, fields{
		"instanceId": t.ID, "condition": condition, "runSpecId": t.AppID, "agentId": t.Agent, "host": t.Host,
		"runSpecVersion": t.Version,
	}))
}

// planOf is the light form of a deployment that its events carry.
func planOf(d *store.Deployment) fields {
	return fields{"id": d.ID, "version": d.Version, "steps": d.Steps}
}

func stepEvent(kind string, d *store.Deployment, step int, now time.Time) api.Event {
	return event(kind, now, "", fields{
		"plan": planOf(d), "currentStep": fields{"actions": d.Steps[step-1].Actions},
	})
}
