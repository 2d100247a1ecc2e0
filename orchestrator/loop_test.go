package orchestrator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/fake"
)

func TestNewAppRunsAndItsDeploymentEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		w.heard()
		r := w.change(put(app("/web", `,"instances":2`)))
		w.wantRunning("/web", 2)
		got := w.heard()
		wantEvents := []string{
			"api_post_event", "group_change_success", "deployment_info",
			"deployment_step_success", "deployment_info",
			"instance_changed_event Created", "status_update_event /web TASK_STAGING", "instance_changed_event Staging",
			"instance_changed_event Created", "status_update_event /web TASK_STAGING", "instance_changed_event Staging",
			"status_update_event /web TASK_RUNNING", "instance_changed_event Running",
			"status_update_event /web TASK_RUNNING", "instance_changed_event Running",
			"deployment_step_success", "deployment_success",
		}
		if d := cmp.Diff(wantEvents, got); d != "" {
			t.Errorf("events (-want +got):\n%s", d)
		}
		if len(w.o.Deployments()) != 0 || r.DeploymentID == "" || r.Version != w.info("/web").Version {
			t.Errorf("result %+v, deployments %+v", r, w.o.Deployments())
		}
		info := w.info("/web")
		task := info.Tasks[0]
		if task.Host != "node1" || task.SlaveID != "a1" || len(task.Ports) != 1 || !strings.HasPrefix(task.ID, "web.") {
			t.Errorf("task %s", toJSON(task))
		}
		if info.PortDefinitions[0].Port != 10000 {
			t.Errorf("service port %d, want 10000", info.PortDefinitions[0].Port)
		}
	})
}

func TestTaskThatEndsIsReplacedUnderBackoff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"backoffSeconds":4,"backoffFactor":2`)))
		first := w.wantRunning("/web", 1)[0]
		if err := w.host.End(first, 3); err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		w.wantRunning("/web", 0)
		q := w.o.Queue()
		if len(q) != 1 || q[0].Count != 1 || q[0].Delay.TimeLeftSeconds != 3 || !strings.Contains(q[0].Explain[0], "the next task starts in 3 s") {
			t.Fatalf("queue %s", toJSON(q))
		}
		f := w.info("/web").LastTaskFailure
		if f == nil || f.TaskID != first || f.State != api.TaskFailed || f.Message == "" {
			t.Fatalf("last failure %+v", f)
		}
		w.after(3 * time.Second)
		second := w.wantRunning("/web", 1)[0]
		if len(w.o.Queue()) != 0 {
			t.Errorf("queue %s", toJSON(w.o.Queue()))
		}
		if err := w.host.End(second, 0); err != nil {
			t.Fatal(err)
		}
		w.after(7 * time.Second)
		w.wantRunning("/web", 0)
		if err := w.o.ResetDelay("/web"); err != nil {
			t.Fatal(err)
		}
		w.after(0)
		w.wantRunning("/web", 1)
		if err := w.o.ResetDelay("/web"); api.CodeOf(err) != api.CodeNotFound {
			t.Errorf("reset of an app that is not in the queue: %v", err)
		}
	})
}

func TestFailedStartSaysWhy(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/bad", fake.Behaviour{StartError: cmpError("no such image")})
		w.change(put(app("/bad", "")))
		f := w.info("/bad").LastTaskFailure
		if f == nil || f.State != api.TaskError || !strings.Contains(f.Message, "no such image") {
			t.Fatalf("last failure %+v", f)
		}
		if !strings.Contains(w.explain(), "no such image") {
			t.Errorf("queue: %s", w.explain())
		}
	})
}

type cmpError string

func (e cmpError) Error() string { return string(e) }

func TestScalingKeepsTasksAndPicksTheYoungestToGo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", "")))
		first := w.wantRunning("/web", 1)
		w.after(time.Second)
		w.change(edit("/web", func(a *api.App) { a.Instances = 3 }))
		if !slices.Contains(w.wantRunning("/web", 3), first[0]) {
			t.Error("scaling up replaced a task")
		}
		w.change(edit("/web", func(a *api.App) { a.Instances = 1 }))
		w.after(time.Second)
		if d := cmp.Diff(first, w.wantRunning("/web", 1)); d != "" {
			t.Error(d)
		}
		info := w.info("/web").VersionInfo
		if info.LastConfigChangeAt >= info.LastScalingAt {
			t.Errorf("version info %+v", info)
		}
	})
}

func TestChangedAppIsReplacedAndNeverBelowItsCapacity(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{StartDelay: time.Second, Program: program.Program{Run: true}})
		w.change(put(app("/web", `,"instances":3`)))
		w.after(2 * time.Second)
		old := w.wantRunning("/web", 3)
		w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		for range 40 {
			if n := len(w.alive()); n > 6 {
				t.Fatalf("%d tasks live", n)
			}
			if n := len(w.running("/web")); n < 3 {
				t.Fatalf("%d tasks run", n)
			}
			w.after(100 * time.Millisecond)
		}
		now := w.wantRunning("/web", 3)
		for _, id := range old {
			if slices.Contains(now, id) {
				t.Errorf("%s was not replaced", id)
			}
		}
		if d := cmp.Diff(now, w.alive()); d != "" {
			t.Errorf("alive: %s", d)
		}
		if len(w.o.Deployments()) != 0 {
			t.Errorf("deployments %+v", w.o.Deployments())
		}
	})
}

func TestDeletedAppEndsAndIsForgotten(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":2`)))
		w.wantRunning("/web", 2)
		w.heard()
		w.change(gone("/web"))
		w.after(time.Second)
		if _, ok := w.o.App("/web"); ok || len(w.alive()) > 0 || len(w.o.Deployments()) > 0 {
			t.Errorf("left: %v, deployments %+v", w.alive(), w.o.Deployments())
		}
		if got := w.heard(api.EventAppTerminated, api.EventDeploymentSuccess); len(got) != 2 {
			t.Errorf("events %v", got)
		}
		w.after(2 * time.Hour)
		if a := w.o.st.App("/web"); a != nil {
			t.Errorf("the record is still there: %+v", a)
		}
	})
}

func TestFixedHostPortWaitsAndSaysWhoHasIt(t *testing.T) {
	inWorld(t, func(w *world) {
		def := `,"requirePorts":true,"portDefinitions":[{"port":2000}]`
		w.change(put(app("/web", def)))
		w.wantRunning("/web", 1)
		w.change(put(app("/other", def)))
		if want := "port 2000 is taken on agent a1 by /web"; !strings.Contains(w.explain(), want) {
			t.Errorf("got %q, want %q", w.explain(), want)
		}
		q := w.o.Queue()[0].ProcessedOffersSummary.RejectSummaryLastOffers
		if q[8] != (api.RejectReason{Reason: "InsufficientPorts", Declined: 1, Processed: 1}) {
			t.Errorf("rejects %+v", q)
		}
		w.change(gone("/web"))
		w.after(time.Second)
		w.wantRunning("/other", 1)
	})
}

func TestUpdateThatCanNeverEndIsAnnounced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"requirePorts":true,"portDefinitions":[{"port":2000}]`)))
		r := w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "the update cannot go on") {
			t.Errorf("warnings %q", r.Warnings)
		}
		if !strings.Contains(w.explain(), "the update cannot go on") {
			t.Errorf("queue: %s", w.explain())
		}
	})
}

func TestSlowStartOfOneAppHoldsUpNobody(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/slow", fake.Behaviour{StartDelay: time.Minute, Program: program.Program{Run: true}})
		w.change(put(app("/slow", `,"instances":50`)))
		w.change(put(app("/quick", "")))
		w.wantRunning("/quick", 1)
		w.force(gone("/slow"))
		w.after(time.Second)
		if got := w.alive(); len(got) != 1 {
			t.Errorf("alive: %v", got)
		}
	})
}

func TestTaskThatStaysStagedIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{StartDelay: time.Hour, Program: program.Program{Run: true}})
		w.change(put(app("/web", "")))
		first := w.tasks("/web", api.TaskStaging)
		w.after(290 * time.Second)
		if d := cmp.Diff(first, w.tasks("/web", api.TaskStaging)); d != "" {
			t.Fatal(d)
		}
		w.host.Script("/web", fake.Behaviour{Program: program.Program{Run: true}})
		w.after(11 * time.Second)
		if now := w.wantRunning("/web", 1); now[0] == first[0] {
			t.Error("the same task")
		}
	})
}
