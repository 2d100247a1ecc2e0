//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// goMarathon is a client that sends, reads and judges as the Go library of Marathon's users does: the same JSON type on
// every call, null for what is not set, an answer of 2xx that has to decode into fixed types, and errors told apart by
// their status and, for 409, by whether they name deployments. It asks another server after a 5xx, for ever: one is fatal.
type goMarathon struct {
	t    *testing.T
	base string
}

// refusal is what the library makes of an answer that is not 2xx.
type refusal struct {
	status      int
	Message     string
	Deployments []struct{ ID string }
	Details     json.RawMessage // a text with 400, a list with 422
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s %s", r.status, r.Message, r.Details) }

// duplicate and locked are the two kinds of 409.
func (r *refusal) duplicate() bool { return r.status == 409 && len(r.Deployments) == 0 }
func (r *refusal) locked() bool    { return r.status == 409 && len(r.Deployments) > 0 }

// details decodes what a 422 says of each path.
func (r *refusal) details() (out []struct {
	Path   string
	Errors []string
}) {
	_ = json.Unmarshal(r.Details, &out)
	return out
}

func (g *goMarathon) call(method, uri, body string, result any) *refusal {
	g.t.Helper()
	req, err := http.NewRequest(method, g.base+"/"+uri, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, uri, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatalf("%s %s: %v", method, uri, err)
	}
	noNulls(g.t, method+" "+uri, data)
	switch {
	case resp.StatusCode >= 500:
		g.t.Fatalf("%s %s: %d %s: the library would ask for ever", method, uri, resp.StatusCode, data)
	case resp.StatusCode/100 != 2:
		r := &refusal{status: resp.StatusCode}
		if err := json.Unmarshal(data, r); err != nil || r.Message == "" {
			g.t.Fatalf("%s %s: %d without a message in JSON: %q", method, uri, resp.StatusCode, data)
		}
		return r
	case result != nil:
		if err := json.Unmarshal(data, result); err != nil {
			g.t.Fatalf("%s %s: %v in %s", method, uri, err, data)
		}
	}
	return nil
}

// noNulls holds the first rule of the API: clients delete members that are null and then index them.
func noNulls(t *testing.T, what string, data []byte) {
	t.Helper()
	if len(data) == 0 {
		return
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		return // text, which its reader judges
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch x := v.(type) {
		case nil:
			t.Errorf("%s: null at %s in %.300s", what, path, data)
		case map[string]any:
			for k, e := range x {
				walk(path+"/"+k, e)
			}
		case []any:
			for i, e := range x {
				walk(fmt.Sprintf("%s(%d)", path, i), e)
			}
		}
	}
	walk("", doc)
}

func (g *goMarathon) must(method, uri, body string, result any) {
	g.t.Helper()
	if r := g.call(method, uri, body, result); r != nil {
		g.t.Fatalf("%s %s %s: %v", method, uri, body, r)
	}
}

// gmApp are the fields of an app that the library reads, of the types it reads them as.
type gmApp struct {
	ID                  string         `json:"id"`
	Cmd                 *string        `json:"cmd"`
	Env                 map[string]any `json:"env"` // text or object
	Instances           *int           `json:"instances"`
	CPUs                float64        `json:"cpus"`
	Ports               []int          `json:"ports"`
	PortDefinitions     *[]gmPort      `json:"portDefinitions"`
	Dependencies        []string       `json:"dependencies"`
	TasksRunning        int            `json:"tasksRunning"`
	TasksStaged         int            `json:"tasksStaged"`
	TasksHealthy        int            `json:"tasksHealthy"`
	TasksUnhealthy      int            `json:"tasksUnhealthy"`
	Tasks               []*gmTask      `json:"tasks"`
	HealthChecks        *[]gmCheck     `json:"healthChecks"`
	Deployments         []map[string]string
	Version             string             `json:"version"`
	VersionInfo         *map[string]string `json:"versionInfo"`
	Labels              *map[string]string `json:"labels"`
	UnreachableStrategy json.RawMessage    `json:"unreachableStrategy"` // text or object
	UpgradeStrategy     *struct{ MinimumHealthCapacity, MaximumOverCapacity *float64 }
	LastTaskFailure     *struct{ AppID, Message, State, TaskID, Timestamp, Version string }
	TaskStats           map[string]struct {
		Stats struct {
			Counts   map[string]int
			LifeTime map[string]float64
		}
	} `json:"taskStats"`
}

type gmPort struct {
	Port     *int               `json:"port"`
	Protocol string             `json:"protocol"`
	Labels   *map[string]string `json:"labels"`
}

type gmCheck struct {
	Protocol        string   `json:"protocol"`
	Path            *string  `json:"path"`
	IntervalSeconds float64  `json:"intervalSeconds"`
	MaxFailures     *float64 `json:"maxConsecutiveFailures"`
}

type gmTask struct {
	ID, AppID, Host, SlaveID, StagedAt, StartedAt, State, Version string
	Ports, ServicePorts                                           []int
	IPAddresses                                                   []struct{ IPAddress, Protocol string }
	HealthCheckResults                                            []*struct {
		Alive               bool
		ConsecutiveFailures int
		FirstSuccess        string
	}
}

func (a *gmApp) allRunning() bool {
	return a.Tasks != nil && len(a.Tasks) == *a.Instances && a.TasksRunning == *a.Instances
}

// ok is whether every check of every task has a result and it is alive.
func (a *gmApp) ok() bool {
	if !a.allRunning() {
		return false
	}
	for _, t := range a.Tasks {
		if a.HealthChecks != nil && len(*a.HealthChecks) > 0 && len(t.HealthCheckResults) == 0 {
			return false
		}
		for _, r := range t.HealthCheckResults {
			if !r.Alive {
				return false
			}
		}
	}
	return true
}

func (g *goMarathon) app(id string) *gmApp {
	g.t.Helper()
	var w struct{ App *gmApp }
	g.must("GET", "v2/apps/"+id, "", &w)
	return w.App
}

// wait polls the list of deployments, as the library does.
func (g *goMarathon) wait(deployment string) {
	g.t.Helper()
	if deployment == "" {
		g.t.Fatal("no deployment to wait for")
	}
	eventually(g.t, 60*time.Second, "deployment "+deployment, func() error {
		var list []struct {
			ID, Version             string
			CurrentStep, TotalSteps int
			AffectedApps            []string
			Steps                   []struct {
				Actions []struct{ Action, App string }
			}
			CurrentActions []struct{ Action, App string }
		}
		g.must("GET", "v2/deployments", "", &list)
		for _, d := range list {
			if d.ID == deployment {
				return fmt.Errorf("in step %d of %d", d.CurrentStep, d.TotalSteps)
			}
		}
		return nil
	})
}

type gmDeployment struct {
	DeploymentID string `json:"deploymentId"`
	Version      string `json:"version"`
}

// change makes a write and waits for its deployment.
func (g *goMarathon) change(method, uri, body string) gmDeployment {
	g.t.Helper()
	var d gmDeployment
	g.must(method, uri, body, &d)
	if d.Version == "" {
		g.t.Fatalf("%s %s: no version", method, uri)
	}
	g.wait(d.DeploymentID)
	return d
}

// gmEvents is the event stream without a filter.
type gmEvents struct {
	mu   sync.Mutex
	seen []gmEvent
}

type gmEvent struct {
	name string
	app  string
}

// listen decodes every event into the types the library knows for it; what does not fit is an error of the test.
func (g *goMarathon) listen() *gmEvents {
	g.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", g.base+"/v2/events", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		g.t.Fatal(err)
	}
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		g.t.Fatalf("event stream: %d %s", resp.StatusCode, ct)
	}
	es, done := &gmEvents{}, make(chan struct{})
	g.t.Cleanup(func() {
		cancel()
		<-done
		resp.Body.Close()
	})
	go func() {
		defer close(done)
		s := bufio.NewScanner(resp.Body)
		s.Buffer(nil, 1<<20)
		name := ""
		for s.Scan() {
			switch line := s.Text(); {
			case strings.HasPrefix(line, "event: "):
				name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				if err := es.take(name, line[len("data: "):]); err != nil {
					g.t.Errorf("%v in %s", err, line)
				}
			case line != "":
				g.t.Errorf("a line of the stream that is neither event nor data: %q", line)
			}
		}
	}()
	return es
}

func (es *gmEvents) take(name, data string) error {
	var e struct {
		EventType, Timestamp, AppID, TaskStatus, TaskID, SlaveID, Host, Message, Version string
		ClientIP, URI, GroupID, Reason, ID                                               string
		AppDefinition                                                                    *gmApp
		Ports                                                                            []int
		IPAddresses                                                                      []struct{ IPAddress, Protocol string }
		Alive                                                                            bool
		HealthCheck                                                                      *gmCheck
		CurrentStep                                                                      *struct {
			Actions []struct{ Action, App string }
		}
		Plan *struct {
			ID, Version string
			Steps       []struct {
				Actions []struct{ Action, App string }
			}
		}
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		return err
	}
	if e.EventType != name || e.Timestamp == "" {
		return fmt.Errorf("event %s says it is %q, at %q", name, e.EventType, e.Timestamp)
	}
	app := e.AppID
	switch name {
	case "api_post_event":
		app = e.AppDefinition.ID
	case "status_update_event":
		name += " " + e.TaskStatus
	case "deployment_info", "deployment_step_success", "deployment_success":
		if e.Plan == nil || len(e.Plan.Steps) > 0 && name != "deployment_success" && e.CurrentStep == nil {
			return fmt.Errorf("%s without its plan", name)
		}
		if len(e.Plan.Steps) > 0 {
			app = e.Plan.Steps[0].Actions[0].App
		}
	}
	es.mu.Lock()
	defer es.mu.Unlock()
	es.seen = append(es.seen, gmEvent{name, app})
	return nil
}

// inOrder waits until the app's events contain the given ones, in this order, others between them.
func (es *gmEvents) inOrder(t *testing.T, app string, names ...string) {
	t.Helper()
	eventually(t, 30*time.Second, "events of "+app, func() error {
		es.mu.Lock()
		defer es.mu.Unlock()
		next := 0
		for _, e := range es.seen {
			if next < len(names) && e.app == app && e.name == names[next] {
				next++
			}
		}
		return expect(next == len(names), "no %s after what came before it in %v", names[min(next, len(names)-1)], es.seen)
	})
}

// gmDoc is an app as the library writes it: what is not set is null, some seconds are no whole numbers by their text.
func gmDoc(id, cmd string, instances int, more string) string {
	return fmt.Sprintf(`{"id":%q,"cmd":%q,"args":null,"constraints":null,"container":null,"cpus":0.01,"disk":0.0,"gpus":null,
		"env":{"A":"b"},"executor":"","healthChecks":null,"readinessChecks":null,"instances":%d,"mem":16.0,"ports":null,
		"portDefinitions":[{"port":0,"protocol":"tcp","labels":null}],"requirePorts":null,"backoffSeconds":0.5,
		"backoffFactor":1.15,"maxLaunchDelaySeconds":2.0,"dependencies":null,"uris":null,"upgradeStrategy":null,
		"labels":{"x":"y"},"acceptedResourceRoles":null,"fetch":null,"tasks":null,"deployments":null,"versionInfo":null,
		"lastTaskFailure":null,"residency":null,"secrets":null,"role":null%s}`, id, cmd, instances, more)
}

const gmHealth = `,"healthChecks":[{"protocol":"HTTP","path":"/health","portIndex":0,"gracePeriodSeconds":10.0,
	"intervalSeconds":1.0,"timeoutSeconds":2,"maxConsecutiveFailures":3,"ignoreHttp1xx":null}]`

func helloCommand() string { return "exec " + bin + "/berth hello --port $PORT0" }

// TestGoMarathonApps is the life of an app by the library: create, wait, scale, update, roll back, restart, kill, delete.
func TestGoMarathonApps(t *testing.T) {
	c := newOrchestrator(t, "process")
	g := &goMarathon{t, c.api}
	es := g.listen()
	doc := gmDoc("/gm/web", helloCommand(), 2, gmHealth)
	var made gmApp
	g.must("POST", "v2/apps", doc, &made)
	if made.ID != "/gm/web" || len(made.Deployments) != 1 || made.Tasks == nil || made.VersionInfo == nil {
		t.Fatalf("created: %+v", made)
	}
	if r := g.call("POST", "v2/apps", doc, nil); r == nil || !r.duplicate() {
		t.Errorf("the same id again: %v", r)
	}
	eventually(t, 30*time.Second, "the app is OK", func() error {
		a := g.app("gm/web")
		return expect(a.ok(), "%d running, %d healthy", a.TasksRunning, a.TasksHealthy)
	})
	g.wait(made.Deployments[0]["id"])
	es.inOrder(t, "/gm/web", "api_post_event", "add_health_check_event", "deployment_info", "status_update_event TASK_STAGING",
		"status_update_event TASK_RUNNING", "health_status_changed_event", "deployment_step_success", "deployment_success")

	g.change("PUT", "v2/apps/gm/web", `{"id":"/gm/web","instances":3}`)
	update := gmDoc("/gm/web", helloCommand(), 3, gmHealth+`,"env":{"A":"c"}`)
	g.change("PUT", "v2/apps/gm/web", update)
	a := g.app("gm/web")
	if a.Env["A"] != "c" || *a.Instances != 3 || a.UpgradeStrategy == nil || *a.UpgradeStrategy.MinimumHealthCapacity != 1 {
		t.Errorf("updated: %+v", a)
	}

	var versions struct{ Versions []string }
	g.must("GET", "v2/apps/gm/web/versions", "", &versions)
	if len(versions.Versions) != 3 || versions.Versions[0] != a.Version {
		t.Fatalf("versions %v, now %s", versions.Versions, a.Version)
	}
	first := versions.Versions[2]
	var old gmApp
	g.must("GET", "v2/apps/gm/web/versions/"+first, "", &old)
	if *old.Instances != 2 || old.Env["A"] != "b" {
		t.Errorf("first version: %+v", old)
	}
	g.change("PUT", "v2/apps/gm/web", `{"version":"`+first+`"}`)
	if a = g.app("gm/web"); *a.Instances != 2 || a.Env["A"] != "b" || a.Version <= versions.Versions[0] {
		t.Errorf("rolled back: %+v", a)
	}
	before := a.Tasks[0].ID
	g.change("POST", "v2/apps/gm/web/restart", "")
	if a = g.app("gm/web"); a.Tasks[0].ID == before || !a.ok() {
		t.Errorf("restarted: %+v", a)
	}
	g.checkReads(a)
	g.checkKills(a)

	g.change("DELETE", "v2/apps/gm/web", "")
	if r := g.call("GET", "v2/apps/gm/web", "", nil); r == nil || r.status != 404 || r.Message != "App '/gm/web' does not exist" {
		t.Errorf("after its deletion: %v", r)
	}
	es.inOrder(t, "/gm/web", "remove_health_check_event", "status_update_event TASK_KILLED", "app_terminated_event")
}

// checkReads looks at a running app in every form there is.
func (g *goMarathon) checkReads(a *gmApp) {
	t := g.t
	t.Helper()
	for uri, n := range map[string]int{
		"v2/apps": 1, "v2/apps?embed=apps.tasks": 1, "v2/apps?label=x%3D%3Dy&id=WEB&cmd=Hello": 1, "v2/apps?label=x!%3Dy": 0, "v2/apps?id=none": 0,
	} {
		var list struct{ Apps []gmApp }
		if g.must("GET", uri, "", &list); list.Apps == nil || len(list.Apps) != n {
			t.Errorf("%s: %d apps, want %d", uri, len(list.Apps), n)
		}
	}
	var w struct{ App *gmApp }
	g.must("GET", "v2/apps/gm/web?embed=app.taskStats&embed=app.readiness&embed=app.counts", "", &w)
	if w.App.TaskStats["totalSummary"].Stats.Counts["running"] != 2 {
		t.Errorf("task stats %+v", w.App.TaskStats)
	}
	var tasks struct{ Tasks []gmTask }
	g.must("GET", "v2/tasks?status=running", "", &tasks)
	for _, task := range tasks.Tasks {
		if len(task.ServicePorts) != 1 || task.ServicePorts[0] != *(*a.PortDefinitions)[0].Port || len(task.Ports) != 1 ||
			task.SlaveID == "" || task.Host == "" || len(task.IPAddresses) != 1 || task.Version == "" {
			t.Errorf("task %+v", task)
		}
	}
	if len(tasks.Tasks) != 2 {
		t.Errorf("%d tasks run, want 2", len(tasks.Tasks))
	}
	g.must("GET", "v2/apps/gm/web/tasks", "", &tasks)
	var below struct {
		Apps []gmApp `json:"*"`
	}
	if g.must("GET", "v2/apps/gm/*", "", &below); len(below.Apps) != 1 {
		t.Errorf("%d apps below /gm, want 1", len(below.Apps))
	}
}

// checkKills ends tasks: one by the app that its id names, some by id, and one together with its place.
func (g *goMarathon) checkKills(a *gmApp) {
	t := g.t
	t.Helper()
	fromID := func(task string) string { return strings.ReplaceAll(task[:strings.LastIndex(task, ".")], "_", "/") }
	var killed struct{ Task gmTask }
	id := a.Tasks[0].ID
	g.must("DELETE", "v2/apps/"+fromID(id)+"/tasks/"+id, "", &killed)
	if killed.Task.ID != id {
		t.Errorf("killed %+v, want %s", killed.Task, id)
	}
	g.must("POST", "v2/tasks/delete", fmt.Sprintf(`{"ids":[%q,"gm_web.11111111-2222-4333-8444-555555555555"]}`, a.Tasks[1].ID), nil)
	gone := map[string]bool{id: true, a.Tasks[1].ID: true}
	replaced := func() error {
		now := g.app("gm/web")
		for _, task := range now.Tasks {
			if gone[task.ID] {
				return fmt.Errorf("%s is still there", task.ID)
			}
		}
		return expect(now.ok(), "%d of %d run", now.TasksRunning, *now.Instances)
	}
	eventually(t, 60*time.Second, "both are replaced", replaced)
	id = g.app("gm/web").Tasks[0].ID
	g.change("DELETE", "v2/apps/gm/web/tasks/"+id+"?scale=true", "")
	if now := g.app("gm/web"); *now.Instances != 1 {
		t.Errorf("%d instances after a kill with its place", *now.Instances)
	}
	var none struct{ Tasks []gmTask }
	if g.must("DELETE", "v2/apps/gm/web/tasks?host=nowhere.invalid", "", &none); none.Tasks == nil || len(none.Tasks) != 0 {
		t.Errorf("killed on a host that has none: %+v", none)
	}
	for body, status := range map[string]int{`{"ids":["nodot"]}`: 400, `{"ids":1}`: 422, `{`: 400, ``: 400} {
		if r := g.call("POST", "v2/tasks/delete", body, nil); r == nil || r.status != status {
			t.Errorf("%q: %v, want %d", body, r, status)
		}
	}
	if r := g.call("DELETE", "v2/apps/gm/web/tasks?scale=true&wipe=true", "", nil); r == nil || r.status != 400 {
		t.Errorf("scale with wipe: %v", r)
	}
}

// TestGoMarathonGroups is the life of a group by the library.
func TestGoMarathonGroups(t *testing.T) {
	c := newOrchestrator(t, "process")
	g := &goMarathon{t, c.api}
	group := func(id, apps, deps, groups string) string {
		return fmt.Sprintf(`{"id":%q,"apps":%s,"dependencies":%s,"groups":%s}`, id, apps, deps, groups)
	}
	sleep := func(id string) string { return gmDoc(id, "exec sleep 1000", 1, "") }
	type gmGroup struct {
		ID           string
		Apps         []gmApp
		Dependencies []string
		Groups       []struct {
			ID           string
			Apps         []gmApp
			Dependencies []string
		}
	}
	doc := group("/gmg", "["+sleep("/gmg/one")+"]", "null", "["+
		group("/gmg/back", "["+sleep("/gmg/back/db")+"]", "[]", "null")+","+
		group("/gmg/front", "["+sleep("web")+"]", `["../back"]`, "[]")+"]")
	var made gmDeployment
	g.must("POST", "v2/groups", doc, &made)
	g.wait(made.DeploymentID)
	if r := g.call("POST", "v2/groups", group("/gmg", "[]", "[]", "[]"), nil); r == nil || !r.duplicate() {
		t.Errorf("the same group again: %v", r)
	}
	if r := g.call("POST", "v2/groups", group("/gmg/one", "[]", "[]", "[]"), nil); r == nil || !r.duplicate() {
		t.Errorf("a group in the place of an app: %v", r)
	}
	var got gmGroup
	g.must("GET", "v2/groups/gmg", "", &got)
	if got.ID != "/gmg" || len(got.Apps) != 1 || len(got.Groups) != 2 || got.Groups[1].Dependencies[0] != "/gmg/back" ||
		got.Groups[1].Apps[0].ID != "/gmg/front/web" || got.Dependencies == nil {
		t.Fatalf("group %+v", got)
	}
	g.must("GET", "v2/groups/gmg?embed=group.apps&embed=group.apps.tasks&embed=group.apps.counts", "", &got)
	if len(got.Apps[0].Tasks) != 1 || got.Apps[0].TasksRunning != 1 || len(got.Groups) != 0 {
		t.Errorf("embedded: %+v", got)
	}
	if r := g.call("GET", "v2/groups/none", "", nil); r == nil || r.status != 404 {
		t.Errorf("a group that is none: %v", r)
	}

	// The front, which depends on the back, is started after it and stopped before it.
	var plan struct {
		Steps []struct {
			Actions []struct{ Action, App string }
		}
	}
	g.must("PUT", "v2/groups/gmg?dryRun=true", group("/gmg", "[]", "[]", "[]"), &plan)
	if len(plan.Steps) != 2 || plan.Steps[0].Actions[0].App != "/gmg/front/web" || len(plan.Steps[1].Actions) != 2 {
		t.Errorf("plan %+v", plan)
	}
	g.change("PUT", "v2/groups/gmg", `{"scaleBy":2.0}`)
	if a := g.app("gmg/back/db"); *a.Instances != 2 || !a.allRunning() {
		t.Errorf("scaled: %+v", a)
	}
	second := g.change("PUT", "v2/groups/gmg", group("gmg", "["+sleep("two")+"]", "[]", "[]"))
	g.must("GET", "v2/groups/gmg", "", &got)
	if len(got.Apps) != 1 || got.Apps[0].ID != "/gmg/two" || len(got.Groups) != 0 {
		t.Errorf("replaced: %+v", got)
	}
	var versions []string
	g.must("GET", "v2/groups/gmg/versions", "", &versions)
	if len(versions) != 3 || versions[0] != second.Version || versions[2] != made.Version {
		t.Fatalf("versions %v", versions)
	}
	g.change("PUT", "v2/groups/gmg", `{"version":"`+made.Version+`"}`)
	if a := g.app("gmg/front/web"); *a.Instances != 1 || !a.allRunning() {
		t.Errorf("rolled back: %+v", a)
	}
	if r := g.call("PUT", "v2/groups/gmg", `{"version":"2001-01-01T00:00:00.000Z"}`, nil); r == nil || r.status != 422 {
		t.Errorf("an unknown version: %v", r)
	}
	r := g.call("PUT", "v2/groups/gmg/front", group("/gmg/front", "["+gmDoc("a", "x", -1, "")+","+gmDoc("/b", "x", 1, "")+"]", "[]", "[]"), nil)
	if r == nil || r.status != 422 || len(r.details()) != 2 || r.details()[0].Path != "/apps(0)/instances" || r.details()[1].Path != "/apps(1)/id" {
		t.Errorf("what is wrong in a group: %v", r)
	}
	g.change("DELETE", "v2/groups/gmg?force=true", "")
	if r := g.call("GET", "v2/groups/gmg", "", nil); r == nil || r.status != 404 {
		t.Errorf("after its deletion: %v", r)
	}
}

// TestGoMarathonRest is what else the library asks: the server, its queue, deployments, and what there is no more.
func TestGoMarathonRest(t *testing.T) {
	c := newOrchestrator(t, "process")
	g := &goMarathon{t, c.api}
	g.must("GET", "ping", "", nil)
	var info struct {
		Name, Version, FrameworkID, Leader string
		HTTPConfig                         struct {
			HTTPPort float64 `json:"http_port"`
		} `json:"http_config"`
		MarathonConfig struct {
			LocalPortMin      float64 `json:"local_port_min"`
			TaskLaunchTimeout float64 `json:"task_launch_timeout"`
			Checkpoint        bool
			Hostname          string
		} `json:"marathon_config"`
	}
	g.must("GET", "v2/info", "", &info)
	if info.Name != "marathon" || !strings.HasPrefix(info.Version, "1.") || info.FrameworkID == "" || int(info.MarathonConfig.LocalPortMin) != c.servicePorts {
		t.Errorf("info %+v", info)
	}
	var leader struct{ Leader string }
	if g.must("GET", "v2/leader", "", &leader); leader.Leader == "" || leader.Leader != info.Leader {
		t.Errorf("leader %q, by info %q", leader.Leader, info.Leader)
	}
	for uri, status := range map[string]int{
		"DELETE v2/leader": 404, "GET v2/eventSubscriptions": 400, "GET v2/pods": 404, "GET v2/apps/none": 404,
		"DELETE v2/deployments/none": 404, "DELETE v2/queue/none/delay": 404, "GET v2/apps/none/versions": 404,
	} {
		method, path, _ := strings.Cut(uri, " ")
		if r := g.call(method, path, "", nil); r == nil || r.status != status {
			t.Errorf("%s: %v, want %d", uri, r, status)
		}
	}
	resp, err := http.Head(c.api + "/v2/pods")
	if err != nil || resp.StatusCode != 404 {
		t.Errorf("HEAD of pods: %v, %v", resp, err)
	}
	r := g.call("POST", "v2/apps", gmDoc("/Bad_Id", "", -1, ""), nil)
	if r == nil || r.status != 422 || len(r.details()) < 2 {
		t.Errorf("a bad app: %v", r)
	}

	var made gmApp
	g.must("POST", "v2/apps", gmDoc("/gm/big", "sleep 1", 1, `,"cpus":10000`), &made)
	eventually(t, 30*time.Second, "the app that does not fit is in the queue", func() error {
		var q struct {
			Queue []struct {
				Count int
				Delay struct {
					Overdue         bool
					TimeLeftSeconds int
				}
				App    gmApp
				Reject struct {
					Last []struct{ Reason string } `json:"rejectSummaryLastOffers"`
				} `json:"processedOffersSummary"`
			}
		}
		g.must("GET", "v2/queue", "", &q)
		if len(q.Queue) != 1 || len(q.Queue[0].Reject.Last) < 10 {
			return fmt.Errorf("queue %+v", q)
		}
		e := q.Queue[0]
		return expect(e.Count == 1 && e.App.ID == "/gm/big" && e.Delay.Overdue, "queue %+v", e)
	})
	g.must("DELETE", "v2/queue/gm/big/delay", "", nil)
	if r := g.call("PUT", "v2/apps/gm/big", `{"instances":3}`, nil); r == nil || !r.locked() || r.Deployments[0].ID != made.Deployments[0]["id"] {
		t.Errorf("a change while the app is deployed: %v", r)
	}
	var undo gmDeployment
	g.must("DELETE", "v2/deployments/"+made.Deployments[0]["id"], "", &undo)
	g.wait(undo.DeploymentID)
	if r := g.call("GET", "v2/apps/gm/big", "", nil); r == nil || r.status != 404 {
		t.Errorf("rolled back, but still there: %v", r)
	}
	g.must("POST", "v2/apps", gmDoc("/gm/big", "sleep 1", 1, `,"cpus":10000`), &made)
	if code, data := c.call("DELETE", "/v2/deployments/"+made.Deployments[0]["id"]+"?force=true", nil); code != 202 || len(bytes.TrimSpace(data)) != 0 {
		t.Errorf("a deployment only stopped: %d %s", code, data)
	}
	if a := g.app("gm/big"); len(a.Deployments) != 0 || *a.Instances != 1 {
		t.Errorf("after its deployment was stopped: %+v", a)
	}
}

// TestNoUpdateIsLost has many clients write one app at a time: every change is in it afterwards, and an id is given once.
func TestNoUpdateIsLost(t *testing.T) {
	c := newOrchestrator(t, "process")
	var all sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range 16 {
		all.Go(func() {
			code, _ := c.call("POST", "/v2/apps", app{"id": "/one", "cmd": "true", "instances": 0})
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		})
	}
	all.Wait()
	if codes[201] != 1 || codes[409] != 15 {
		t.Errorf("answers to 16 times the same id: %v", codes)
	}
	fields := app{
		"cpus": 0.5, "mem": 33, "disk": 44, "user": "nobody", "backoffSeconds": 7, "env": app{"A": "b"}, "labels": app{"c": "d"},
		"killSelection": "OLDEST_FIRST", "taskKillGracePeriodSeconds": 9, "maxLaunchDelaySeconds": 77,
	}
	for name, value := range fields {
		all.Go(func() {
			if code, data := c.call("PUT", "/v2/apps/one?force=true", app{name: value}); code != 200 {
				t.Errorf("%s: %d %s", name, code, data)
			}
		})
	}
	all.Wait()
	var doc struct{ App app }
	if err := json.Unmarshal(c.must("GET", "/v2/apps/one", nil), &doc); err != nil {
		t.Fatal(err)
	}
	for name, value := range fields {
		if got, want := mustJSON(t, doc.App[name]), mustJSON(t, value); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
