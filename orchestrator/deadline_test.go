package orchestrator

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
)

const undone = `,"labels":{"DEPLOYMENT_DEADLINE_SECONDS":"60","DEPLOYMENT_AUTO_ROLLBACK":"true"}`

// breakApp deploys a version whose tasks never become healthy.
func (w *world) breakApp(id string) httpapi.WriteResult {
	w.t.Helper()
	w.spare(w.running(id))
	w.setSick(id, true)
	return w.change(edit(id, func(a *api.App) { a.Env = map[string]string{"BROKEN": "1"} }))
}

func TestDeploymentPastItsDeadlineIsUndoneAndKeepsTheOldTasks(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":3,"upgradeStrategy":{"minimumHealthCapacity":1,"maximumOverCapacity":0.5}`+checked+undone)))
		w.after(10 * time.Second)
		old := w.wantRunning("/web", 3)
		before := w.info("/web").App
		r := w.breakApp("/web")
		w.after(59 * time.Second)
		if d := w.o.Deployments(); len(d) != 1 || d[0].ID != r.DeploymentID {
			t.Fatalf("before the deadline: %s", toJSON(d))
		}
		w.heard()
		w.after(2 * time.Second)
		d, ok := w.o.Deployment(r.DeploymentID)
		if !ok || d.State != api.DeploymentFailed || !strings.Contains(d.Reason, "not done within 1m0s") ||
			!strings.Contains(d.Reason, "not healthy and ready yet") || !strings.Contains(d.Reason, "answered 503") {
			t.Errorf("deployment: %s", toJSON(d))
		}
		w.after(time.Minute)
		if d := cmp.Diff(old, w.wantRunning("/web", 3)); d != "" {
			t.Errorf("the old tasks were not kept: %s", d)
		}
		by, _ := w.o.Deployment(d.UndoneBy)
		if by.State != api.DeploymentSucceeded || !by.Deadline.IsZero() {
			t.Errorf("the deployment that undid it: %s", toJSON(by))
		}
		now := w.info("/web")
		if now.Version <= r.Version || api.Compare(&before, &now.App) != api.ChangeNone {
			t.Errorf("the definition is %s", toJSON(now.App))
		}
		for _, task := range now.Tasks {
			if task.Version < now.VersionInfo.LastConfigChangeAt {
				t.Errorf("a kept task looks outdated: %s", toJSON(task))
			}
		}
		if len(w.o.Deployments()) != 0 || len(w.alive()) != 3 {
			t.Errorf("deployments %s, alive %v", toJSON(w.o.Deployments()), w.alive())
		}
		if got := w.heard(api.EventDeploymentFailed); len(got) != 1 || !strings.Contains(got[0], "rolled back") {
			t.Errorf("events %q", got)
		}
	})
}

func TestDeadlineWithoutRollbackOnlyFails(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", checked+`,"labels":{"DEPLOYMENT_DEADLINE_SECONDS":"60"}`)))
		w.after(10 * time.Second)
		w.wantRunning("/web", 1)
		r := w.breakApp("/web")
		w.after(61 * time.Second)
		if d, _ := w.o.Deployment(r.DeploymentID); d.State != api.DeploymentFailed || d.UndoneBy != "" {
			t.Errorf("deployment: %s", toJSON(d))
		}
		if w.info("/web").Env["BROKEN"] == "" || len(w.info("/web").Deployments) != 0 {
			t.Errorf("app: %s", toJSON(w.info("/web")))
		}
	})
}

func TestDeploymentInTimeIsNotUndone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", undone)))
		r := w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		w.after(2 * time.Minute)
		if d, _ := w.o.Deployment(r.DeploymentID); d.State != api.DeploymentSucceeded || w.info("/web").Env["X"] != "1" {
			t.Errorf("deployment: %s", toJSON(d))
		}
	})
}

// The deadline counts on while the orchestrator is down.
func TestDeadlineOutlivesTheOrchestrator(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", checked+undone)))
		w.after(10 * time.Second)
		old := w.wantRunning("/web", 1)
		w.breakApp("/web")
		w.after(30 * time.Second)
		data := w.file()
		w.stop()
		time.Sleep(31 * time.Second)
		w.bootFrom(data)
		w.after(time.Minute)
		if d := cmp.Diff(old, w.wantRunning("/web", 1)); d != "" || len(w.o.Deployments()) != 0 || w.info("/web").Env["BROKEN"] != "" {
			t.Errorf("%s deployments %s", d, toJSON(w.o.Deployments()))
		}
	})
}

func TestUndoingARestartKeepsTheOldTasks(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":2`+checked)))
		w.after(10 * time.Second)
		old := w.wantRunning("/web", 2)
		w.spare(old)
		w.setSick("/web", true)
		restart := httpapi.AppChange{ID: "/web", Restart: true, Apply: func(a *api.App) (*api.App, error) { return a, nil }}
		r := w.change(restart)
		w.after(time.Second)
		if n := len(w.alive()); n != 4 {
			t.Fatalf("%d tasks live during the restart", n)
		}
		if _, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.after(time.Minute)
		if d := cmp.Diff(old, w.wantRunning("/web", 2)); d != "" || len(w.alive()) != 2 || len(w.o.Deployments()) != 0 {
			t.Errorf("%s alive %v, deployments %s", d, w.alive(), toJSON(w.o.Deployments()))
		}
	})
}

func TestUndoingAScalingKeepsTheTasksThereWere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":1`+checked)))
		w.after(10 * time.Second)
		old := w.wantRunning("/web", 1)
		w.spare(old)
		w.setSick("/web", true)
		r := w.change(edit("/web", func(a *api.App) { a.Instances = 3 }))
		if _, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		if d := cmp.Diff(old, w.wantRunning("/web", 1)); d != "" || len(w.alive()) != 1 {
			t.Errorf("%s alive %v", d, w.alive())
		}
	})
}

func TestADryRunOfARollbackLeavesNoTrace(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":1`+checked)))
		w.after(10 * time.Second)
		r := w.change(edit("/web", func(a *api.App) { a.Instances = 3 }))
		for _, opt := range []httpapi.WriteOptions{{DryRun: true}, {Force: true}} { // looked at, then only stopped
			if _, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, opt); err != nil {
				t.Fatal(err)
			}
		}
		w.after(time.Minute)
		d, ok := w.o.Deployment(r.DeploymentID)
		if !ok || d.State != api.DeploymentFailed || d.Reason != "cancelled on request" || d.UndoneBy != "" {
			t.Errorf("got %s, want it cancelled and undone by nobody", toJSON(d))
		}
		w.wantRunning("/web", 3)
	})
}

// spare keeps tasks well while their app is sick.
func (w *world) spare(tasks []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.well = append(w.well, tasks...)
	slices.Sort(w.well)
}
