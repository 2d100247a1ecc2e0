package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"sync"
	"time"

	"berth/orchestrator/api"
)

// fake is an orchestrator with state and without tasks of its own: an app's tasks run once it has been looked at, except
// that the id /stuck never gets any, and a change is over when its deployment has been asked for once.
type fake struct {
	*http.ServeMux
	mu    sync.Mutex
	clock api.Timestamp
	apps  map[string]*api.AppInfo
	going []api.Deployment
	last  string // method and path?query of the last write
}

func newFake() *fake {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := &fake{ServeMux: http.NewServeMux(), clock: api.TimestampOf(start), apps: map[string]*api.AppInfo{}}
	f.HandleFunc("GET /v2/apps", f.list)
	f.HandleFunc("POST /v2/apps", f.create)
	f.HandleFunc("GET /v2/apps/{id}", f.show)
	f.HandleFunc("GET /v2/apps/{id}/tasks", f.tasks)
	f.HandleFunc("PATCH /v2/apps/{id}", f.change)
	f.HandleFunc("PUT /v2/apps/{id}", f.change)
	f.HandleFunc("DELETE /v2/apps/{id}", f.remove)
	f.HandleFunc("POST /v2/apps/{id}/restart", f.change)
	f.HandleFunc("GET /v2/tasks", f.tasks)
	f.HandleFunc("POST /v2/tasks/delete", f.kill)
	f.HandleFunc("GET /v2/tasks/{id}/logs", f.logs)
	f.HandleFunc("GET /v2/deployments", f.deployments)
	f.HandleFunc("GET /v2/deployments/{id}", f.deployment)
	f.HandleFunc("DELETE /v2/deployments/{id}", f.cancel)
	f.HandleFunc("GET /v2/queue", f.queue)
	f.HandleFunc("GET /v1/backup", f.backup)
	f.HandleFunc("POST /v1/plan", f.plan)
	f.HandleFunc("DELETE /v2/queue/{id}/delay", f.retry)
	f.HandleFunc("GET /v2/info", f.info)
	f.addNodes()
	f.groups()
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method != http.MethodGet {
		f.last = r.Method + " " + r.URL.RequestURI()
	}
	w.Header().Set("Content-Type", "application/json")
	f.ServeMux.ServeHTTP(w, r)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fake) sorted() []*api.AppInfo {
	out := []*api.AppInfo{}
	for _, a := range f.apps {
		promote(a)
		out = append(out, a)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}

func (f *fake) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, 200, map[string]any{"apps": f.sorted()})
}

// app answers 404 itself.
func (f *fake) app(w http.ResponseWriter, r *http.Request) *api.AppInfo {
	id := "/" + r.PathValue("id")
	a := f.apps[id]
	if a == nil {
		answer(w, 404, map[string]any{"message": "App '" + id + "' does not exist"})
	}
	return a
}

func (f *fake) show(w http.ResponseWriter, r *http.Request) {
	if a := f.app(w, r); a != nil {
		answer(w, 200, map[string]any{"app": a})
		promote(a)
	}
}

// promote lets the tasks of a run.
func promote(a *api.AppInfo) {
	for i := range a.Tasks {
		a.Tasks[i].State = api.TaskRunning
	}
	n := len(a.Tasks)
	a.TasksRunning = &n
}

func (f *fake) create(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a := api.AppInfo{App: api.App{Instances: 1, CPUs: 1, Mem: 128, Labels: map[string]string{}}}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&a.App); err != nil && strings.Contains(err.Error(), "unknown field") {
		if r.URL.Query().Get("strict") == "true" {
			answer(w, 422, map[string]any{"message": "Object is not valid", "details": []api.Detail{
				{Path: "/maintainer", Errors: []string{"unknown field"}}, {Path: "/", Errors: []string{"see above"}}}})
			return
		}
		_ = json.Unmarshal(body, &a.App)
		w.Header().Set("X-Unknown-Fields", "/maintainer")
	}
	a.ID = absolute(a.ID)
	if f.apps[a.ID] != nil {
		answer(w, 409, map[string]any{"message": "An app with id [" + a.ID + "] already exists."})
		return
	}
	for i := range a.PortDefinitions {
		if a.PortDefinitions[i].Port == 0 {
			a.PortDefinitions[i].Port = 10000 + len(f.apps)
		}
	}
	f.apps[a.ID] = &a
	f.deploy(&a, true)
	a.Deployments = []api.DeploymentRef{{ID: f.going[0].ID}}
	answer(w, 201, a)
	a.Deployments = nil
}

// deploy gives a its tasks and starts a deployment.
func (f *fake) deploy(a *api.AppInfo, config bool) api.DeploymentResult {
	f.clock++
	a.Version = f.clock
	if a.VersionInfo == nil {
		a.VersionInfo = &api.VersionInfo{}
	}
	if config {
		a.VersionInfo.LastConfigChangeAt, a.Tasks = f.clock, nil
	}
	for len(a.Tasks) < a.Instances && !strings.HasPrefix(a.ID, "/stuck") && a.ID != "/doomed" {
		n := len(a.Tasks)
		a.Tasks = append(a.Tasks, api.Task{ID: fmt.Sprintf("%s.%08x-0000-4000-8000-000000000000", a.ID[1:], n+0xa0),
			AppID: a.ID, Host: "127.0.0.1", Ports: []int{31000 + n}, State: api.TaskStaging, Version: f.clock,
			StartedAt: f.clock})
	}
	a.Tasks = a.Tasks[:min(len(a.Tasks), a.Instances)]
	return f.start(a.ID)
}

func (f *fake) start(id string) api.DeploymentResult {
	d := api.Deployment{ID: fmt.Sprintf("d-%d", f.clock%1e6-45000), Version: f.clock, AffectedApps: []string{id}, CurrentStep: 1,
		TotalSteps: 1, CurrentActions: []api.DeploymentAction{{Action: api.ActionScale, App: id}},
		Steps: []api.DeploymentStep{{Actions: []api.DeploymentAction{{Action: api.ActionScale, App: id}}}}}
	f.going = []api.Deployment{d}
	return api.DeploymentResult{Version: d.Version, DeploymentID: d.ID}
}

func (f *fake) change(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut && f.apps["/"+r.PathValue("id")] == nil {
		f.create(httptest.NewRecorder(), r)
		answer(w, 201, api.DeploymentResult{Version: f.clock, DeploymentID: f.going[0].ID})
		return
	}
	a := f.app(w, r)
	if a == nil {
		return
	}
	body, _ := io.ReadAll(r.Body)
	if len(body) > 0 {
		if err := json.Unmarshal(body, &a.App); err != nil {
			answer(w, 422, map[string]any{"message": "Invalid JSON", "details": []api.Detail{
				{Path: "/instances", Errors: []string{"error.expected.jsnumber"}}}})
			return
		}
	}
	answer(w, 200, f.deploy(a, !bytes.Contains(body, []byte("instances"))))
}

func (f *fake) remove(w http.ResponseWriter, r *http.Request) {
	if a := f.app(w, r); a != nil {
		delete(f.apps, a.ID)
		f.clock++
		answer(w, 200, f.start(a.ID))
	}
}

func (f *fake) tasks(w http.ResponseWriter, r *http.Request) {
	out := []api.Task{}
	for _, a := range f.sorted() {
		if id := r.PathValue("id"); id == "" || a.ID == "/"+id {
			out = append(out, a.Tasks...)
		}
	}
	answer(w, 200, map[string]any{"tasks": out})
}

func (f *fake) kill(w http.ResponseWriter, r *http.Request) {
	var doc struct{ IDs []string }
	_ = json.NewDecoder(r.Body).Decode(&doc)
	out := []api.Task{}
	for _, a := range f.apps {
		for _, t := range a.Tasks {
			for _, id := range doc.IDs {
				if id == t.ID {
					out = append(out, t)
				}
			}
		}
	}
	answer(w, 200, map[string]any{"tasks": out})
}

func (f *fake) logs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintf(w, "%s of %s\nlines=%s", r.URL.Query().Get("stream"), r.PathValue("id"), r.URL.Query().Get("lines"))
}

func (f *fake) deployments(w http.ResponseWriter, r *http.Request) {
	out := f.going
	if out == nil {
		out = []api.Deployment{}
	}
	answer(w, 200, out)
	f.going = nil
}

// deployment knows one that has failed: d-over.
func (f *fake) deployment(w http.ResponseWriter, r *http.Request) {
	if id := r.PathValue("id"); f.apps["/doomed"] != nil && strings.HasPrefix(id, "d-") {
		answer(w, 200, api.Deployment{ID: id, State: api.DeploymentFailed, Reason: "not done within 5s; rolled back"})
		return
	}
	if r.PathValue("id") != "d-over" {
		answer(w, 404, map[string]any{"message": "DeploymentPlan " + r.PathValue("id") + " does not exist"})
		return
	}
	answer(w, 200, api.Deployment{
		ID: "d-over", Version: f.clock, AffectedApps: []string{"/web"}, CurrentStep: 1, TotalSteps: 1,
		Steps: []api.DeploymentStep{{Actions: []api.DeploymentAction{{Action: api.ActionRestart, App: "/web"}}}},
		State: api.DeploymentFailed, Reason: "not done within 1m0s", UndoneBy: "d-back", StartedAt: f.clock,
		FinishedAt: f.clock + 60_000, Gates: []api.Gate{{Gate: api.GateStart, Passed: 3, AverageMillis: 12.4, LongestMillis: 20}},
	})
}

// retry knows that /stuck waits.
func (f *fake) retry(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("id") != "stuck" {
		answer(w, 404, map[string]any{"message": "App '/" + r.PathValue("id") + "' is not in the queue"})
		return
	}
	w.WriteHeader(204)
}

func (f *fake) cancel(w http.ResponseWriter, r *http.Request) {
	if len(f.going) == 0 || f.going[0].ID != r.PathValue("id") {
		answer(w, 404, map[string]any{"message": "DeploymentPlan " + r.PathValue("id") + " does not exist"})
		return
	}
	if r.URL.Query().Get("force") == "true" {
		w.WriteHeader(202)
		return
	}
	answer(w, 200, api.DeploymentResult{Version: f.clock, DeploymentID: "d-back"})
}

func (f *fake) queue(w http.ResponseWriter, _ *http.Request) {
	out := []api.QueueEntry{}
	if a := f.apps["/stuck"]; a != nil {
		out = append(out, api.QueueEntry{Count: a.Instances, Since: a.Version, App: &a.App,
			Delay: api.QueueDelay{Overdue: true}, Explain: []string{"port 2000 is taken on agent a1 by /web"}})
	}
	answer(w, 200, map[string]any{"queue": out})
}

func (f *fake) info(w http.ResponseWriter, _ *http.Request) {
	answer(w, 200, map[string]any{"name": "marathon", "version": "1.11.24", "elected": true, "lastWrite": f.last})
}

// backup sends a state that is damaged on its way if the token is "broken", and nothing to a "reader".
func (f *fake) backup(w http.ResponseWriter, r *http.Request) {
	const state = "the state\n"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(state)))
	switch r.Header.Get("Authorization") {
	case "Bearer broken":
		sum = sum[1:] + sum[:1]
	case "Bearer reader":
		answer(w, 403, map[string]any{"message": `"reader" may only read; this needs the role write`})
		return
	}
	w.Header().Set(api.ChecksumHeader, "sha256="+sum)
	w.Header().Set(api.IndexHeader, "7")
	_, _ = io.WriteString(w, state)
}

// plan replaces the tasks of apps it knows and starts one of others, on agent-1, port 31000, unless they want more than
// 1000 MiB.
func (f *fake) plan(w http.ResponseWriter, r *http.Request) {
	var docs []api.App
	_ = json.NewDecoder(r.Body).Decode(&docs)
	apps, placements := []*api.AppInfo{}, []api.Placement{}
	for _, d := range docs {
		d.ID = absolute(d.ID)
		d.Networks = []api.Network{{Mode: api.NetworkHost}}
		d.PortDefinitions = []api.PortDefinition{{Port: 10000, Protocol: "tcp", Labels: map[string]string{"VIP_0": "1.1.1.1:80"}}}
		p := api.Placement{App: d.ID, Action: api.ActionScale}
		if old := f.apps[d.ID]; old != nil {
			p.Action = api.ActionRestart
			for _, t := range old.Tasks {
				p.Stop = append(p.Stop, t.ID)
			}
		}
		if d.Mem > 1000 {
			p.Waits, p.Explain = 1, []string{"memory: a task needs more than agent-1 has"}
		} else {
			p.Start = []api.PlannedTask{{Agent: "agent-1", Host: "node1", IP: "10.0.0.1", Ports: []int{31000}}}
		}
		apps, placements = append(apps, &api.AppInfo{App: d}), append(placements, p)
	}
	for _, id := range r.URL.Query()["remove"] {
		placements = append(placements, api.Placement{App: id, Action: api.ActionStop, Stop: []string{"x"}})
	}
	answer(w, 200, map[string]any{"apps": apps, "placements": placements, "warnings": []string{"mind the gap"}})
}
