package orchestrator

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/fake"
	"berth/orchestrator/driver/hostport"
	"berth/orchestrator/reconcile"
)

// on lists an app's tasks in the API by agent and state, "a1:RUNNING", sorted.
func (w *world) on(id string) string {
	w.t.Helper()
	var out []string
	for _, t := range w.info(id).Tasks {
		out = append(out, t.SlaveID+":"+strings.TrimPrefix(string(t.State), "TASK_"))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// cut makes an agent unreachable, as when its cable is pulled, and waits until that counts.
func (w *world) cut(agent int) {
	w.hosts[agent-1].FallSilent()
	w.after(25 * time.Second)
}

// back makes the agent reachable again and waits until all has settled.
func (w *world) back(agent int) {
	w.hosts[agent-1].ComeBack()
	w.after(time.Minute)
}

func strategy(text string) string { return `,"unreachableStrategy":` + text }

func TestTasksOfAnUnreachableAgentFollowTheirStrategy(t *testing.T) {
	tests := []struct {
		rule     string
		strategy string
		want     []string // the app's tasks 25, 100 and 200 s after the cut, and after the return
	}{
		{"the default replaces and forgets at once", "", []string{"a2:RUNNING a2:RUNNING", "a2:RUNNING a2:RUNNING", "a2:RUNNING a2:RUNNING", "a2:RUNNING a2:RUNNING"}},
		{"replaced later, forgotten later still", strategy(`{"inactiveAfterSeconds":60,"expungeAfterSeconds":150}`), []string{
			"a1:UNREACHABLE a2:RUNNING", "a1:UNREACHABLE a2:RUNNING a2:RUNNING", "a2:RUNNING a2:RUNNING", "a2:RUNNING a2:RUNNING",
		}},
		{"back before it is forgotten: the younger one goes", strategy(`{"inactiveAfterSeconds":0,"expungeAfterSeconds":1000}`), []string{
			"a1:UNREACHABLE a2:RUNNING a2:RUNNING", "a1:UNREACHABLE a2:RUNNING a2:RUNNING", "a1:UNREACHABLE a2:RUNNING a2:RUNNING",
			"a1:RUNNING a2:RUNNING",
		}},
		{"or the older one", strategy(`{"inactiveAfterSeconds":0,"expungeAfterSeconds":1000},"killSelection":"OLDEST_FIRST"`), []string{
			"a1:UNREACHABLE a2:RUNNING a2:RUNNING", "a1:UNREACHABLE a2:RUNNING a2:RUNNING", "a1:UNREACHABLE a2:RUNNING a2:RUNNING",
			"a2:RUNNING a2:RUNNING",
		}},
		{"disabled never replaces", strategy(`"disabled"`), []string{
			"a1:UNREACHABLE a2:RUNNING", "a1:UNREACHABLE a2:RUNNING", "a1:UNREACHABLE a2:RUNNING", "a1:RUNNING a2:RUNNING",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			inCluster(t, 2, func(w *world) {
				w.change(put(app("/web", `,"instances":2`+tt.strategy)))
				w.after(30 * time.Second) // the last replacement is clearly younger
				if got := w.on("/web"); got != "a1:RUNNING a2:RUNNING" {
					t.Fatal(got)
				}
				w.cut(1)
				got := []string{w.on("/web")}
				w.after(75 * time.Second)
				got = append(got, w.on("/web"))
				w.after(100 * time.Second)
				got = append(got, w.on("/web"))
				w.back(1)
				got = append(got, w.on("/web"))
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Error(d)
				}
				if d := cmp.Diff(w.running("/web"), w.alive()); d != "" {
					t.Errorf("what runs is not what is known to run:\n%s", d)
				}
			})
		})
	}
}

func TestALostAgentSpeaksAndSo(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":2`+strategy(`{"inactiveAfterSeconds":0,"expungeAfterSeconds":600}`))))
		w.heard()
		w.cut(1)
		want := []string{"scheduler_disconnected_event", "status_update_event /web TASK_UNREACHABLE", "status_update_event /web TASK_STAGING", "status_update_event /web TASK_RUNNING"}
		got := w.heard(api.EventStatusUpdate, api.EventSchedulerDisconnected, api.EventSchedulerReregistered)
		slices.Sort(want)
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if n := *w.info("/web").TasksRunning; n != 2 {
			t.Errorf("%d tasks count as running", n)
		}
		w.back(1)
		got = w.heard(api.EventSchedulerDisconnected, api.EventSchedulerReregistered)
		if d := cmp.Diff([]string{"scheduler_reregistered_event"}, got); d != "" {
			t.Error(d)
		}
	})
}

// An engine that is restarted, or updated, is gone for a moment only.
func TestAShortAbsenceChangesNothing(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":2`)))
		ids := w.wantRunning("/web", 2)
		for range 3 {
			w.host.GoAway()
			w.after(8 * time.Second)
			w.host.ComeBack()
			w.after(10 * time.Second)
		}
		if d := cmp.Diff(ids, w.wantRunning("/web", 2)); d != "" {
			t.Error(d)
		}
	})
}

// When every agent is unreachable it is our own line that is cut; nothing may be forgotten for it.
func TestNothingIsForgottenWhileNothingCanTakeItsPlace(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":4`)))
		ids := w.wantRunning("/web", 4)
		agents := map[string]string{}
		for _, task := range w.info("/web").Tasks {
			agents[task.ID] = task.SlaveID
		}
		w.hosts[0].FallSilent()
		w.hosts[1].FallSilent()
		w.after(time.Hour)
		if d := cmp.Diff(ids, w.tasks("/web", api.TaskUnreachable)); d != "" {
			t.Error(d)
		}
		w.back(1)
		w.back(2)
		if n := len(w.wantRunning("/web", 4)); n != len(w.alive()) {
			t.Errorf("%d tasks known, %d live", n, len(w.alive()))
		}
		for id, agent := range agents {
			if agent == "a1" && !slices.Contains(w.running("/web"), id) {
				t.Errorf("%s did not outlive the return of its agent", id)
			}
		}
	})
}

// Whatever is under way on an agent when it is lost neither blocks its app nor comes back as a double.
func TestWhatIsUnderWayOnALostAgent(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.host.Script("/slow", fake.Behaviour{StartDelay: time.Minute, Program: program.Program{Run: true}})
		w.change(put(app("/slow", `,"instances":2`)), put(app("/gone", `,"instances":2`)), put(app("/small", `,"instances":2`)))
		w.after(time.Second)
		w.hosts[0].FallSilent()
		w.force(gone("/gone"))
		w.after(time.Second)
		w.force(edit("/small", func(a *api.App) { a.Instances = 0 }))
		w.after(40 * time.Second)
		if got := w.on("/slow"); got != "a2:RUNNING a2:RUNNING" {
			t.Errorf("/slow: %s", got)
		}
		if n := len(w.o.Deployments()); n != 0 {
			t.Errorf("%d deployments run on: %s", n, toJSON(w.o.Deployments()))
		}
		if _, there := w.o.App("/gone"); there {
			t.Error("/gone is still there")
		}
		w.back(1)
		if d := cmp.Diff(w.wantRunning("/slow", 2), w.alive()); d != "" {
			t.Error(d)
		}
	})
}

func TestAnUpgradeDoesNotWaitForALostAgent(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":2`+strategy(`"disabled"`))))
		w.cut(1)
		w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		w.after(10 * time.Second)
		if n := len(w.o.Deployments()); n != 0 || w.on("/web") != "a2:RUNNING a2:RUNNING" {
			t.Errorf("%d deployments, tasks %s", n, w.on("/web"))
		}
		w.back(1)
		if d := cmp.Diff(w.wantRunning("/web", 2), w.alive()); d != "" {
			t.Error(d)
		}
	})
}

func TestAnAgentThatIsNotThereAtTheStartHoldsNobodyUp(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":2`)))
		w.stop()
		w.host.FallSilent()
		w.boot()
		w.after(30 * time.Second)
		if got := w.on("/web"); got != "a2:RUNNING a2:RUNNING" {
			t.Errorf("%s; %s", got, w.explain())
		}
		if err := w.o.Ready(); err != nil {
			t.Error(err)
		}
		w.back(1)
		if d := cmp.Diff(w.wantRunning("/web", 2), w.alive()); d != "" {
			t.Error(d)
		}
	})
}

// A check that fails because the agent is cut off is no reason to kill.
func TestHealthIsNotJudgedOnASilentAgent(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.change(put(app("/web", `,"instances":2,"healthChecks":[{"protocol":"TCP","intervalSeconds":1,"gracePeriodSeconds":0,"maxConsecutiveFailures":2}]`+
			strategy(`"disabled"`))))
		w.after(10 * time.Second)
		ids := w.wantRunning("/web", 2)
		lost := w.info("/web").Tasks[slices.IndexFunc(w.info("/web").Tasks, func(t api.Task) bool { return t.SlaveID == "a1" })].ID
		w.heard()
		w.setSick(lost, true)
		w.host.FallSilent()
		w.after(time.Minute)
		if got := w.heard(api.EventUnhealthyInstanceKill); len(got) > 0 {
			t.Error(got)
		}
		w.setSick(lost, false)
		w.back(1)
		if d := cmp.Diff(ids, w.wantRunning("/web", 2)); d != "" {
			t.Error(d)
		}
	})
}

// The port of a task that was given up is free on paper as soon as its agent is back, but not in fact.
func TestThePortOfAGivenUpTaskIsNotOfferedBeforeItIsGone(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.hosts[0].Script("/web", fake.Behaviour{Program: program.Program{Run: true, Drain: 5 * time.Second}})
		w.change(put(app("/web", `,"instances":2,"requirePorts":true,"portDefinitions":[{"port":2000}]`)))
		w.wantRunning("/web", 2)
		w.cut(1)
		w.force(edit("/web", func(a *api.App) { a.Instances = 1 }))
		w.after(time.Second)
		w.force(edit("/web", func(a *api.App) { a.Instances = 2 }))
		w.after(time.Second)
		w.hosts[0].ComeBack()
		w.after(30 * time.Second)
		w.wantRunning("/web", 2)
		if f := w.info("/web").LastTaskFailure; f != nil && f.State == api.TaskError {
			t.Errorf("a start failed: %+v", f)
		}
	})
}

// A given-up task that ends while its agent is unreachable again gives its port back all the same.
func TestAPortIsNotHeldForATaskThatEndedUnseen(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.host.Script("/web", fake.Behaviour{Program: program.Program{Run: true, IgnoreTerm: true}})
		w.change(put(app("/web", `,"instances":2,"taskKillGracePeriodSeconds":60,"requirePorts":true,"portDefinitions":[{"port":2000}]`)))
		w.wantRunning("/web", 2)
		lost := w.host.Specs()[0].TaskID
		w.cut(1)
		w.force(edit("/web", func(a *api.App) { a.Instances = 1 }))
		w.host.ComeBack()
		w.after(10 * time.Second)
		w.force(edit("/web", func(a *api.App) { a.Instances = 2 }))
		if text := w.explain(); !strings.Contains(text, "port 2000 is taken on agent a1 by a task that was given up and is being ended") {
			t.Errorf("while it is being ended: %s", text)
		}
		w.cut(1)
		if err := w.host.End(lost, 0); err != nil {
			t.Fatal(err)
		}
		w.back(1)
		w.wantRunning("/web", 2)
	})
}

// A stranger's port that cannot be seen from here shows when a start fails; then another agent is tried.
func TestAPortThatTurnsOutToBeTakenIsNoticed(t *testing.T) {
	inCluster(t, 2, func(w *world) {
		w.hosts[0].Script("/web", fake.Behaviour{StartError: &hostport.BoundError{Port: 2000, Protocol: "tcp"}})
		w.change(put(app("/web", `,"requirePorts":true,"portDefinitions":[{"port":2000}]`)))
		w.after(3 * time.Second)
		if got := w.on("/web"); got != "a2:RUNNING" {
			t.Errorf("%s; %s", got, w.explain())
		}
		w.change(edit("/web", func(a *api.App) { a.Instances = 2 }))
		if text := w.explain(); !strings.Contains(text, "port 2000 is taken on agent a1 by something outside this cluster") {
			t.Error(text)
		}
	})
}

func TestWhatAnAgentHasIsAskedFor(t *testing.T) {
	inCluster(t, 1, func(w *world) {
		w.stop()
		a := &w.opt.Agents[0]
		a.CPUs, a.Mem, a.Disk = 0, 0, 0
		a.Measure = func(context.Context) (float64, float64, error) { return 4, 8192, nil }
		w.boot()
		w.change(put(app("/web", `,"instances":4,"cpus":1.5,"disk":1000000`)))
		w.after(time.Second)
		w.wantRunning("/web", 2)
		if text := w.explain(); !strings.Contains(text, "CPUs: a task needs 1.5, agent a1 has 1 of 4 left") {
			t.Error(text)
		}
		if got, want := w.o.nodes[0].total(), reconcile.ResourcesOf(4, 8192-1024, uncountedDisk); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

// Random cuts, returns, deaths, changes and kills of the orchestrator, and in the end what runs is what was asked for.
func TestCutsAndReturnsLoseAndDoubleNothing(t *testing.T) {
	for seed := range 8 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inCluster(t, 3, func(w *world) {
				r := rand.New(rand.NewPCG(uint64(seed), 1))
				texts := []string{`"disabled"`, `{"inactiveAfterSeconds":0,"expungeAfterSeconds":0}`, `{"inactiveAfterSeconds":10,"expungeAfterSeconds":60}`}
				for i, s := range texts {
					w.change(put(app(fmt.Sprintf("/app%d", i), `,"instances":3,"backoffSeconds":0.1,"maxLaunchDelaySeconds":1`+strategy(s))))
				}
				for range 25 {
					h := w.hosts[r.IntN(3)]
					id := fmt.Sprintf("/app%d", r.IntN(3))
					switch r.IntN(6) {
					case 0:
						h.FallSilent()
					case 1:
						h.GoAway()
					case 2, 3:
						h.ComeBack()
					case 4:
						n := r.IntN(5)
						w.force(edit(id, func(a *api.App) { a.Instances = n }))
					case 5:
						w.crash()
					}
					w.after(time.Duration(r.IntN(40)) * time.Second)
				}
				for _, h := range w.hosts {
					h.ComeBack()
				}
				w.after(5 * time.Minute)
				var known []string
				for i := range texts {
					a := w.info(fmt.Sprintf("/app%d", i))
					known = append(known, w.wantRunning(a.ID, a.Instances)...)
					if len(a.Tasks) != a.Instances {
						t.Errorf("%s: %s", a.ID, w.on(a.ID))
					}
				}
				slices.Sort(known)
				if d := cmp.Diff(known, w.alive()); d != "" {
					t.Errorf("what runs is not what is known to run:\n%s", d)
				}
			})
		})
	}
}
