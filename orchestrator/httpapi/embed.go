package httpapi

import "strings"

// embeds says which parts of an app a read shows besides its definition (marathon-api.md section 7.1).
type embeds struct {
	counts, deployments, tasks, lastTaskFailure, readiness, taskStats bool
}

// What is shown without being asked for. An explicit embed parameter only adds.
var (
	listEmbeds   = embeds{counts: true, deployments: true}
	singleEmbeds = embeds{counts: true, deployments: true, tasks: true, lastTaskFailure: true}
)

// parse adds the values of the embed parameter to e; values nobody knows are ignored, as Marathon does.
func (e embeds) parse(values []string) embeds {
	for _, v := range values {
		v = strings.TrimPrefix(v, "group.")
		v = strings.TrimPrefix(strings.TrimPrefix(v, "apps."), "app.")
		e.add(v)
	}
	return e
}

func (e *embeds) add(name string) {
	switch name {
	case "counts":
		e.counts = true
	case "deployments":
		e.deployments = true
	case "tasks":
		e.tasks, e.deployments = true, true
	case "lastTaskFailure", "failures":
		e.lastTaskFailure = true
	case "readiness":
		e.readiness = true
	case "taskStats":
		e.taskStats = true
	}
}
