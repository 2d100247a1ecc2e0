package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// route names an endpoint. The text is the route label of the metrics, so the set is closed.
type route string

const (
	routeRoot          route = "/"
	routeUI            route = "/ui/"
	routePing          route = "/ping"
	routeHealthz       route = "/healthz"
	routeReadyz        route = "/readyz"
	routeMetrics       route = "/metrics"
	routePrometheus    route = "/metrics/prometheus"
	routeAcks          route = "/v1/acks"
	routeBackup        route = "/v1/backup"
	routePlan          route = "/v1/plan"
	routeApps          route = "/v2/apps"
	routeApp           route = "/v2/apps/{id}"
	routeAppsBelow     route = "/v2/apps/{group}/*"
	routeRestart       route = "/v2/apps/{id}/restart"
	routeVersions      route = "/v2/apps/{id}/versions"
	routeVersion       route = "/v2/apps/{id}/versions/{version}"
	routeAppTasks      route = "/v2/apps/{id}/tasks"
	routeAppTasksBelow route = "/v2/apps/{group}/*/tasks"
	routeAppTask       route = "/v2/apps/{id}/tasks/{task}"
	routeTasks         route = "/v2/tasks"
	routeTasksDelete   route = "/v2/tasks/delete"
	routeTaskLogs      route = "/v2/tasks/{task}/logs"
	routeGroups        route = "/v2/groups"
	routeGroupVersions route = "/v2/groups/{id}/versions"
	routeGroupVersion  route = "/v2/groups/{id}/versions/{version}"
	routeDeployments   route = "/v2/deployments"
	routeDeployment    route = "/v2/deployments/{id}"
	routeQueue         route = "/v2/queue"
	routeQueueDelay    route = "/v2/queue/{id}/delay"
	routeInfo          route = "/v2/info"
	routeLeader        route = "/v2/leader"
	routeEvents        route = "/v2/events"
	routeCallbacks     route = "/v2/eventSubscriptions"
	routeMesosState    route = "/master/state"
	routeUnknown       route = "unknown"
)

// target is what a path addresses: an endpoint, the app or group id in it, and one more argument.
type target struct {
	route route
	id    string // absolute, as written; not yet checked
	arg   string // version, task or deployment
}

// fixed are the paths without a variable part.
var fixed = map[string]route{
	"":                      routeRoot,
	"ui":                    routeUI,
	"ping":                  routePing,
	"healthz":               routeHealthz,
	"readyz":                routeReadyz,
	"metrics":               routeMetrics,
	"metrics/prometheus":    routePrometheus,
	"v1/acks":               routeAcks,
	"v1/backup":             routeBackup,
	"v1/plan":               routePlan,
	"v2/apps":               routeApps,
	"v2/tasks":              routeTasks,
	"v2/tasks/delete":       routeTasksDelete,
	"v2/groups":             routeGroups,
	"v2/deployments":        routeDeployments,
	"v2/queue":              routeQueue,
	"v2/info":               routeInfo,
	"v2/leader":             routeLeader,
	"v2/events":             routeEvents,
	"v2/eventSubscriptions": routeCallbacks,
	"master/state":          routeMesosState,
	"master/state.json":     routeMesosState, // before Mesos 1.0
}

// match finds what a decoded path addresses. Empty segments count for nothing, so /v2/apps//a/b, /v2/apps/%2Fa%2Fb and a
// trailing slash all work; net/http's mux would redirect them and turn a PUT into a GET.
func match(path string) target {
	segs := slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
	if r, ok := fixed[strings.Join(segs, "/")]; ok {
		return target{route: r}
	}
	if segs[0] == "ui" {
		return target{route: routeUI}
	}
	if len(segs) < 3 || segs[0] != "v2" {
		return target{route: routeUnknown}
	}
	rest := segs[2:]
	switch segs[1] {
	case "apps":
		return matchApp(rest)
	case "groups":
		return matchGroup(rest)
	case "tasks":
		if len(rest) == 2 && rest[1] == "logs" {
			return target{route: routeTaskLogs, arg: rest[0]}
		}
	case "deployments":
		if len(rest) == 1 {
			return target{route: routeDeployment, arg: rest[0]}
		}
	case "queue":
		if n := len(rest) - 1; n > 0 && rest[n] == "delay" {
			return target{route: routeQueueDelay, id: absolute(rest[:n])}
		}
	}
	return target{route: routeUnknown}
}

// matchApp tells an id from what follows it by the last or last-but-one segment: ids may not end in restart, tasks or
// versions, nor have tasks or versions as last-but-one segment with something before it.
func matchApp(segs []string) target {
	n := len(segs) - 1
	last := segs[n]
	switch {
	case last == "*":
		return target{route: routeAppsBelow, id: absolute(segs[:n])}
	case n >= 1 && last == "tasks" && segs[n-1] == "*":
		return target{route: routeAppTasksBelow, id: absolute(segs[:n-1])}
	case n >= 1 && last == "restart":
		return target{route: routeRestart, id: absolute(segs[:n])}
	case n >= 1 && last == "versions":
		return target{route: routeVersions, id: absolute(segs[:n])}
	case n >= 1 && last == "tasks":
		return target{route: routeAppTasks, id: absolute(segs[:n])}
	case n >= 2 && segs[n-1] == "versions":
		return target{route: routeVersion, id: absolute(segs[:n-1]), arg: last}
	case n >= 2 && segs[n-1] == "tasks":
		return target{route: routeAppTask, id: absolute(segs[:n-1]), arg: last}
	}
	return target{route: routeApp, id: absolute(segs)}
}

// matchGroup tells an id from what follows it as matchApp does. The root's versions have no id before them.
func matchGroup(segs []string) target {
	n := len(segs) - 1
	switch {
	case segs[n] == "versions":
		return target{route: routeGroupVersions, id: absolute(segs[:n])}
	case n >= 1 && segs[n-1] == "versions":
		return target{route: routeGroupVersion, id: absolute(segs[:n-1]), arg: segs[n]}
	}
	return target{route: routeGroups, id: absolute(segs)}
}

func absolute(segs []string) string { return "/" + strings.Join(segs, "/") }

// allow lists the methods of an endpoint for the Allow header: HEAD goes wherever GET does, OPTIONS always.
func allow(methods map[string]handler) string {
	out := []string{http.MethodOptions}
	for m := range methods {
		out = append(out, m)
		if m == http.MethodGet {
			out = append(out, http.MethodHead)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
