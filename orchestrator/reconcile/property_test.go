package reconcile

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

// world drives a cluster through random events and watches the laws after each.
type world struct {
	*cluster
	version api.Timestamp
}

func newWorld(t *rapid.T) *world {
	c := newCluster(agent("a1", 1, "1-32000", "31000-31005"), agent("a2", 1, "1-32000", "31000-31005"))
	if rapid.Bool().Draw(t, "balancer") {
		c.follow = []Follower{{Name: "lb", Balances: true, Index: 1}}
	}
	return &world{cluster: c, version: 10}
}

func (w *world) pick(t *rapid.T, ok func(*Task) bool) (string, *Task) {
	type found struct{ app, task string }
	var all []found
	for _, a := range w.input().Apps {
		for i := range a.Tasks {
			if ok(&a.Tasks[i]) {
				all = append(all, found{a.ID, a.Tasks[i].ID})
			}
		}
	}
	if len(all) == 0 {
		t.Skip("no such task")
	}
	f := rapid.SampledFrom(all).Draw(t, "task")
	return f.app, w.task(f.app, f.task)
}

func (w *world) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"define": func(t *rapid.T) {
			w.version++
			w.configure(genApp(t, fmt.Sprintf("/app%d", rapid.IntRange(0, 2).Draw(t, "app"))), w.version)
		},
		"delete": func(t *rapid.T) { w.want("/app0", nil) },
		"come up": func(t *rapid.T) {
			_, task := w.pick(t, func(t *Task) bool { return t.State == api.TaskStaging })
			w.run(task)
		},
		"die": func(t *rapid.T) {
			app, task := w.pick(t, func(t *Task) bool { return true })
			w.remove(app, task.ID)
		},
		"turn unhealthy": func(t *rapid.T) {
			_, task := w.pick(t, func(t *Task) bool { return t.State == api.TaskRunning && t.Healthy })
			task.Healthy, task.GoodIndex = false, 0
		},
		"be gone": func(t *rapid.T) {
			app, task := w.pick(t, func(t *Task) bool { return t.Stopping })
			w.remove(app, task.ID)
		},
		"acknowledge": func(t *rapid.T) {
			for i := range w.follow {
				w.follow[i].Index = w.index
			}
		},
		"wait": func(t *rapid.T) { w.now = w.now.Add(3 * time.Second) },
		"turn": func(t *rapid.T) { w.turn(t) },
	}
}

// turn computes and applies a plan, and checks what must hold of each.
func (w *world) turn(t *rapid.T) {
	w.seed++
	in := w.input()
	plan := Compute(in)
	if d := cmp.Diff(plan, Compute(w.input())); d != "" {
		t.Fatalf("the same input gave another plan:\n%s", d)
	}
	before := map[string][3]int{}
	for i := range in.Apps {
		a := &in.Apps[i]
		before[a.ID] = [3]int{healthyTasks(a), len(a.Tasks)}
	}
	w.apply(plan)
	for id, a := range w.apps {
		b := BoundsOf(a.Def)
		had, has := before[id][0], healthyTasks(a)
		if has < had && has < b.Low {
			t.Fatalf("%s: our kills left %d healthy of %d, at least %d must stay\n%s", id, has, had, b.Low, plan)
		}
		if alive := len(a.Tasks); alive > before[id][1] && alive > b.High {
			t.Fatalf("%s: %d tasks live after a start, at most %d may\n%s", id, alive, b.High, plan)
		}
	}
	w.checkAgents(t)
	again := Compute(w.input())
	if len(again.Starts)+len(again.Kills) > 0 {
		t.Fatalf("applying the plan\n%sleft more to do:\n%s", plan, again)
	}
}

func healthyTasks(a *App) int {
	n := 0
	for _, t := range a.Tasks {
		if t.State == api.TaskRunning && t.Healthy {
			n++
		}
	}
	return n
}

// checkAgents: no host port is given twice, nothing is used that is not there.
func (w *world) checkAgents(t *rapid.T) {
	for _, ag := range w.agents {
		holder := map[int]string{}
		for _, a := range w.apps {
			for _, task := range a.Tasks {
				if task.Agent != ag.ID {
					continue
				}
				for _, p := range taskPorts[task.ID] {
					if other := holder[p]; other != "" {
						t.Fatalf("port %d of %s was given to %s and %s", p, ag.ID, other, task.ID)
					}
					holder[p] = task.ID
				}
			}
		}
		if u := w.usage(ag.ID); u.CPUs > ag.Total.CPUs || u.Mem > ag.Total.Mem {
			t.Fatalf("%s: uses %v of %v", ag.ID, u.Resources, ag.Total)
		}
	}
}

func TestLawsHoldWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(w.actions())
	})
}

func TestEveryChangeEndsAtItsTargetWhereThereIsRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(agent("a1", 100, "1-32000", "31000-32000"))
		if rapid.Bool().Draw(t, "balancer") {
			c.follow = []Follower{{Name: "lb", Balances: true, Index: 1}}
		}
		free := func() *api.App {
			a := genApp(t, "/app")
			a.RequirePorts = false
			return a
		}
		c.configure(free(), 10)
		c.settle(60)
		for i := range c.apps["/app"].Tasks {
			task := &c.apps["/app"].Tasks[i]
			if rapid.Bool().Draw(t, "unhealthy") {
				task.Healthy, task.GoodIndex = false, 0
			}
		}
		c.configure(free(), 20)
		c.settle(60)
		a := c.input().Apps[0]
		if !AtTarget(&a) {
			t.Fatalf("not at target: want %+v, have %+v", BoundsOf(a.Def), a.Tasks)
		}
	})
}

func TestUsageAddThenRemoveIsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u Usage
		u.Add("/other", ResourcesOf(0.3, 10, 0), []int{31000})
		want := u
		want.Ports = map[int]string{31000: "/other"}
		def := genApp(t, "/app")
		ports := []int{31001, 31002}
		u.Add("/app", Need(def), ports)
		u.Remove(Need(def), ports)
		if d := cmp.Diff(want, u); d != "" {
			t.Fatal(d)
		}
	})
}
