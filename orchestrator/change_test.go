package orchestrator

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/fake"
	"berth/orchestrator/httpapi"
)

// slowly makes an app's tasks take long to start, so that its deployments stay open.
func (w *world) slowly(id string, d time.Duration) {
	w.host.Script(id, fake.Behaviour{StartDelay: d, Program: program.Program{Run: true}})
}

func (w *world) refused(code api.Code, opt httpapi.WriteOptions, changes ...httpapi.AppChange) *api.Error {
	w.t.Helper()
	index := w.o.Index()
	_, err := w.o.Change(context.Background(), changes, opt)
	if api.CodeOf(err) != code {
		w.t.Fatalf("error %v, want code %s", err, code)
	}
	if w.o.Index() != index {
		w.t.Error("a refused write changed something")
	}
	e, _ := err.(*api.Error)
	return e
}

func TestVersionsFollowTheTable(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", "")))
		seen := []api.Timestamp{w.info("/web").Version}
		step := func(name string, c httpapi.AppChange, newVersion, newScaling, newConfig bool) {
			before := w.info("/web").App
			r := w.change(c)
			after := w.info("/web").App
			if r.Version <= seen[len(seen)-1] {
				t.Errorf("%s: version %s is not later than %s", name, r.Version, seen[len(seen)-1])
			}
			seen = append(seen, r.Version)
			got := []bool{
				after.Version != before.Version,
				after.VersionInfo.LastScalingAt != before.VersionInfo.LastScalingAt,
				after.VersionInfo.LastConfigChangeAt != before.VersionInfo.LastConfigChangeAt,
			}
			if d := cmp.Diff([]bool{newVersion, newScaling, newConfig}, got); d != "" {
				t.Errorf("%s: version, lastScalingAt, lastConfigChangeAt changed:\n%s", name, d)
			}
			w.after(time.Second)
		}
		same := edit("/web", func(*api.App) {})
		step("label", edit("/web", func(a *api.App) { a.Labels = map[string]string{"a": "b"} }), true, true, true)
		step("instances", edit("/web", func(a *api.App) { a.Instances = 2 }), true, true, false)
		step("nothing", same, false, false, false)
		restart := same
		restart.Restart = true
		step("restart", restart, true, false, true)
		if v, err := w.o.Versions("/web"); err != nil || len(v) != 4 || v[0] < v[3] {
			t.Errorf("versions %v, %v", v, err)
		}
	})
}

func TestNothingChangedIsAFinishedDeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", "")))
		w.heard()
		r := w.change(edit("/web", func(*api.App) {}))
		if r.DeploymentID == "" || len(r.Steps) != 0 || len(w.o.Deployments()) != 0 {
			t.Errorf("result %+v", r)
		}
		if d := cmp.Diff([]string{"group_change_success", "deployment_success"}, w.heard()); d != "" {
			t.Error(d)
		}
	})
}

func TestRunningDeploymentLocksItsApps(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/web", time.Minute)
		r := w.change(put(app("/web", "")))
		w.change(put(app("/other", "")))
		grow := edit("/web", func(a *api.App) { a.Instances = 2 })
		e := w.refused(api.CodeLocked, httpapi.WriteOptions{}, grow)
		if d := cmp.Diff([]api.DeploymentRef{{ID: r.DeploymentID}}, e.Deployments); d != "" {
			t.Error(d)
		}
		if !strings.Contains(e.Message, "step 2 of 2") {
			t.Errorf("message %q", e.Message)
		}
		w.heard()
		w.force(grow)
		if got := w.heard(api.EventDeploymentFailed); len(got) != 1 {
			t.Errorf("events %v", got)
		}
		w.after(2 * time.Minute)
		w.wantRunning("/web", 2)
		if len(w.o.Deployments()) != 0 {
			t.Errorf("deployments %+v", w.o.Deployments())
		}
	})
}

func TestLockSurvivesARestartAndEndsWithItsDeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/web", time.Minute)
		w.change(put(app("/web", "")))
		w.crash()
		w.refused(api.CodeLocked, httpapi.WriteOptions{}, edit("/web", func(a *api.App) { a.Instances = 2 }))
		w.after(3 * time.Minute)
		w.change(edit("/web", func(a *api.App) { a.Instances = 2 }))
	})
}

func TestStepsRunInTheOrderOfDependencies(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/db", 10*time.Second)
		w.change(put(app("/web", `,"dependencies":["/db"]`)), put(app("/db", "")))
		w.after(5 * time.Second)
		if n := len(w.info("/web").Tasks); n != 0 {
			t.Errorf("/web has %d tasks before its dependency runs", n)
		}
		d := w.o.Deployments()[0]
		if d.CurrentStep != 2 || d.TotalSteps != 3 || d.CurrentActions[0].App != "/db" {
			t.Errorf("deployment %s", toJSON(d))
		}
		w.after(6 * time.Second)
		w.wantRunning("/web", 1)
	})
}

func TestRollbackRestoresWhatWasThere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/changed", "")), put(app("/deleted", "")))
		was := w.info("/changed").App
		w.slowly("/created", time.Hour)
		r := w.change(
			edit("/changed", func(a *api.App) { a.Env = map[string]string{"X": "1"} }),
			gone("/deleted"), put(app("/created", "")),
		)
		back, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{})
		if err != nil || back.DeploymentID == "" {
			t.Fatalf("%+v, %v", back, err)
		}
		w.after(30 * time.Second)
		if _, ok := w.o.App("/created"); ok {
			t.Error("/created is still there")
		}
		now := w.info("/changed").App
		if now.Version <= was.Version || api.Compare(&was, &now) != api.ChangeNone {
			t.Errorf("/changed: %s", toJSON(now))
		}
		w.wantRunning("/changed", 1)
		w.wantRunning("/deleted", 1)
		if len(w.o.Deployments()) != 0 {
			t.Errorf("deployments %s", toJSON(w.o.Deployments()))
		}
		if _, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{}); api.CodeOf(err) != api.CodeNotFound {
			t.Errorf("second cancel: %v", err)
		}
	})
}

func TestForcedCancelOnlyStops(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/web", 10*time.Second)
		r := w.change(put(app("/web", "")))
		got, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{Force: true})
		if err != nil || got != (api.DeploymentResult{}) || len(w.o.Deployments()) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		w.after(11 * time.Second)
		w.wantRunning("/web", 1)
	})
}

func TestDryRunChangesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		index := w.o.Index()
		r, err := w.o.Change(context.Background(), []httpapi.AppChange{put(app("/web", ""))}, httpapi.WriteOptions{DryRun: true})
		if err != nil || len(r.Steps) != 2 || r.Apps[0].PortDefinitions[0].Port != 10000 {
			t.Errorf("%s, %v", toJSON(r), err)
		}
		if _, ok := w.o.App("/web"); ok || w.o.Index() != index {
			t.Error("the dry run left something")
		}
	})
}

func TestRulesBetweenApps(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/group/web", "")))
		none := httpapi.WriteOptions{}
		w.refused(api.CodeConflict, none, put(app("/group", "")))
		w.refused(api.CodeInvalid, none, put(app("/group/web/below", "")))
		w.refused(api.CodeInvalid, none, put(app("/x", "")), put(app("/x", "")))
		e := w.refused(api.CodeInvalid, none, put(app("/a", `,"dependencies":["/b"]`)), put(app("/b", `,"dependencies":["/a"]`)))
		if !strings.Contains(e.Error(), "cyclic dependencies: /a → /b → /a") {
			t.Error(e)
		}
		w.change(put(app("/group/zoo", "")))
		w.refused(api.CodeConflict, none, gone("/group/web"), put(app("/group", "")))
		w.change(gone("/group/web"), gone("/group/zoo"))
		w.refused(api.CodeConflict, none, put(app("/group", ""))) // the group survives its apps
		w.changeGroup("/group", "")
		w.change(put(app("/group", "")))
	})
}

func TestServicePortsAreOnePerAppAndStable(t *testing.T) {
	inWorld(t, func(w *world) {
		two := `,"portDefinitions":[{"port":0},{"port":0}]`
		w.change(put(app("/a", two)), put(app("/b", two)))
		w.change(put(app("/c", `,"portDefinitions":[{"port":10000},{"port":0}]`)))
		ports := func(id string) []int { a := w.info(id).App; return a.ServicePorts() }
		got := [][]int{ports("/a"), ports("/b"), ports("/c")}
		if d := cmp.Diff([][]int{{10000, 10001}, {10002, 10003}, {10000, 10004}}, got); d != "" {
			t.Error(d)
		}
		w.change(gone("/a"))
		w.crash()
		w.change(put(app("/d", two)))
		if d := cmp.Diff([]int{10001, 10005}, ports("/d")); d != "" {
			t.Error(d)
		}
		r := w.change(put(app("/e", `,"portDefinitions":[{"port":10002}]`)))
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "service port 10002 of /e is also that of /b") {
			t.Errorf("warnings %q", r.Warnings)
		}
	})
}

func TestConcurrentWritesGetDifferentPortsAndVersions(t *testing.T) {
	inWorld(t, func(w *world) {
		const n = 40
		type made struct {
			r   httpapi.WriteResult
			err error
		}
		results := make(chan made, n)
		for i := range n {
			go func() {
				id := "/app" + string(rune('a'+i%26)) + string(rune('a'+i/26))
				r, err := w.o.Change(context.Background(), []httpapi.AppChange{put(app(id, ""))}, httpapi.WriteOptions{})
				results <- made{r, err}
			}()
		}
		ports, versions := map[int]bool{}, map[api.Timestamp]bool{}
		for range n {
			m := <-results
			if m.err != nil {
				t.Fatal(m.err)
			}
			ports[m.r.Apps[0].ServicePorts()[0]] = true
			versions[m.r.Version] = true
		}
		if len(ports) != n || len(versions) != n {
			t.Errorf("%d ports and %d versions for %d apps", len(ports), len(versions), n)
		}
	})
}

func TestKill(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":3`)))
		ids := w.wantRunning("/web", 3)
		killed, r, err := w.o.Kill(context.Background(), []string{ids[0], "web.unknown"}, httpapi.KillOptions{})
		if err != nil || len(killed) != 1 || killed[0].ID != ids[0] || r != (api.DeploymentResult{}) {
			t.Fatalf("%+v %+v %v", killed, r, err)
		}
		w.after(time.Second)
		if now := w.wantRunning("/web", 3); slices.Contains(now, ids[0]) {
			t.Error("the task was not replaced")
		}
		_, r, err = w.o.Kill(context.Background(), []string{ids[1]}, httpapi.KillOptions{Scale: true})
		if err != nil || r.DeploymentID == "" {
			t.Fatal(r, err)
		}
		w.after(time.Second)
		if now := w.wantRunning("/web", 2); slices.Contains(now, ids[1]) || w.info("/web").Instances != 2 {
			t.Errorf("instances %d, running %v", w.info("/web").Instances, now)
		}
		if _, _, err = w.o.Kill(context.Background(), []string{"nodot"}, httpapi.KillOptions{}); api.CodeOf(err) != api.CodeBadRequest {
			t.Errorf("malformed id: %v", err)
		}
		if w.info("/web").LastTaskFailure != nil {
			t.Error("a kill counts as a failure")
		}
	})
}

func TestRunningDeploymentsAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.stop()
		w.opt.MaxDeployments = 2
		w.boot()
		for _, id := range []string{"/a", "/b", "/c"} {
			w.slowly(id, time.Hour)
		}
		w.change(put(app("/a", "")))
		w.change(put(app("/b", "")))
		w.refused(api.CodeTooMany, httpapi.WriteOptions{}, put(app("/c", "")))
		w.force(gone("/a"))
	})
}
