package orchestrator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

const checked = `,"healthChecks":[{"protocol":"HTTP","gracePeriodSeconds":10,"intervalSeconds":5,"maxConsecutiveFailures":3}]`

func TestHealthyAppCountsAndEndsItsDeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", checked)))
		info := w.info("/web")
		if *info.TasksRunning != 1 || *info.TasksHealthy != 0 || *info.TasksUnhealthy != 0 || len(info.Deployments) != 1 {
			t.Errorf("before the first probe: %s", toJSON(info))
		}
		w.heard()
		w.after(5 * time.Second)
		info = w.info("/web")
		if *info.TasksHealthy != 1 || len(info.Deployments) != 0 || len(info.Tasks[0].HealthCheckResults) != 1 {
			t.Errorf("after the first probe: %s", toJSON(info))
		}
		want := []string{
			"health_status_changed_event /web true", "instance_health_changed_event",
			"deployment_step_success", "deployment_success",
		}
		if d := cmp.Diff(want, w.heard()); d != "" {
			t.Error(d)
		}
	})
}

func TestSickTaskIsKilledAndReplacedWithoutBackoff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", checked)))
		w.after(20 * time.Second)
		id := w.wantRunning("/web", 1)[0]
		w.heard()
		w.setSick(id, true)
		w.after(21 * time.Second)
		if now := w.wantRunning("/web", 1); now[0] == id {
			t.Fatal("the sick task was not killed")
		}
		got := w.heard(api.EventUnhealthyInstanceKill, api.EventFailedHealthCheck)
		want := []string{
			"failed_health_check_event /web", "failed_health_check_event /web", "failed_health_check_event /web",
			"failed_health_check_event /web",
			"unhealthy_instance_kill_event /web health check failed: 127.0.0.1:" + port(w.o.st.App("/web").Ended[0].Ports) + " answered 503",
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if len(w.o.Queue()) != 0 || w.info("/web").LastTaskFailure != nil {
			t.Errorf("queue %s failure %+v", w.explain(), w.info("/web").LastTaskFailure)
		}
	})
}

func port(ports []int) string { return toJSON(ports[0]) }

func TestUnhealthyReplacementDoesNotReplace(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", checked)))
		w.after(20 * time.Second)
		old := w.wantRunning("/web", 1)[0]
		w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		for _, id := range w.running("/web") {
			if id != old {
				w.setSick(id, true)
			}
		}
		w.after(20 * time.Second)
		if !slices.Contains(w.running("/web"), old) {
			t.Error("the old task went although the new one is sick")
		}
	})
}

func TestReadinessGatesADeploymentOnly(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setSick("/web", true)
		w.change(put(app("/web", `,"portDefinitions":[{"port":0,"name":"http-api"}],"readinessChecks":[{"intervalSeconds":3,"timeoutSeconds":1}]`)))
		w.after(10 * time.Second)
		w.wantRunning("/web", 1)
		if len(w.o.Deployments()) != 1 {
			t.Fatal("the deployment ended before the task was ready")
		}
		w.wantReadiness(false)
		w.setSick("/web", false)
		w.after(3 * time.Second)
		if got := w.info("/web").ReadinessCheckResults; len(got) != 1 || !got[0].Ready {
			t.Errorf("results %s", toJSON(got))
		}
		if len(w.o.Deployments()) != 0 {
			t.Fatal("the deployment goes on although the task is ready")
		}
	})
}

// wantReadiness checks what the running deployment and its app show of the only task's readiness.
func (w *world) wantReadiness(ready bool) {
	w.t.Helper()
	want := []api.ReadinessResult{{Name: "readinessCheck", TaskID: w.running("/web")[0], Ready: ready}}
	if d := cmp.Diff(want, w.o.Deployments()[0].CurrentActions[0].ReadinessCheckResults); d != "" {
		w.t.Errorf("deployment (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, w.info("/web").ReadinessCheckResults); d != "" {
		w.t.Errorf("app (-want +got):\n%s", d)
	}
}

// A probe that fails within the grace period counts for nothing, but is told to whoever waits for the deployment.
func TestDeploymentSaysWhatProbesSayDuringTheGracePeriod(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setSick("/web", true)
		r := w.change(put(app("/web", checked)))
		w.after(6 * time.Second)
		if n := len(w.info("/web").Tasks[0].HealthCheckResults); n != 0 {
			t.Errorf("%d results", n)
		}
		d, _ := w.o.Deployment(r.DeploymentID)
		if len(d.WaitingFor) != 1 || !strings.HasSuffix(d.WaitingFor[0], "answered 503") {
			t.Errorf("waits for %q", d.WaitingFor)
		}
	})
}

func TestCheckEventsFollowTheDefinition(t *testing.T) {
	inWorld(t, func(w *world) {
		w.heard()
		w.change(put(app("/web", checked)))
		w.after(10 * time.Second)
		w.change(edit("/web", func(a *api.App) { a.Instances = 2 }))
		w.after(10 * time.Second)
		w.change(edit("/web", func(a *api.App) { a.HealthChecks[0].IntervalSeconds = 7 }))
		w.after(20 * time.Second)
		w.change(gone("/web"))
		got := w.heard(api.EventAddHealthCheck, api.EventRemoveHealthCheck)
		want := []string{"add_health_check_event /web", "remove_health_check_event /web", "add_health_check_event /web", "remove_health_check_event /web"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// When everything fails at once the cause is more likely here; then nothing is killed for it, and nothing is after a restart
// either, when the verdicts of before stand until a task has been probed.
func TestNothingIsKilledWhenEverythingFailsAtOnce(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		apps := []string{"/a", "/b", "/c", "/d"}
		for _, id := range apps {
			w.change(put(app(id, `,"instances":3`+checked)))
		}
		w.after(time.Minute)
		ids := w.alive()
		for _, id := range apps {
			w.setSick(id, true)
		}
		w.heard()
		w.after(2 * time.Minute)
		if kills := w.heard(api.EventUnhealthyInstanceKill); len(kills) > 0 {
			t.Errorf("killed: %v", kills)
		}
		for _, id := range apps {
			w.setSick(id, false)
		}
		w.after(30 * time.Second)
		w.crash()
		for _, id := range apps {
			for _, task := range w.info(id).Tasks {
				if len(task.HealthCheckResults) != 1 || !task.HealthCheckResults[0].Alive {
					t.Errorf("%s right after a restart: %+v", task.ID, task.HealthCheckResults)
				}
			}
		}
		w.setSick("/a", true)
		w.after(time.Minute)
		if kills := w.heard(api.EventUnhealthyInstanceKill); len(kills) < 3 {
			t.Errorf("one sick app among others: killed %v", kills)
		}
		for _, id := range ids {
			if !strings.HasPrefix(id, "a.") && !slices.Contains(w.alive(), id) {
				t.Errorf("%s did not live through it", id)
			}
		}
	})
}
