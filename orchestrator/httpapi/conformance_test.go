package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"berth/orchestrator/api"
)

const version1 = "2026-01-02T03:04:05.001Z" // of /web in a seeded fake

// conformance states the API rule by rule: a request, its status, members of the answer (path to value as text) and
// headers. "*" stands for any value that is there.
var conformance = []struct {
	rule, method, target, body string
	send                       []string
	status                     int
	want                       map[string]string
	header                     map[string]string
}{
	// marathon-api.md section 2: conventions and errors.
	{rule: "every error is JSON with a message, unknown routes too", method: "GET", target: "/v2/cluster", status: 404,
		want: map[string]string{"message": "no such endpoint: /v2/cluster"}},
	{rule: "a wrong method names the right ones", method: "POST", target: "/v2/info", status: 405,
		want: map[string]string{"message": "Method Not Allowed"}, header: map[string]string{"Allow": "GET, HEAD, OPTIONS"}},
	{rule: "OPTIONS names the methods", method: "OPTIONS", target: "/v2/apps/web", status: 204,
		header: map[string]string{"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"}},
	{rule: "answers are not cached", method: "GET", target: "/v2/apps", status: 200, header: map[string]string{
		"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache", "Expires": "0",
		"X-Frame-Options": "DENY", "X-Xss-Protection": "1; mode=block", "X-Content-Type-Options": "nosniff",
		"X-Marathon-Leader": "http://10.0.0.1:8080", "Content-Type": "application/json"}},
	{rule: "an empty body is malformed", method: "POST", target: "/v2/apps", status: 400,
		want: map[string]string{"message": "Invalid JSON", "details": "*"}},
	{rule: "text is malformed", method: "PUT", target: "/v2/apps", body: "{", status: 400,
		want: map[string]string{"message": "Invalid JSON", "details": "unexpected end of JSON input"}},
	{rule: "forms are refused", method: "POST", target: "/v2/apps", body: "a=b", status: 415,
		send: []string{"Content-Type", "application/x-www-form-urlencoded"},
		want: map[string]string{"message": "Unsupported Media Type"}},
	{rule: "plain text is refused", method: "PUT", target: "/v2/apps/web", body: "{}", status: 415,
		send: []string{"Content-Type", "text/plain"}, want: map[string]string{"message": "Unsupported Media Type"}},
	{rule: "a form is refused also without a body", method: "POST", target: "/v2/apps/web/restart", status: 415,
		send: []string{"Content-Type", "text/plain"}},
	{rule: "a charset does not matter", method: "POST", target: "/v2/tasks/delete", body: `{"ids":[]}`, status: 200,
		send: []string{"Content-Type", "application/json; charset=utf-8"}},
	{rule: "another site's page may not write", method: "POST", target: "/v2/apps/web/restart", status: 403,
		send: []string{"Sec-Fetch-Site", "cross-site"}, want: map[string]string{"message": "*"}},
	{rule: "a bulk write needs a list", method: "PUT", target: "/v2/apps", body: `{"id":"/a"}`, status: 422,
		want: map[string]string{"message": "Invalid JSON", "details/0/path": "/", "details/0/errors/0": "expected a list of objects"}},

	// Section 8.1: apps.
	{rule: "list: counts and deployments, no tasks", method: "GET", target: "/v2/apps", status: 200,
		want: map[string]string{"apps/0/id": "/prod/db", "apps/0/tasksRunning": "1", "apps/0/deployments": "[]",
			"apps/0/tasks": "(absent)", "apps/0/labels/tier": "back", "apps/1/labels": "map[]", "apps/2/id": "/web"},
		header: map[string]string{"X-Berth-Index": "3"}},
	{rule: "list with tasks keeps counts", method: "GET", target: "/v2/apps?embed=apps.tasks", status: 200,
		want: map[string]string{"apps/2/tasks/0/state": "TASK_RUNNING", "apps/2/tasksRunning": "2",
			"apps/2/deployments": "[]", "apps/1/tasks": "[]", "apps/2/lastTaskFailure": "(absent)"}},
	{rule: "a slash before the query, as Prometheus sends", method: "GET", target: "/v2/apps/?embed=apps.tasks", status: 200,
		want: map[string]string{"apps/2/tasks/1/host": "*"}},
	{rule: "task stats come in both spellings", method: "GET", target: "/v2/apps?embed=apps.taskStats&embed=apps.readiness",
		status: 200, want: map[string]string{"apps/2/taskStats/totalSummary/stats/counts/running": "2",
			"apps/2/tasksStats/withLatestConfig/stats/counts/running": "2", "apps/2/readinessCheckResults": "[]",
			"apps/2/taskStats/withOutdatedConfig": "(absent)"}},
	{rule: "unknown embeds are ignored", method: "GET", target: "/v2/apps?embed=nonsense", status: 200,
		want: map[string]string{"apps/2/tasks": "(absent)"}},
	{rule: "filter by id, whatever the case", method: "GET", target: "/v2/apps?id=DB", status: 200,
		want: map[string]string{"apps/0/id": "/prod/db", "apps/1": "(absent)"}},
	{rule: "filters are ANDed", method: "GET", target: "/v2/apps?id=prod&cmd=SLEEP", status: 200,
		want: map[string]string{"apps/0/id": "/prod/sub/api", "apps/1": "(absent)"}},
	{rule: "no match is an empty list", method: "GET", target: "/v2/apps?id=zzz", status: 200,
		want: map[string]string{"apps": "[]"}},
	{rule: "create answers the app", method: "POST", target: "/v2/apps", body: `{"id":"/new","cmd":"x","instances":3}`,
		status: 201, want: map[string]string{"id": "/new", "instances": "3", "tasks": "[]", "tasksStaged": "0",
			"tasksRunning": "0", "tasksHealthy": "0", "tasksUnhealthy": "0", "deployments/0/id": "*", "version": "*"},
		header: map[string]string{"Location": "/v2/apps/new", "Marathon-Deployment-Id": "*"}},
	{rule: "a taken id has no deployments key", method: "POST", target: "/v2/apps", body: `{"id":"/web","cmd":"x"}`, status: 409,
		want: map[string]string{"message": "An app with id [/web] already exists.", "deployments": "(absent)"}},
	{rule: "single: tasks by default", method: "GET", target: "/v2/apps/web", status: 200,
		want:   map[string]string{"app/id": "/web", "app/tasks/1/appId": "/web", "app/deployments": "[]", "app/tasksRunning": "2"},
		header: map[string]string{"X-Berth-Index": "3"}},
	{rule: "an escaped id", method: "GET", target: "/v2/apps/%2Fprod%2Fdb", status: 200,
		want: map[string]string{"app/id": "/prod/db"}},
	{rule: "an id with its slash", method: "GET", target: "/v2/apps//prod/db", status: 200,
		want: map[string]string{"app/id": "/prod/db"}},
	{rule: "an unknown app", method: "GET", target: "/v2/apps/x", status: 404,
		want: map[string]string{"message": "App '/x' does not exist"}},
	{rule: "an id no app can have", method: "DELETE", target: "/v2/apps/Not_An_Id", status: 404,
		want: map[string]string{"message": "App '/Not_An_Id' does not exist"}},
	{rule: "all below a group", method: "GET", target: "/v2/apps/prod/*", status: 200,
		want: map[string]string{"*/0/id": "/prod/db", "*/1/id": "/prod/sub/api", "*/2": "(absent)"}},
	{rule: "nothing below a group", method: "GET", target: "/v2/apps/web/*", status: 200, want: map[string]string{"*": "[]"}},
	{rule: "PUT makes an unknown app", method: "PUT", target: "/v2/apps/new", body: `{"cmd":"x"}`, status: 201,
		want:   map[string]string{"version": "*", "deploymentId": "*"},
		header: map[string]string{"Marathon-Deployment-Id": "*", "Location": "/v2/apps/new"}},
	{rule: "PUT of a known app", method: "PUT", target: "/v2/apps/web", body: `{"instances":3}`, status: 200,
		want: map[string]string{"version": "*", "deploymentId": "*"}},
	{rule: "an empty update does nothing, but answers", method: "PUT", target: "/v2/apps/web", body: `{}`, status: 200,
		want: map[string]string{"version": "*", "deploymentId": "*"}},
	{rule: "the body may not name another app", method: "PUT", target: "/v2/apps/web", body: `{"id":"/other","cmd":"x"}`,
		status: 422, want: map[string]string{"details/0/path": "/id", "message": "Object is not valid"}},
	{rule: "a dry run shows the app", method: "PUT", target: "/v2/apps/web?dryRun=true", body: `{"cmd":"x"}`, status: 200,
		want: map[string]string{"app/id": "/web", "steps/0/actions/0/action": "ScaleApplication"}},
	{rule: "only the text true is true", method: "PUT", target: "/v2/apps/web?dryRun=1", body: `{"cmd":"x"}`, status: 200,
		want: map[string]string{"deploymentId": "*"}},
	{rule: "PATCH makes nothing", method: "PATCH", target: "/v2/apps/new", body: `{"cmd":"x"}`, status: 404,
		want: map[string]string{"message": "App '/new' does not exist"}},
	{rule: "PATCH changes", method: "PATCH", target: "/v2/apps/web", body: `{"instances":1}`, status: 200,
		want: map[string]string{"deploymentId": "*"}},
	{rule: "roll back to an unknown version", method: "PUT", target: "/v2/apps/web", body: `{"version":"2001-01-01T00:00:00.000Z"}`,
		status: 404, want: map[string]string{"message": "App '/web' does not exist in version 2001-01-01T00:00:00.000Z"}},
	{rule: "roll back", method: "PUT", target: "/v2/apps/web", body: `{"version":"` + version1 + `"}`, status: 200,
		want: map[string]string{"deploymentId": "*"}},
	{rule: "delete", method: "DELETE", target: "/v2/apps/web", status: 200, want: map[string]string{"deploymentId": "*"},
		header: map[string]string{"Marathon-Deployment-Id": "*"}},
	{rule: "delete an unknown app", method: "DELETE", target: "/v2/apps/x", status: 404},
	{rule: "restart needs no body", method: "POST", target: "/v2/apps/web/restart", status: 200,
		want: map[string]string{"deploymentId": "*"}},
	{rule: "restart an unknown app", method: "POST", target: "/v2/apps/x/restart", status: 404},
	{rule: "versions", method: "GET", target: "/v2/apps/web/versions", status: 200, want: map[string]string{"versions/0": version1}},
	{rule: "versions of an unknown app", method: "GET", target: "/v2/apps/x/versions", status: 404},
	{rule: "a version is the bare app", method: "GET", target: "/v2/apps/web/versions/" + version1, status: 200,
		want: map[string]string{"id": "/web", "version": version1, "tasks": "(absent)", "labels/tier": "front"}},
	{rule: "a version that cannot be read", method: "GET", target: "/v2/apps/web/versions/yesterday", status: 422,
		want: map[string]string{"message": "*", "details": "(absent)"}},
	{rule: "bulk: all in one deployment", method: "PUT", target: "/v2/apps", body: `[{"id":"/web","instances":1},{"id":"/n","cmd":"x"}]`,
		status: 200, want: map[string]string{"deploymentId": "*"}},
	{rule: "bulk: an id is needed", method: "PUT", target: "/v2/apps", body: `[{"id":"/web"},{"cmd":"x"}]`, status: 422,
		want: map[string]string{"details/0/path": "(1)/id"}},
	{rule: "bulk: an app only once", method: "PUT", target: "/v2/apps", body: `[{"id":"/web"},{"id":"/web"}]`, status: 422,
		want: map[string]string{"details/0/path": "(1)/id"}},
	{rule: "bulk PATCH makes nothing", method: "PATCH", target: "/v2/apps", body: `[{"id":"/n","cmd":"x"}]`, status: 404},

	// Section 8.1 and 8.2: tasks.
	{rule: "tasks of an app", method: "GET", target: "/v2/apps/web/tasks", status: 200,
		want: map[string]string{"tasks/0/appId": "/web", "tasks/0/servicePorts": "(absent)", "tasks/0/localVolumes": "[]",
			"tasks/0/ipAddresses": "[]", "tasks/2": "(absent)"}},
	{rule: "tasks of an app without any", method: "GET", target: "/v2/apps/prod/sub/api/tasks", status: 200,
		want: map[string]string{"tasks": "[]"}},
	{rule: "tasks of an unknown app", method: "GET", target: "/v2/apps/x/tasks", status: 404},
	{rule: "tasks below a group", method: "GET", target: "/v2/apps/prod/*/tasks", status: 200,
		want: map[string]string{"tasks/0/appId": "/prod/db", "tasks/1": "(absent)"}},
	{rule: "all tasks", method: "GET", target: "/v2/tasks", status: 200, want: map[string]string{"tasks/2/appId": "/web"}},
	{rule: "tasks by status", method: "GET", target: "/v2/tasks?status=running", status: 200, want: map[string]string{"tasks/2/id": "*"}},
	{rule: "ending tasks of deleted apps are among them", method: "GET", target: "/v2/tasks", status: 200,
		want: map[string]string{"tasks/3/id": "old.1", "tasks/3/servicePorts/0": "10009", "tasks/3/state": "TASK_KILLING"}},
	{rule: "tasks by status, php style", method: "GET", target: "/v2/tasks?status[]=staging", status: 200,
		want: map[string]string{"tasks": "[]"}},
	{rule: "a status nobody knows matches nothing", method: "GET", target: "/v2/tasks?status=done", status: 200,
		want: map[string]string{"tasks": "[]"}},
	{rule: "kill answers the killed", method: "DELETE", target: "/v2/apps/web/tasks", status: 200,
		want: map[string]string{"tasks/1/appId": "/web", "tasks/2": "(absent)"}},
	{rule: "kill on one host", method: "DELETE", target: "/v2/apps/web/tasks?host=host0", status: 200,
		want: map[string]string{"tasks/0/host": "host0", "tasks/1": "(absent)"}},
	{rule: "kill and scale is a deployment", method: "DELETE", target: "/v2/apps/web/tasks?scale=true", status: 200,
		want: map[string]string{"deploymentId": "*"}, header: map[string]string{"Marathon-Deployment-Id": "*"}},
	{rule: "scale and wipe exclude each other", method: "DELETE", target: "/v2/apps/web/tasks?scale=true&wipe=true", status: 400,
		want: map[string]string{"message": "scale and wipe exclude each other"}},
	{rule: "kill one", method: "DELETE", target: "/v2/apps/web/tasks/web.00000000-0000-4000-8000-000000000001", status: 200,
		want: map[string]string{"task/id": "web.00000000-0000-4000-8000-000000000001"}},
	{rule: "kill one of another app", method: "DELETE", target: "/v2/apps/prod/db/tasks/web.00000000-0000-4000-8000-000000000001",
		status: 404, want: map[string]string{"message": "Task 'web.00000000-0000-4000-8000-000000000001' does not exist"}},
	{rule: "bulk kill skips the unknown", method: "POST", target: "/v2/tasks/delete",
		body: `{"ids":["web.00000000-0000-4000-8000-000000000001","gone.1"]}`, status: 200,
		want: map[string]string{"tasks/0/appId": "/web", "tasks/1": "(absent)"}},
	{rule: "bulk kill and scale", method: "POST", target: "/v2/tasks/delete?scale=true",
		body: `{"ids":["web.00000000-0000-4000-8000-000000000001"]}`, status: 200, want: map[string]string{"deploymentId": "*"}},
	{rule: "a malformed task id kills nothing", method: "POST", target: "/v2/tasks/delete", body: `{"ids":["nodot"]}`, status: 400,
		want: map[string]string{"message": "*"}},
	{rule: "ids of the wrong type", method: "POST", target: "/v2/tasks/delete", body: `{"ids":"a.1"}`, status: 422,
		want: map[string]string{"message": "Invalid JSON", "details/0/path": "/ids"}},
	{rule: "keys are case-sensitive", method: "POST", target: "/v2/tasks/delete", body: `{"IDS":["a.1"]}`, status: 422,
		want: map[string]string{"message": "Object is not valid", "details/0/path": "/ids"}},

	// Section 8.3: groups.
	{rule: "the tree of groups", method: "GET", target: "/v2/groups", status: 200,
		want: map[string]string{"id": "/", "apps/0/id": "/web", "apps/0/tasksRunning": "(absent)", "groups/0/id": "/prod",
			"groups/0/groups/0/apps/0/id": "/prod/sub/api", "pods": "[]", "dependencies": "[]", "enforceRole": "false"}},
	{rule: "one group, with what is asked for", method: "GET", target: "/v2/groups/prod?embed=group.apps&embed=group.apps.counts",
		status: 200, want: map[string]string{"apps/0/tasksRunning": "1", "groups": "[]"}},
	{rule: "an unknown group", method: "GET", target: "/v2/groups/x", status: 404,
		want: map[string]string{"message": "Group '/x' does not exist"}},
	{rule: "an id no group can have", method: "GET", target: "/v2/groups/Not_An_Id", status: 404,
		want: map[string]string{"message": "Group '/Not_An_Id' does not exist"}},
	{rule: "groups are not patched", method: "PATCH", target: "/v2/groups/prod", body: "{}", status: 405,
		want: map[string]string{"message": "*"}, header: map[string]string{"Allow": "DELETE, GET, HEAD, OPTIONS, POST, PUT"}},
	{rule: "versions of the root are a bare list", method: "GET", target: "/v2/groups/versions", status: 200,
		want: map[string]string{"0": "2026-01-02T03:04:05.003Z", "1": "2026-01-02T03:04:05.002Z"}},
	{rule: "versions of a group", method: "GET", target: "/v2/groups//prod/versions/", status: 200, want: map[string]string{"0": "*"}},
	{rule: "versions of an unknown group", method: "GET", target: "/v2/groups/x/versions", status: 404,
		want: map[string]string{"message": "Group '/x' does not exist"}},
	{rule: "one version of the root", method: "GET", target: "/v2/groups/versions/2026-01-02T03:04:05.003Z", status: 200,
		want: map[string]string{"id": "/"}},
	{rule: "one version of a group", method: "GET", target: "/v2/groups/prod/versions/2026-01-02T03:04:05.003Z", status: 200,
		want: map[string]string{"id": "/prod"}},
	{rule: "an unknown version of a group has only a message", method: "GET",
		target: "/v2/groups/prod/versions/2001-01-02T03:04:05.003Z", status: 422,
		want: map[string]string{"message": "Group '/prod' has no version 2001-01-02T03:04:05.003Z", "details": "(absent)"}},
	{rule: "no version at all", method: "GET", target: "/v2/groups/prod/versions/x", status: 422,
		want: map[string]string{"message": "*", "details": "(absent)"}},
	{rule: "create a group", method: "POST", target: "/v2/groups", body: `{"id":"new","apps":[{"id":"a","cmd":"x"}]}`, status: 201,
		want:   map[string]string{"version": "*", "deploymentId": "*"},
		header: map[string]string{"Location": "/v2/groups/new", "Marathon-Deployment-Id": "*"}},
	{rule: "create a group in a group", method: "POST", target: "/v2/groups/prod", body: `{"id":"new"}`, status: 201,
		header: map[string]string{"Location": "/v2/groups/prod/new"}},
	{rule: "create the group of the path", method: "POST", target: "/v2/groups/a/new", body: `{}`, status: 201,
		header: map[string]string{"Location": "/v2/groups/a/new"}},
	{rule: "a new group needs an id", method: "POST", target: "/v2/groups", body: `{"apps":[]}`, status: 422,
		want: map[string]string{"message": "Object is not valid", "details/0/path": "/id"}},
	{rule: "a taken group has no deployments key", method: "POST", target: "/v2/groups", body: `{"id":"/prod"}`, status: 409,
		want: map[string]string{"message": "A group with id [/prod] already exists.", "deployments": "(absent)"}},
	{rule: "a new group has no past", method: "POST", target: "/v2/groups", body: `{"id":"/new","scaleBy":2}`, status: 422,
		want: map[string]string{"details/0/path": "/"}},
	{rule: "PUT of a group", method: "PUT", target: "/v2/groups/prod", body: `{"id":"/prod","dependencies":["/web"]}`, status: 200,
		want: map[string]string{"version": "*", "deploymentId": "*"}, header: map[string]string{"Marathon-Deployment-Id": "*"}},
	{rule: "PUT may name the group relative to its parent", method: "PUT", target: "/v2/groups/prod/sub", body: `{"id":"sub"}`, status: 200},
	{rule: "PUT may not name another group", method: "PUT", target: "/v2/groups/prod", body: `{"id":"/other"}`, status: 422,
		want: map[string]string{"details/0/path": "/id"}},
	{rule: "a dry run of a group only shows steps", method: "PUT", target: "/v2/groups/prod?dryRun=true", body: `{"scaleBy":2}`,
		status: 200, want: map[string]string{"steps/0/actions": "[]", "app": "(absent)", "deploymentId": "(absent)"},
		header: map[string]string{"Marathon-Deployment-Id": ""}},
	{rule: "errors in a group carry their path", method: "PUT", target: "/v2/groups",
		body: `{"groups":[{"id":"g","apps":[{"id":"a","cmd":"x"},{"id":"B","cmd":"x","instances":-1}]}]}`, status: 422,
		want: map[string]string{"message": "Object is not valid", "details/0/path": "/groups(0)/apps(1)/id",
			"details/1/path": "/groups(0)/apps(1)/instances"}},
	{rule: "wrong types in a group", method: "PUT", target: "/v2/groups/g", body: `{"apps":[{"id":"a","instances":"2"}],"scaleBy":"x"}`,
		status: 422, want: map[string]string{"message": "Invalid JSON", "details/0/path": "/apps(0)/instances", "details/1/path": "/scaleBy"}},
	{rule: "unknown fields of a group are told", method: "PUT", target: "/v2/groups/g", body: `{"Apps":[],"apps":[{"id":"a","cmd":"x","y":1}]}`,
		status: 200, header: map[string]string{"X-Unknown-Fields": "/Apps, /apps(0)/y"}},
	{rule: "unknown fields of a group, strictly", method: "PUT", target: "/v2/groups/g?strict=true", body: `{"Apps":[]}`, status: 422,
		want: map[string]string{"details/0/path": "/Apps"}},
	{rule: "delete a group", method: "DELETE", target: "/v2/groups/prod", status: 200, want: map[string]string{"deploymentId": "*"}},
	{rule: "delete an unknown group", method: "DELETE", target: "/v2/groups/x", status: 404,
		want: map[string]string{"message": "Group '/x' does not exist"}},
	{rule: "empty the root", method: "DELETE", target: "/v2/groups", status: 200, want: map[string]string{"deploymentId": "*"}},

	// Section 8.4 to 8.8.
	{rule: "deployments are a bare list", method: "GET", target: "/v2/deployments", status: 200,
		want: map[string]string{"0/id": "d1", "0/affectedPods": "[]", "0/steps/0/actions": "[]",
			"0/currentActions/0/readinessCheckResults": "[]"}},
	{rule: "one deployment (Berth's own)", method: "GET", target: "/v2/deployments/d1", status: 200,
		want: map[string]string{"id": "d1", "gates": "[]", "waitingFor": "[]"}},
	{rule: "one unknown deployment", method: "GET", target: "/v2/deployments/d2", status: 404,
		want: map[string]string{"message": "DeploymentPlan 'd2' does not exist"}},
	{rule: "roll a deployment back", method: "DELETE", target: "/v2/deployments/d1", status: 200,
		want: map[string]string{"deploymentId": "*"}, header: map[string]string{"Marathon-Deployment-Id": "*"}},
	{rule: "stop a deployment", method: "DELETE", target: "/v2/deployments/d1?force=true", status: 202},
	{rule: "an unknown deployment", method: "DELETE", target: "/v2/deployments/d2", status: 404,
		want: map[string]string{"message": "DeploymentPlan 'd2' does not exist"}},
	{rule: "the queue", method: "GET", target: "/v2/queue", status: 200,
		want: map[string]string{"queue/0/count": "2", "queue/0/explain": "[]", "queue/0/app/id": "/prod/db",
			"queue/0/lastUnusedOffers": "(absent)", "queue/0/processedOffersSummary/rejectSummaryLastOffers": "[]"}},
	{rule: "the queue with offers", method: "GET", target: "/v2/queue?embed=lastUnusedOffers", status: 200,
		want: map[string]string{"queue/0/lastUnusedOffers": "[]"}},
	{rule: "end a delay", method: "DELETE", target: "/v2/queue/prod/db/delay", status: 204},
	{rule: "no delay to end", method: "DELETE", target: "/v2/queue/web/delay", status: 404,
		want: map[string]string{"message": "App '/web' is not in the queue"}},
	{rule: "info looks like Marathon's", method: "GET", target: "/v2/info", status: 200,
		want: map[string]string{"name": "marathon", "version": "1.11.24", "elected": "true", "leader": "10.0.0.1:8080",
			"marathon_config/local_port_min": "10000", "http_config/http_port": "8080", "zookeeper_config": "map[]",
			"orchestrator/name": "berth"}},
	{rule: "leader", method: "GET", target: "/v2/leader", status: 200, want: map[string]string{"leader": "10.0.0.1:8080"}},
	{rule: "nobody to hand over to", method: "DELETE", target: "/v2/leader", status: 404, want: map[string]string{"message": "*"}},
	{rule: "the original Mesos-DNS reads Mesos' own document", method: "GET", target: "/master/state", status: 200,
		want: map[string]string{"leader": "master@10.0.0.1:8080", "slaves/0/id": "a1", "slaves/0/pid": "slave(1)@host1:5051",
			"frameworks/0/name": "marathon", "frameworks/0/active": "true", "frameworks/0/tasks/0/name": "db.prod",
			"frameworks/0/tasks/0/slave_id": "a1", "frameworks/0/tasks/0/state": "TASK_RUNNING",
			"frameworks/0/tasks/0/resources/ports": "[31003-31003]", "frameworks/0/tasks/0/labels/0/key": "tier",
			"frameworks/0/tasks/0/statuses/0/state":                                         "TASK_RUNNING",
			"frameworks/0/tasks/0/statuses/0/container_status/network_infos/0/ip_addresses": "[]",
			"frameworks/0/tasks/0/discovery/ports/ports/0/number":                           "31003",
			"frameworks/0/tasks/0/discovery/ports/ports/0/protocol":                         "tcp",
			"frameworks/0/tasks/0/discovery/ports/ports/0/labels/labels/0/value":            "host"}},
	{rule: "the same under its older name", method: "GET", target: "/master/state.json", status: 200,
		want: map[string]string{"frameworks/0/id": "berth"}},
	{rule: "HEAD of pods", method: "HEAD", target: "/v2/pods", status: 404},
	{rule: "pods", method: "GET", target: "/v2/pods", status: 404, want: map[string]string{"message": "*"}},
	{rule: "callbacks are off", method: "POST", target: "/v2/eventSubscriptions?callbackUrl=http://h/", status: 400,
		want: map[string]string{"message": "*"}},
	{rule: "HEAD goes where GET does", method: "HEAD", target: "/v2/apps", status: 200},
	{rule: "the event stream needs its type", method: "GET", target: "/v2/events", status: 405,
		send: []string{"Accept", "*/*"}, want: map[string]string{"message": "Method Not Allowed"}},
	{rule: "ping in JSON", method: "GET", target: "/ping", status: 200, send: []string{"Accept", "application/json"},
		header: map[string]string{"Content-Type": "application/json"}},
	{rule: "the page", method: "GET", target: "/", status: 302, header: map[string]string{"Location": "/ui/"}},
	{rule: "metrics in JSON", method: "GET", target: "/metrics", status: 200,
		want: map[string]string{"gauges/berth_apps/value": "3", "gauges/berth_tasks.TASK_RUNNING/value": "3"}},
	{rule: "healthz", method: "GET", target: "/healthz", status: 200, want: map[string]string{"message": "ok"}},
	{rule: "readyz", method: "GET", target: "/readyz", status: 200, want: map[string]string{"message": "ready"}},

	// Section 15: additions.
	{rule: "acknowledge", method: "POST", target: "/v1/acks", body: `{"subscriber":"m1","role":"mlb","index":3,"sessions":{"a.1":2}}`,
		status: 204},
	{rule: "acknowledge without a name", method: "POST", target: "/v1/acks", body: `{"index":3}`, status: 422,
		want: map[string]string{"details/0/path": "/subscriber"}},
	{rule: "acknowledge a negative index", method: "POST", target: "/v1/acks", body: `{"subscriber":"m1","index":-3}`, status: 422,
		want: map[string]string{"details/0/path": "/index"}},
	{rule: "logs of an unknown task", method: "GET", target: "/v2/tasks/x.1/logs", status: 404,
		want: map[string]string{"message": "Task 'x.1' does not exist"}},
	{rule: "logs of a stream nobody has", method: "GET", target: "/v2/tasks/a.1/logs?stream=stdin", status: 422,
		want: map[string]string{"message": `parameter stream "stdin": expected stdout or stderr`}},
	{rule: "logs with a bad number", method: "GET", target: "/v2/tasks/a.1/logs?lines=-1", status: 422},
}

func TestConformance(t *testing.T) {
	for _, tc := range conformance {
		t.Run(tc.rule, func(t *testing.T) {
			f, s := seeded(t)
			f.running = []api.Deployment{{ID: "d1", Steps: make([]api.DeploymentStep, 1), CurrentActions: make([]api.DeploymentAction, 1)}}
			f.queue = []api.QueueEntry{{Count: 2, App: &f.apps["/prod/db"].App}}
			w := do(s, tc.method, tc.target, tc.body, tc.send...)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d; body %s", w.Code, tc.status, w.Body)
			}
			for name, want := range tc.header {
				if got := w.Header().Get(name); got != want && (want != "*" || got == "") {
					t.Errorf("header %s: %q, want %q", name, got, want)
				}
			}
			if w.Body.Len() == 0 {
				if len(tc.want) > 0 {
					t.Fatal("no body")
				}
				return
			}
			checkBody(t, w.Body.Bytes(), tc.want, tc.status)
		})
	}
}

func checkBody(t *testing.T, body []byte, want map[string]string, status int) {
	t.Helper()
	doc := decoded(t, body)
	for path, want := range want {
		got := fmt.Sprint(dig(doc, path))
		if want == "*" && got != "(absent)" && got != "" {
			continue
		}
		if got != want {
			t.Errorf("%s: %s, want %s\nin %s", path, got, want, body)
		}
	}
	if msg, ok := dig(doc, "message").(string); status >= 400 && (!ok || strings.TrimSpace(msg) == "") {
		t.Errorf("an error without a message: %s", body)
	}
	if path := findNull("", doc); path != "" {
		t.Errorf("null at %s in %s", path, body)
	}
}

// findNull returns the path of the first null in a decoded document: clients delete null members and then index them.
func findNull(path string, v any) string {
	switch x := v.(type) {
	case nil:
		return path + "/"
	case map[string]any:
		for k, e := range x {
			if p := findNull(path+"/"+k, e); p != "" {
				return p
			}
		}
	case []any:
		for i, e := range x {
			if p := findNull(fmt.Sprintf("%s(%d)", path, i), e); p != "" {
				return p
			}
		}
	}
	return ""
}

// TestLockedNamesItsDeployment holds the second kind of 409: go-marathon knows it by its deployments alone.
func TestLockedNamesItsDeployment(t *testing.T) {
	f, s := seeded(t)
	f.locked["/web"] = "d1"
	w := do(s, "PUT", "/v2/apps/web", `{"instances":5}`)
	if got := dig(decoded(t, w.Body.Bytes()), "deployments/0/id"); w.Code != http.StatusConflict || got != "d1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(s, "PUT", "/v2/apps/web?force=true", `{"instances":5}`); w.Code != http.StatusOK {
		t.Errorf("forced: %d %s", w.Code, w.Body)
	}
	if w := do(s, "DELETE", "/v2/apps/web", ""); w.Code != http.StatusOK {
		t.Errorf("force is the default of DELETE: %d %s", w.Code, w.Body)
	}
}
