package model

import (
	"strings"

	"berth/orchestrator/api"
)

// WhyNoServer says why a task of an app is no server (marathon-lb.md section 4.8), in words for its owner.
func WhyNoServer(a *api.AppInfo, t *api.Task, healthCheck bool) string {
	switch {
	case stateFate(t.State) == skip:
		return "its state is " + string(t.State)
	case strings.TrimSpace(t.Host) == "":
		return "it has no host yet"
	case healthCheck && len(a.HealthChecks) > 0 && t.HealthCheckResults == nil:
		return "its health is not known yet"
	case healthCheck && len(a.HealthChecks) > 0 && !anyAlive(t.HealthCheckResults):
		return "it fails its health check"
	case a.Mode() == api.NetworkContainer && len(t.IPAddresses) == 0:
		return "it has no address of its own yet"
	case len(taskPorts(&a.App, t)) == 0:
		return "it has no ports yet"
	}
	return "its address is not known, another task has the same one, or it has no port at this position"
}
