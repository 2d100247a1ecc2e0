package httpapi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		rule, path string
		want       target
	}{
		{"root", "/", target{route: routeRoot}},
		{"root without a slash", "", target{route: routeRoot}},
		{"collection", "/v2/apps", target{route: routeApps}},
		{"trailing slash", "/v2/apps/", target{route: routeApps}},
		{"id with a group", "/v2/apps/group/app", target{route: routeApp, id: "/group/app"}},
		{"absolute id after the slash", "/v2/apps//group/app", target{route: routeApp, id: "/group/app"}},
		{"id and trailing slash", "/v2/apps/group/app/", target{route: routeApp, id: "/group/app"}},
		{"restart", "/v2/apps/a/b/restart", target{route: routeRestart, id: "/a/b"}},
		{"an id may begin with restart", "/v2/apps/restart/a", target{route: routeApp, id: "/restart/a"}},
		{"tasks", "/v2/apps//a/tasks", target{route: routeAppTasks, id: "/a"}},
		{"one task", "/v2/apps/a/b/tasks/a_b.1", target{route: routeAppTask, id: "/a/b", arg: "a_b.1"}},
		{"an id may be tasks/x", "/v2/apps/tasks/x", target{route: routeApp, id: "/tasks/x"}},
		{"tasks of tasks/x", "/v2/apps/tasks/x/tasks", target{route: routeAppTasks, id: "/tasks/x"}},
		{"versions", "/v2/apps/a/versions", target{route: routeVersions, id: "/a"}},
		{"version", "/v2/apps/a/versions/2026-01-02T03:04:05.000Z",
			target{route: routeVersion, id: "/a", arg: "2026-01-02T03:04:05.000Z"}},
		{"all below a group", "/v2/apps/g/*", target{route: routeAppsBelow, id: "/g"}},
		{"all", "/v2/apps/*", target{route: routeAppsBelow, id: "/"}},
		{"tasks below a group", "/v2/apps/g/h/*/tasks", target{route: routeAppTasksBelow, id: "/g/h"}},
		{"delete tasks", "/v2/tasks/delete", target{route: routeTasksDelete}},
		{"logs", "/v2/tasks/a.1/logs", target{route: routeTaskLogs, arg: "a.1"}},
		{"queue delay", "/v2/queue//g/a/delay", target{route: routeQueueDelay, id: "/g/a"}},
		{"queue entry without delay", "/v2/queue/a", target{route: routeUnknown}},
		{"deployment", "/v2/deployments/1-2", target{route: routeDeployment, arg: "1-2"}},
		{"groups", "/v2/groups/a/b", target{route: routeGroups, id: "/a/b"}},
		{"pods are unknown", "/v2/pods", target{route: routeUnknown}},
		{"pods below too", "/v2/pods/a::status", target{route: routeUnknown}},
		{"prometheus", "/metrics/prometheus", target{route: routePrometheus}},
		{"page", "/ui/app.js", target{route: routeUI}},
		{"only v2", "/v2", target{route: routeUnknown}},
		{"case counts", "/V2/apps", target{route: routeUnknown}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, match(tc.path), cmp.AllowUnexported(target{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}
