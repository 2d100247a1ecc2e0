package client

import (
	"berth/orchestrator/api"
)

// maxVerdicts bounds the memory of tasks that are gone from the apps, to which they may come back.
const maxVerdicts = 10_000

// verdicts remember what health checks last said of tasks. Marathon loses its results when its leader changes; for a
// while it then shows tasks without any, and a load balancer that took this for "unhealthy" would empty all backends
// (marathon-lb.md section 4.8). The verdicts of present tasks lie in the apps themselves; here are those of tasks that
// disappeared, the oldest of which are forgotten first.
type verdicts struct {
	max    int
	byTask map[string][]api.HealthResult
	order  []string // as they disappeared
}

func newVerdicts(max int) *verdicts {
	return &verdicts{max: max, byTask: map[string][]api.HealthResult{}}
}

// fill gives the tasks of app, which has health checks but shows no results for them, their last known ones: those of old
// (may be nil) or of a task that had disappeared.
func (v *verdicts) fill(app, old *api.AppInfo) {
	if len(app.HealthChecks) == 0 {
		return
	}
	var before map[string][]api.HealthResult
	for i := range app.Tasks {
		t := &app.Tasks[i]
		if t.HealthCheckResults != nil {
			continue
		}
		if before == nil {
			before = results(old)
		}
		if r := before[t.ID]; r != nil {
			t.HealthCheckResults = r
		} else if r := v.byTask[t.ID]; r != nil {
			t.HealthCheckResults = r
		}
	}
}

// left remembers the verdicts of old's tasks that are not in app (nil for none of them).
func (v *verdicts) left(old, app *api.AppInfo) {
	gone := results(old)
	if app != nil {
		for i := range app.Tasks {
			delete(gone, app.Tasks[i].ID)
		}
	}
	for i := range old.Tasks { // in order
		if r := gone[old.Tasks[i].ID]; r != nil {
			v.keep(old.Tasks[i].ID, r)
		}
	}
}

func (v *verdicts) keep(id string, r []api.HealthResult) {
	if _, ok := v.byTask[id]; !ok {
		v.order = append(v.order, id)
	}
	v.byTask[id] = r
	for len(v.order) > v.max {
		delete(v.byTask, v.order[0])
		v.order[0] = ""
		v.order = v.order[1:]
	}
}

func results(app *api.AppInfo) map[string][]api.HealthResult {
	m := map[string][]api.HealthResult{}
	if app == nil {
		return m
	}
	for i := range app.Tasks {
		if r := app.Tasks[i].HealthCheckResults; r != nil {
			m[app.Tasks[i].ID] = r
		}
	}
	return m
}
