package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// followed are the event types asked for: all that tell of a change to an app, its tasks or their health. marathon-lb
// missed health changes since Marathon 1.4 because it knew only the older names (marathon-lb.md section 2.5).
var followed = []string{
	api.EventAPIPost,
	api.EventStatusUpdate,
	api.EventAppTerminated,
	api.EventInstanceChanged,
	api.EventInstanceHealthChanged,
	api.EventHealthStatusChanged,
	api.EventAddHealthCheck,
	api.EventRemoveHealthCheck,
	api.EventFailedHealthCheck,
	api.EventUnhealthyInstanceKill,
	"unhealthy_task_kill_event", // its name before Marathon 1.4
	"unknown_instance_terminated_event",
	api.EventDeploymentSuccess,
	api.EventDeploymentFailed,
	api.EventStreamAttached,
}

// change is what one event means to the follower.
type change struct {
	apps  []string // apps to be read anew
	all   bool     // something changed, but it does not say which app
	index uint64   // the event's index, 0 if it has none
	since uint64   // when several events were made one: the lowest index
	start bool     // the stream's own beginning: index is the store's at that time
}

// eventJSON are the fields that name an app, in any event type (marathon-api.md section 9).
type eventJSON struct {
	Type          string `json:"eventType"`
	Index         uint64 `json:"index"`
	AppID         string `json:"appId"`
	RunSpecID     string `json:"runSpecId"`
	TaskID        string `json:"taskId"`
	InstanceID    string `json:"instanceId"`
	AppDefinition *struct {
		ID string `json:"id"`
	} `json:"appDefinition"`
	Plan        *planJSON `json:"plan"`
	CurrentStep *stepJSON `json:"currentStep"`
}

type planJSON struct {
	Affected    []string   `json:"affectedApps"`
	AffectedIDs []string   `json:"affectedAppIds"`
	Steps       []stepJSON `json:"steps"`
}

type stepJSON struct {
	Actions []struct {
		App string `json:"app"`
	} `json:"actions"`
}

// parseFrame reads all events of a frame: its data may hold several JSON documents.
func parseFrame(f frame) []change {
	if f.tooLong {
		return []change{{all: f.event == "" || slices.Contains(followed, f.event)}}
	}
	var out []change
	dec := json.NewDecoder(bytes.NewReader(f.data))
	for {
		var e eventJSON
		err := dec.Decode(&e)
		var badType *json.UnmarshalTypeError
		switch {
		case errors.Is(err, io.EOF):
			return out
		case errors.As(err, &badType): // what could be read is there, and the decoder stands behind the document
		case err != nil: // and nothing behind it can be read either
			return append(out, change{all: f.event == "" || slices.Contains(followed, f.event)})
		}
		if e.Type == "" {
			e.Type = f.event
		}
		out = append(out, e.change())
	}
}

func (e eventJSON) change() change {
	c := change{index: e.Index, start: e.Type == api.EventStreamAttached}
	if c.start || !slices.Contains(followed, e.Type) {
		return c // asked for by nobody, and sent all the same
	}
	c.apps = e.concerned()
	c.all = len(c.apps) == 0
	return c
}

// concerned lists the apps an event names: directly, else through a task, else through a plan.
func (e eventJSON) concerned() []string {
	switch {
	case e.AppID != "":
		return absolute(e.AppID)
	case e.RunSpecID != "":
		return absolute(e.RunSpecID)
	case e.AppDefinition != nil && e.AppDefinition.ID != "":
		return absolute(e.AppDefinition.ID)
	case e.TaskID != "":
		return absolute(appOfTask(e.TaskID))
	case e.InstanceID != "":
		return absolute(appOfTask(e.InstanceID))
	}
	var ids []string
	if e.Plan != nil {
		ids = append(append(ids, e.Plan.Affected...), e.Plan.AffectedIDs...)
		for _, s := range e.Plan.Steps {
			ids = append(ids, s.apps()...)
		}
	}
	if e.CurrentStep != nil {
		ids = append(ids, e.CurrentStep.apps()...)
	}
	ids = absolute(ids...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (s stepJSON) apps() []string {
	var ids []string
	for _, a := range s.Actions {
		ids = append(ids, a.App)
	}
	return ids
}

// absolute gives ids their leading slash and leaves out empty ones.
func absolute(ids ...string) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if id = strings.Trim(id, "/"); id != "" {
			out = append(out, "/"+id)
		}
	}
	return out
}

// appOfTask derives the app from a task's or instance's id: prod_web.<uuid>, or from Marathon 1.9 on
// prod_web.instance-<uuid>._app.1. An id of neither form gives "".
func appOfTask(id string) string {
	for _, mark := range []string{".instance-", ".marathon-", "."} {
		if i := strings.LastIndex(id, mark); i > 0 {
			return strings.ReplaceAll(id[:i], "_", "/")
		}
	}
	return ""
}
