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
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/fake"
	"berth/orchestrator/httpapi"
)

func TestScalingDuringADeploymentNeedsForceAndTakesItAlong(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{StartDelay: 2 * time.Second, Program: program.Program{Run: true}})
		w.change(put(app("/web", `,"instances":3`)))
		w.after(3 * time.Second)
		old := w.wantRunning("/web", 3)
		first := w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		scale := edit("/web", func(a *api.App) { a.Instances = 5 })
		_, err := w.o.Change(context.Background(), []httpapi.AppChange{scale}, httpapi.WriteOptions{})
		if api.CodeOf(err) != api.CodeLocked || !strings.Contains(err.Error(), first.DeploymentID) {
			t.Fatalf("without force: %v", err)
		}
		dry := httpapi.WriteOptions{Force: true, DryRun: true}
		if _, err := w.o.Change(context.Background(), []httpapi.AppChange{scale}, dry); err != nil {
			t.Fatal(err)
		}
		if d, _ := w.o.Deployment(first.DeploymentID); d.State != api.DeploymentRunning {
			t.Errorf("after a dry run: %s", toJSON(d))
		}
		w.force(scale)
		if d, _ := w.o.Deployment(first.DeploymentID); d.State != api.DeploymentFailed || d.Reason != "overridden by another deployment" {
			t.Errorf("the first deployment: %s", toJSON(d))
		}
		for range 100 {
			if n := len(w.running("/web")); n < 3 {
				t.Fatalf("%d tasks run", n)
			}
			if n := len(w.alive()); n > 10 {
				t.Fatalf("%d tasks live", n)
			}
			w.after(100 * time.Millisecond)
		}
		now := w.wantRunning("/web", 5)
		if slices.ContainsFunc(old, func(id string) bool { return slices.Contains(now, id) }) {
			t.Errorf("old %v, now %v", old, now)
		}
		if left := w.o.Deployments(); len(left) != 0 || w.info("/web").Env["X"] != "1" {
			t.Errorf("deployments %s", toJSON(left))
		}
	})
}

// The app says how long its tasks may take to end after SIGTERM.
func TestGracePeriodIsTheApps(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{Program: program.Program{Run: true, Drain: time.Hour}})
		w.change(put(app("/web", `,"taskKillGracePeriodSeconds":4`)))
		w.wantRunning("/web", 1)
		w.change(edit("/web", func(a *api.App) { a.Instances = 0 }))
		w.after(3900 * time.Millisecond)
		if len(w.alive()) != 1 {
			t.Fatal("killed before its time")
		}
		w.after(200 * time.Millisecond)
		if len(w.alive()) != 0 {
			t.Fatal("not killed after its time")
		}
	})
}

func TestKillSelectionSaysWhichOldTaskGoesFirst(t *testing.T) {
	for selection, place := range map[string]int{api.YoungestFirst: 2, api.OldestFirst: 0} {
		inWorld(t, func(w *world) {
			def := `,"killSelection":"` + selection + `","upgradeStrategy":{"minimumHealthCapacity":0.6,"maximumOverCapacity":0}`
			w.change(put(app("/web", `,"instances":1`+def)))
			var byAge []string
			for n := 1; n <= 3; n++ {
				w.change(edit("/web", func(a *api.App) { a.Instances = n }))
				for _, id := range w.wantRunning("/web", n) {
					if !slices.Contains(byAge, id) {
						byAge = append(byAge, id)
					}
				}
				w.after(time.Second)
			}
			defer w.o.Subscribe("lb", "mlb", "x").Close() // holds the first one up
			w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
			if d := cmp.Diff([]string{byAge[place]}, w.tasks("/web", api.TaskKilling)); d != "" {
				t.Errorf("%s (-want +got):\n%s", selection, d)
			}
		})
	}
}

func TestRestartReplacesEachTaskAndEndsTheBackoff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":2,"backoffSeconds":100`)))
		old := w.wantRunning("/web", 2)
		if err := w.host.End(old[0], 1); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		w.wantRunning("/web", 1)
		w.change(httpapi.AppChange{ID: "/web", Restart: true, Apply: func(a *api.App) (*api.App, error) { return a, nil }})
		synctest.Wait()
		w.after(time.Second)
		now := w.wantRunning("/web", 2)
		if slices.Contains(now, old[1]) || len(w.o.Queue()) != 0 {
			t.Errorf("old %v, now %v, queue %s", old, now, w.explain())
		}
	})
}

func TestDryRunLeavesADeploymentAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{StartDelay: 2 * time.Second, Program: program.Program{Run: true}})
		r := w.change(put(app("/web", "")))
		dry := httpapi.WriteOptions{Force: true, DryRun: true}
		bigger := edit("/web", func(a *api.App) { a.Instances = 5 })
		if _, err := w.o.Change(context.Background(), []httpapi.AppChange{bigger}, dry); err != nil {
			t.Fatal(err)
		}
		w.after(10 * time.Second)
		if d, _ := w.o.Deployment(r.DeploymentID); d.State != api.DeploymentSucceeded || d.Reason != "" {
			t.Errorf("deployment %s", toJSON(d))
		}
	})
}
