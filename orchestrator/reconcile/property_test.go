package reconcile

import (
	"fmt"
	"slices"
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
		"get ready": func(t *rapid.T) {
			_, task := w.pick(t, func(t *Task) bool { return t.State == api.TaskRunning && !t.Ready })
			task.Ready = true
			w.judge(task)
		},
		"turn unhealthy": func(t *rapid.T) {
			_, task := w.pick(t, func(t *Task) bool { return t.State == api.TaskRunning && t.Healthy })
			task.Healthy = false
			w.judge(task)
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
	before := map[string]census{}
	for i := range in.Apps {
		before[in.Apps[i].ID] = w.count(&in.Apps[i])
	}
	w.apply(plan)
	for id, a := range w.apps {
		w.checkBounds(t, a, before[id], plan)
	}
	w.checkAgents(t)
	again := Compute(w.input())
	if len(again.Starts)+len(again.Kills) > 0 {
		t.Fatalf("applying the plan\n%sleft more to do:\n%s", plan, again)
	}
}

// census is how many tasks of an app there are, by what they are worth.
type census struct {
	serving int // old healthy ones, and new ones that are healthy, ready and in force at every balancer or late
	alive   int
	now     int // of the wanted configuration and not to go
	old     int // of a former one and not to go
	moving  int // to go, or new and not serving
}

// count takes the census by the rules' own words, not by Compute's code.
func (w *world) count(a *App) census {
	n := census{alive: len(a.Tasks)}
	for i := range a.Tasks {
		t := &a.Tasks[i]
		healthy := t.State == api.TaskRunning && t.Healthy
		switch current := a.Def != nil && t.Version >= a.Def.VersionInfo.LastConfigChangeAt; {
		case t.State == api.TaskKilling:
			n.moving++
		case !current:
			n.old++
			if healthy {
				n.serving++
			}
		default:
			n.now++
			inForce := w.now.Sub(t.GoodAt) >= a.Drain
			if len(w.follow) == 0 || w.follow[0].Index >= t.GoodIndex {
				inForce = true
			}
			if healthy && t.Ready && inForce {
				n.serving++
			} else {
				n.moving++
			}
		}
	}
	return n
}

// checkBounds: our kills never leave fewer serving than must, our starts never more alive than may, and one more than may
// only where nothing else could get the update on.
func (w *world) checkBounds(t *rapid.T, a *App, had census, plan *Plan) {
	b, has := BoundsOf(a.Def), w.count(a)
	scaledDown := had.now > b.Target // the surplus of the wanted configuration goes at once
	if has.serving < had.serving && has.serving < b.Low && !scaledDown {
		t.Fatalf("%s: our kills left %d serving of %d, at least %d must\n%s", a.ID, has.serving, had.serving, b.Low, plan)
	}
	if has.now > max(had.now, b.Target) {
		t.Fatalf("%s: %d new tasks of %d wanted\n%s", a.ID, has.now, b.Target, plan)
	}
	started := has.alive - had.alive
	if started <= 0 || has.alive <= b.High {
		return
	}
	raised := b.Low == b.High && has.alive == b.High+1
	if !raised || had.old > 0 && (started > 1 || had.moving > 0) {
		t.Fatalf("%s: %d tasks live after %d starts, at most %d may (%+v)\n%s", a.ID, has.alive, started, b.High, had, plan)
	}
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
				for _, p := range task.Ports {
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
		w.endsOrSaysWhy(t)
	})
}

// One app, all of it well, is updated: whatever happens to its tasks meanwhile, the bounds hold at every instant.
func TestBoundsHoldAllThroughAnUpdate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		def := genApp(t, "/app")
		def.RequirePorts = false
		def.Instances = rapid.IntRange(1, 4).Draw(t, "count")
		w.configure(def, w.version)
		w.settle(20)
		w.configure(def, w.version+1)
		actions := w.actions()
		delete(actions, "define")
		delete(actions, "delete")
		actions["turn again"] = actions["turn"] // most things happen between two turns
		actions["come up too"] = actions["come up"]
		actions["turn once more"] = actions["turn"]
		t.Repeat(actions)
		w.endsOrSaysWhy(t)
	})
}

// endsOrSaysWhy lets everything succeed from now on: each app gets to its target, or its queue entry says what it lacks.
func (w *world) endsOrSaysWhy(t *rapid.T) {
	for _, a := range w.apps { // the health checks' part
		a.Tasks = slices.DeleteFunc(a.Tasks, func(t Task) bool { return t.State == api.TaskRunning && !t.Healthy })
	}
	plan := w.settle(100)
	if len(plan.Starts)+len(plan.Kills)+len(plan.Stops) > 0 {
		t.Fatalf("after 100 rounds there is still something to do:\n%s", plan)
	}
	for _, a := range w.input().Apps {
		waits := slices.ContainsFunc(plan.Waiting, func(wt Waiting) bool { return wt.App == a.ID && len(wt.Explain) > 0 })
		if !AtTarget(&a) && !waits {
			t.Fatalf("%s is not at its target %+v and does not say why: %+v", a.ID, BoundsOf(a.Def), a.Tasks)
		}
	}
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
				task.Healthy = false
				c.judge(task)
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
