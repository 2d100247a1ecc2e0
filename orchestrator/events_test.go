package orchestrator

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/fake"
	"berth/orchestrator/httpapi"
)

func TestLinksThatComeAndGoAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		links := []string{api.EventSchedulerRegistered, api.EventSchedulerReregistered, api.EventSchedulerDisconnected}
		w.after(time.Second)
		w.host.GoAway()
		w.after(time.Minute) // however often it is tried again
		w.host.ComeBack()
		w.after(time.Minute)
		want := []string{api.EventSchedulerRegistered, api.EventSchedulerDisconnected, api.EventSchedulerReregistered}
		if d := cmp.Diff(want, w.heard(links...)); d != "" {
			t.Error(d)
		}
	})
}

func TestEndOfAStrayIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.stop()
		err := fake.New(w.host).Start(context.Background(), driver.Spec{TaskID: "old.1", App: app("/old", ""), Ports: []int{31000}})
		if err != nil {
			t.Fatal(err)
		}
		w.boot()
		w.after(time.Minute)
		if d := cmp.Diff([]string{"unknown_instance_terminated_event Killed"}, w.heard(api.EventUnknownTerminated)); d != "" {
			t.Error(d)
		}
	})
}

func TestCancelledDeploymentFailsItsStep(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/web", time.Hour)
		r := w.change(put(app("/web", "")))
		w.heard()
		if _, err := w.o.CancelDeployment(context.Background(), r.DeploymentID, httpapi.WriteOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		w.after(0)
		want := []string{"deployment_step_failure", "deployment_failed cancelled on request"}
		if d := cmp.Diff(want, w.heard()); d != "" {
			t.Error(d)
		}
	})
}

// TestDrainingTasksOfADeletedAppAreListed holds that a task is seen until it is gone, although its app is not any more.
func TestDrainingTasksOfADeletedAppAreListed(t *testing.T) {
	inWorld(t, func(w *world) {
		sub := w.o.Subscribe("lb", "mlb", "test") // somebody to wait for
		defer sub.Close()
		go func() {
			for range sub.C {
			}
		}()
		w.change(put(app("/web", "")))
		ids := w.wantRunning("/web", 1)
		w.change(gone("/web"))
		left := w.o.Leaving()
		if _, ok := w.o.App("/web"); ok || len(left) != 1 {
			t.Fatalf("leaving: %s", toJSON(left))
		}
		if got := left[0].Tasks; left[0].ID != "/web" || len(got) != 1 || got[0].ID != ids[0] || got[0].State != api.TaskKilling {
			t.Errorf("leaving: %s", toJSON(left))
		}
		w.after(time.Minute)
		if left := w.o.Leaving(); len(left) != 0 {
			t.Errorf("still leaving: %s", toJSON(left))
		}
	})
}
