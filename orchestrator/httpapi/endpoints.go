package httpapi

import "net/http"

// handler answers one method of one endpoint. What it returns as an error has not been answered yet.
type handler func(s *Server, w http.ResponseWriter, c *call) error

// endpoints is the whole API: what each route can do. A route without methods is unknown: 404.
var endpoints = map[route]map[string]handler{
	routeRoot:       {"GET": (*Server).root},
	routeUI:         {"GET": (*Server).page},
	routePing:       {"GET": (*Server).ping},
	routeHealthz:    {"GET": (*Server).healthz},
	routeReadyz:     {"GET": (*Server).readyz},
	routeMetrics:    {"GET": (*Server).metricsAny},
	routePrometheus: {"GET": (*Server).metricsText},
	routeAcks:       {"POST": (*Server).ack},
	routeBackup:     {"GET": (*Server).backup},
	routePlan:       {"POST": (*Server).plan},

	routeApps: {
		"GET":   (*Server).listApps,
		"POST":  (*Server).createApp,
		"PUT":   (*Server).putApps,
		"PATCH": (*Server).patchApps,
	},
	routeApp: {
		"GET":    (*Server).showApp,
		"PUT":    (*Server).putApp,
		"PATCH":  (*Server).patchApp,
		"DELETE": (*Server).deleteApp,
	},
	routeAppsBelow:     {"GET": (*Server).listAppsBelow},
	routeRestart:       {"POST": (*Server).restartApp},
	routeVersions:      {"GET": (*Server).listVersions},
	routeVersion:       {"GET": (*Server).showVersion},
	routeAppTasks:      {"GET": (*Server).listAppTasks, "DELETE": (*Server).killAppTasks},
	routeAppTasksBelow: {"GET": (*Server).listAppTasksBelow},
	routeAppTask:       {"DELETE": (*Server).killAppTask},

	routeTasks:       {"GET": (*Server).listTasks},
	routeTasksDelete: {"POST": (*Server).deleteTasks},
	routeTaskLogs:    {"GET": (*Server).taskLogs},
	routeGroups: {
		"GET":    (*Server).showGroup,
		"POST":   (*Server).createGroup,
		"PUT":    (*Server).putGroup,
		"DELETE": (*Server).deleteGroup,
	},
	routeGroupVersions: {"GET": (*Server).listGroupVersions},
	routeGroupVersion:  {"GET": (*Server).showGroupVersion},

	routeDeployments: {"GET": (*Server).listDeployments},
	routeDeployment:  {"GET": (*Server).showDeployment, "DELETE": (*Server).cancelDeployment},
	routeQueue:       {"GET": (*Server).listQueue},
	routeQueueDelay:  {"DELETE": (*Server).resetDelay},
	routeInfo:        {"GET": (*Server).info},
	routeMesosState:  {"GET": (*Server).masterState},
	routeLeader:      {"GET": (*Server).leader, "DELETE": (*Server).abdicate},
	routeEvents:      {"GET": (*Server).events},
	routeCallbacks: {
		"GET":    (*Server).callbacks,
		"POST":   (*Server).callbacks,
		"DELETE": (*Server).callbacks,
	},
}

// open routes need no credentials: probes have none.
var open = map[route]bool{routePing: true, routeHealthz: true, routeReadyz: true}
