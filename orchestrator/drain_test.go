package orchestrator

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/fake"
)

// ack reports everything so far as in force, with the given sessions.
func (w *world) ack(name string, sessions map[string]int) {
	w.t.Helper()
	if err := w.o.Ack(api.Ack{Subscriber: name, Role: RoleBalancer, Index: w.o.Index(), Sessions: sessions}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func TestTaskIsStoppedOnlyAfterEveryFollowerLetGo(t *testing.T) {
	inWorld(t, func(w *world) {
		lb, dns := w.o.Subscribe("lb", "mlb", "x"), w.o.Subscribe("dns", "dnsd", "y")
		defer lb.Close()
		defer dns.Close()
		w.change(put(app("/web", "")))
		task := w.wantRunning("/web", 1)
		w.change(edit("/web", func(a *api.App) { a.Instances = 0 }))

		w.after(time.Second)
		if d := cmp.Diff(task, w.tasks("/web", api.TaskKilling)); d != "" {
			t.Fatal(d)
		}
		w.ack("lb", map[string]int{task[0]: 2})
		if len(w.alive()) != 1 {
			t.Fatal("stopped while dnsd had not acknowledged and sessions were open")
		}
		w.ack("dns", nil)
		if len(w.alive()) != 1 {
			t.Fatal("stopped while sessions were open")
		}
		w.ack("lb", map[string]int{})
		if len(w.alive()) != 0 {
			t.Fatal("not stopped although everybody let go")
		}
		w.after(time.Second)
		if n := len(w.info("/web").Tasks); n != 0 {
			t.Errorf("%d tasks are listed", n)
		}
	})
}

func TestDrainEndsByTimeWhateverFollowersSay(t *testing.T) {
	for _, tt := range []struct {
		labels string
		wait   time.Duration
	}{{"", 10 * time.Second}, {`,"labels":{"BERTH_DRAIN_SECONDS":"3"}`, 3 * time.Second}} {
		inWorld(t, func(w *world) {
			defer w.o.Subscribe("lb", "mlb", "x").Close()
			w.change(put(app("/web", tt.labels)))
			w.after(time.Second)
			task := w.wantRunning("/web", 1)[0]
			w.change(edit("/web", func(a *api.App) { a.Instances = 0 }))
			w.after(tt.wait - 100*time.Millisecond)
			w.ack("lb", map[string]int{task: 1})
			if len(w.alive()) != 1 {
				t.Errorf("%s: stopped too early", tt.labels)
			}
			w.after(200 * time.Millisecond)
			if len(w.alive()) != 0 {
				t.Errorf("%s: not stopped after %s", tt.labels, tt.wait)
			}
		})
	}
}

func TestFollowerThatJustLeftIsStillWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		lb := w.o.Subscribe("lb", "mlb", "x")
		w.change(put(app("/web", `,"labels":{"BERTH_DRAIN_SECONDS":"300"}`)))
		w.after(11 * time.Second)
		w.change(edit("/web", func(a *api.App) { a.Instances = 0 }))
		lb.Close()
		w.after(reconnectGrace - time.Second)
		if len(w.alive()) != 1 {
			t.Fatal("stopped while its balancer was away for a moment")
		}
		w.after(2 * time.Second)
		if len(w.alive()) != 0 {
			t.Fatal("not stopped after the balancer was away for long")
		}
	})
}

func TestFollowerThatSaidGoodbyeIsNotWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		lb := w.o.Subscribe("lb", "mlb", "x")
		defer w.o.Subscribe("other", "mlb", "y").Close()
		w.change(put(app("/web", "")))
		w.after(11 * time.Second)
		w.change(edit("/web", func(a *api.App) { a.Instances = 0 }))
		w.ack("other", nil)
		if len(w.alive()) != 1 {
			t.Fatal("stopped before both had let go")
		}
		if err := w.o.Ack(api.Ack{Subscriber: "lb", Role: RoleBalancer, Leaving: true}); err != nil {
			t.Fatal(err)
		}
		lb.Close()
		w.after(0)
		if len(w.alive()) != 0 {
			t.Fatal("not stopped although one had let go and the other is gone for good")
		}
		w.crash()
		if names := w.o.st.Followers(); len(names) != 1 || names["other"] == "" {
			t.Errorf("followers remembered: %v", names)
		}
	})
}

func TestFollowersAreWaitedForAfterARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.o.Subscribe("lb", "mlb", "x")
		w.change(put(app("/web", "")))
		w.after(11 * time.Second)
		w.change(edit("/web", func(a *api.App) { a.Instances = 0 }))
		w.crash()
		w.after(time.Second)
		if len(w.alive()) != 1 {
			t.Fatal("stopped before its balancer could reconnect")
		}
		defer w.o.Subscribe("lb", "mlb", "x").Close()
		w.ack("lb", nil)
		if len(w.alive()) != 0 {
			t.Fatal("not stopped although the balancer let go")
		}
	})
}

func TestOldTaskStaysUntilItsReplacementIsRouted(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.o.Subscribe("lb", "mlb", "x").Close()
		w.change(put(app("/web", "")))
		w.after(11 * time.Second)
		old := w.wantRunning("/web", 1)[0]
		w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		w.after(5 * time.Second)
		if !slices.Contains(w.wantRunning("/web", 2), old) {
			t.Fatal("the old task went before its replacement was routed")
		}
		w.ack("lb", nil)
		w.ack("lb", nil)
		w.after(time.Second)
		if slices.Contains(w.wantRunning("/web", 1), old) {
			t.Fatal("the old task stays")
		}
	})
}

func TestDeadBalancerCannotStopADeployment(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.o.Subscribe("lb", "mlb", "x").Close()
		w.change(put(app("/web", "")))
		w.after(11 * time.Second)
		w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		w.after(21 * time.Second)
		w.wantRunning("/web", 1)
		if n := len(w.o.Deployments()); n != 0 {
			t.Errorf("%d deployments run", n)
		}
	})
}

func TestAckIsChecked(t *testing.T) {
	inWorld(t, func(w *world) {
		bad := []api.Ack{{}, {Subscriber: "x", Index: 1 << 40}, {Subscriber: "x", Sessions: map[string]int{"t": -1}}}
		for _, a := range bad {
			if err := w.o.Ack(a); api.CodeOf(err) != api.CodeInvalid {
				t.Errorf("%+v: %v", a, err)
			}
		}
		if err := w.o.Ack(api.Ack{Subscriber: "nobody"}); err != nil {
			t.Error(err)
		}
	})
}

// Each gate's time is measured, and what a deployment stands before is said.
func TestGatesOfADeploymentAreMeasured(t *testing.T) {
	inWorld(t, func(w *world) {
		lb, dns := w.o.Subscribe("lb", "mlb", "x"), w.o.Subscribe("dns", "dnsd", "y")
		defer lb.Close()
		defer dns.Close()
		slowEnd := program.Program{Run: true, Drain: 3 * time.Second}
		w.host.Script("/web", fake.Behaviour{Program: slowEnd})
		w.change(put(app("/web", "")))
		w.after(11 * time.Second)
		old := w.wantRunning("/web", 1)[0]
		w.host.Script("/web", fake.Behaviour{StartDelay: 2 * time.Second, Program: slowEnd})
		r := w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		stands := func(gate, sentence string) {
			t.Helper()
			d, _ := w.o.Deployment(r.DeploymentID)
			i := slices.IndexFunc(d.Gates, func(g api.Gate) bool { return g.Gate == gate })
			if i < 0 || d.Gates[i].Waiting != 1 || !slices.Contains(d.WaitingFor, "/web: "+sentence) {
				t.Errorf("not before the gate %s: %s", gate, toJSON(d))
			}
		}
		stands(api.GateStart, "1 launched, not running yet")
		w.after(2500 * time.Millisecond)
		stands(api.GateRouted, "1 healthy, not in force yet at every balancer")
		w.ack("lb", nil)
		stands(api.GateAcknowledged, "1 to be stopped, not let go yet by every balancer and name server")
		w.after(100 * time.Millisecond)
		w.ack("lb", map[string]int{old: 2})
		w.ack("dns", nil)
		stands(api.GateSessions, "1 to be stopped, with 2 session(s) left")
		w.after(time.Second)
		w.ack("lb", nil)
		w.after(10 * time.Second)
		d, _ := w.o.Deployment(r.DeploymentID)
		want := []api.Gate{
			{Gate: api.GateStart, Passed: 1, AverageMillis: 2000, LongestMillis: 2000},
			{Gate: api.GateHealthy, Passed: 1},
			{Gate: api.GateRouted, Passed: 1, AverageMillis: 500, LongestMillis: 500},
			{Gate: api.GateAcknowledged, Passed: 1, AverageMillis: 100, LongestMillis: 100},
			{Gate: api.GateSessions, Passed: 1, AverageMillis: 1000, LongestMillis: 1000},
			{Gate: api.GateStop, Passed: 1, AverageMillis: 3000, LongestMillis: 3000},
		}
		if d := cmp.Diff(want, d.Gates); d != "" {
			t.Errorf("gates (-want +got):\n%s", d)
		}
		if d.State != api.DeploymentSucceeded {
			t.Errorf("state %s", toJSON(d))
		}
	})
}

// A gate that was passed because the drain time had ended says so.
func TestGatesThatTimeOutAreCounted(t *testing.T) {
	inWorld(t, func(w *world) {
		defer w.o.Subscribe("lb", "mlb", "x").Close()
		w.change(put(app("/web", "")))
		w.after(11 * time.Second)
		r := w.change(edit("/web", func(a *api.App) { a.Env = map[string]string{"X": "1"} }))
		w.after(time.Minute)
		d, _ := w.o.Deployment(r.DeploymentID)
		for _, g := range d.Gates {
			handshake := g.Gate == api.GateRouted || g.Gate == api.GateAcknowledged || g.Gate == api.GateSessions
			if g.Passed != 1 || (g.TimedOut == 1) != handshake {
				t.Errorf("%+v", g)
			}
		}
		if len(d.Gates) != 6 {
			t.Errorf("gates %s", toJSON(d.Gates))
		}
	})
}
