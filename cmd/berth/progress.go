package main

import (
	"fmt"

	"berth/orchestrator/api"
)

// progress is how far a change is, for people and for the loop that waits.
type progress struct {
	line       string
	reasons    []string // why it goes no further, in the orchestrator's words
	done       bool
	superseded bool // another change came after ours
	running    bool // its deployment runs
}

// judge decides how far c is. A change is done when no deployment of that id runs any more and the app has exactly its
// instances, all of the current version, running, and healthy if they are checked. A nil app is gone.
func judge(c change, app *api.AppInfo, deployments []api.Deployment, queue []api.QueueEntry) progress {
	running := find(deployments, c.result.DeploymentID)
	if app == nil {
		return progress{line: "gone", done: c.removed && running == nil, superseded: !c.removed, running: running != nil}
	}
	if c.removed {
		return progress{line: fmt.Sprintf("%d tasks still there", len(app.Tasks)), running: running != nil}
	}
	n := countTasks(app)
	p := progress{line: n.describe(app, running), running: running != nil}
	for _, e := range queue {
		if e.App != nil && e.App.ID == app.ID {
			p.reasons = append(p.reasons, e.Explain...)
		}
	}
	if f := app.LastTaskFailure; f != nil && f.Timestamp >= c.result.Version {
		p.reasons = append(p.reasons, fmt.Sprintf("last failure: %s %s", f.State, f.Message))
	}
	p.superseded = c.result.Version != 0 && app.Version > c.result.Version
	p.done = running == nil && n.complete(app)
	if p.done {
		p.line, p.reasons = "done, "+p.line, nil
	}
	return p
}

func find(deployments []api.Deployment, id string) *api.Deployment {
	for i := range deployments {
		if deployments[i].ID == id {
			return &deployments[i]
		}
	}
	return nil
}

// counts are an app's tasks by what they are good for.
type counts struct {
	running, healthy int // of the current version
	old              int // of versions before the last change
}

func countTasks(app *api.AppInfo) counts {
	var n counts
	for i := range app.Tasks {
		t := &app.Tasks[i]
		switch {
		case outdated(app, t):
			n.old++
		case t.State == api.TaskRunning:
			n.running++
			if t.Healthy(len(app.HealthChecks)) {
				n.healthy++
			}
		}
	}
	return n
}

// outdated tasks were launched from a definition before the last change of it.
func outdated(app *api.AppInfo, t *api.Task) bool {
	return app.VersionInfo != nil && t.Version < app.VersionInfo.LastConfigChangeAt
}

func (n counts) complete(app *api.AppInfo) bool {
	return n.old == 0 && len(app.Tasks) == app.Instances && n.running == app.Instances && n.healthy == app.Instances
}

func (n counts) describe(app *api.AppInfo, d *api.Deployment) string {
	s := fmt.Sprintf("%d/%d running", n.running, app.Instances)
	if len(app.HealthChecks) > 0 {
		s += fmt.Sprintf(", %d healthy", n.healthy)
	}
	if n.old > 0 {
		s += fmt.Sprintf(", %d old", n.old)
	}
	if d != nil && d.TotalSteps > 1 {
		s += fmt.Sprintf(", step %d of %d", d.CurrentStep, d.TotalSteps)
	}
	return s
}
