package orchestrator

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/fake"
)

func TestTasksSurviveTheOrchestrator(t *testing.T) {
	for name, restart := range map[string]func(*world){
		"clean stop": func(w *world) { w.stop(); w.boot() },
		"kill -9":    func(w *world) { w.crash() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.change(put(app("/web", `,"instances":3,"healthChecks":[{"protocol":"HTTP","gracePeriodSeconds":1}]`)))
				w.after(10 * time.Second)
				before, index := w.info("/web"), w.o.Index()
				w.heard()
				restart(w)
				if d := cmp.Diff(before, w.info("/web")); d != "" {
					t.Errorf("the app changed over the restart:\n%s", d)
				}
				if w.o.Index() < index {
					t.Errorf("index fell from %d to %d", index, w.o.Index())
				}
				w.after(time.Minute)
				w.wantRunning("/web", 3)
				if got := w.heard(api.EventStatusUpdate, api.EventHealthStatusChanged); len(got) > 0 {
					t.Errorf("events %v", got)
				}
			})
		})
	}
}

func TestWhatEndedMeanwhileIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":3`)))
		ids := w.wantRunning("/web", 3)
		w.stop()
		if err := w.host.End(ids[0], 7); err != nil {
			t.Fatal(err)
		}
		if err := w.host.End(ids[1], 0); err != nil {
			t.Fatal(err)
		}
		if err := fake.New(w.host).Remove(context.Background(), ids[1]); err != nil {
			t.Fatal(err)
		}
		w.boot()
		w.after(3 * time.Second)
		now := w.wantRunning("/web", 3)
		if d := cmp.Diff(now, w.alive()); d != "" {
			t.Error(d)
		}
		states := map[string]api.TaskState{}
		for _, task := range w.o.st.App("/web").Ended {
			states[task.ID] = task.State
		}
		if d := cmp.Diff(map[string]api.TaskState{ids[0]: api.TaskFailed, ids[1]: api.TaskGone}, states); d != "" {
			t.Error(d)
		}
	})
}

func TestStraysAreRemoved(t *testing.T) {
	inWorld(t, func(w *world) {
		err := fake.New(w.host).Start(context.Background(), driver.Spec{TaskID: "old.1", App: app("/old", ""), Ports: []int{31000}})
		if err != nil {
			t.Fatal(err)
		}
		w.stop()
		w.boot()
		w.after(time.Second)
		if left, _ := fake.New(w.host).List(context.Background()); len(left) > 0 {
			t.Errorf("left: %+v", left)
		}
	})
}

// A crash between the stored intent and the driver's start must neither lose nor double a task.
func TestCrashWhileStartingDoublesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{StartDelay: 5 * time.Second, Program: program.Program{Run: true}})
		w.change(put(app("/web", `,"instances":2`)))
		if n := len(w.tasks("/web", api.TaskStaging)); n != 2 {
			t.Fatalf("%d tasks stage", n)
		}
		w.crash()
		w.after(20 * time.Second)
		if d := cmp.Diff(w.wantRunning("/web", 2), w.alive()); d != "" {
			t.Error(d)
		}
		if f := w.info("/web").LastTaskFailure; f != nil {
			t.Errorf("the app is blamed: %+v", f)
		}
		if n := len(w.o.Deployments()); n != 0 {
			t.Errorf("%d deployments run", n)
		}
	})
}

func TestStopGoesOnAfterARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{Program: program.Program{Run: true, Drain: 8 * time.Second}})
		w.change(put(app("/web", "")))
		w.wantRunning("/web", 1)
		w.change(gone("/web"))
		w.after(time.Second)
		w.crash()
		w.after(20 * time.Second)
		if len(w.alive()) != 0 || len(w.o.Deployments()) != 0 {
			t.Errorf("alive %v, deployments %+v", w.alive(), w.o.Deployments())
		}
	})
}

func TestLostEngineNeitherKillsNorDoubles(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", `,"instances":2,"healthChecks":[{"protocol":"TCP","intervalSeconds":5,"gracePeriodSeconds":0}]`)))
		w.after(10 * time.Second)
		ids := w.wantRunning("/web", 2)
		w.host.GoAway()
		w.after(0) // until it is noticed
		w.setSick("/web", true)
		w.change(put(app("/new", "")))
		if !strings.Contains(w.explain(), "agent a1 cannot start tasks just now") {
			t.Errorf("queue: %s", w.explain())
		}
		w.after(time.Minute)
		if d := cmp.Diff(ids, w.tasks("/web", api.TaskUnreachable)); d != "" {
			t.Error(d)
		}
		w.setSick("/web", false)
		w.host.ComeBack()
		w.after(10 * time.Second)
		w.wantRunning("/new", 1)
		if d := cmp.Diff(ids, w.wantRunning("/web", 2)); d != "" {
			t.Error(d)
		}
	})
}

func TestEndedTasksAreKeptForTheirLogs(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.Script("/web", fake.Behaviour{Program: program.Program{Stdout: "hello", Run: true}})
		w.change(put(app("/web", `,"backoffSeconds":0.1,"backoffFactor":1`)))
		var ended []string
		for range 5 {
			id := w.wantRunning("/web", 1)[0]
			ended = append(ended, id)
			if err := w.host.End(id, 1); err != nil {
				t.Fatal(err)
			}
			w.after(time.Second)
		}
		for i, id := range ended {
			r, err := w.o.Logs(context.Background(), id, driver.LogOptions{Stream: driver.Stdout, Lines: -1})
			if kept := i >= 2; kept != (err == nil) {
				t.Errorf("task %d: logs %v", i, err)
			}
			if err == nil {
				_ = r.Close()
			}
		}
		w.after(61 * time.Minute)
		list, err := fake.New(w.host).List(context.Background())
		if err != nil || len(list) != 1 {
			t.Errorf("left on the host: %+v, %v", list, err)
		}
	})
}

func TestTasksOfAMissingAgentAreReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change(put(app("/web", "")))
		w.wantRunning("/web", 1)
		w.stop()
		w.opt.Agents[0].ID = "a2"
		w.boot()
		w.after(2 * time.Second)
		w.wantRunning("/web", 1)
		if n := len(w.alive()); n != 1 {
			t.Errorf("%d tasks live", n)
		}
	})
}
