package reconcile

import (
	"testing"
	"time"

	"berth/orchestrator/api"
)

func TestWhenAKilledTaskMayBeStopped(t *testing.T) {
	lb := func(index uint64, sessions int) Follower {
		return Follower{Name: "lb", Balances: true, Index: index, Sessions: map[string]int{"t": sessions}}
	}
	dns := func(index uint64) Follower {
		return Follower{Name: "dns", Index: index}
	}
	vip := func(index uint64, sessions int) Follower {
		return Follower{Name: "vip", Index: index, Sessions: map[string]int{"t": sessions}}
	}
	tests := []struct {
		rule      string
		followers []Follower
		never     bool          // it never ran
		after     time.Duration // since it was killed
		want      bool
	}{
		{"without followers at once", nil, false, 0, true},
		{"not before the balancer has the revision", []Follower{lb(6, 0)}, false, 0, false},
		{"not while it has sessions", []Follower{lb(7, 1)}, false, 0, false},
		{"when it has let go", []Follower{lb(7, 0)}, false, 0, true},
		{"when all have let go", []Follower{lb(8, 0), dns(6)}, false, 0, false},
		{"a name server carries none", []Follower{lb(8, 0), dns(7)}, false, 0, true},
		{"not while a connection through a virtual address is open", []Follower{lb(8, 0), vip(7, 1)}, false, 0, false},
		{"when that has ended", []Follower{lb(8, 0), vip(7, 0)}, false, 0, true},
		{"what never ran goes at once", []Follower{lb(0, 0)}, true, 0, true},
		{"the drain time ends it", []Follower{lb(0, 5)}, false, 10 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			c := newCluster()
			c.want("/app", nil)
			task := Task{ID: "t", State: api.TaskKilling, KillIndex: 7, DrainUntil: start.Add(10 * time.Second), Started: start}
			if tt.never {
				task.Started = time.Time{}
			}
			c.apps["/app"].Tasks = []Task{task}
			c.follow, c.now = tt.followers, start.Add(tt.after)
			p := Compute(c.input())
			if got := len(p.Stops) == 1; got != tt.want {
				t.Errorf("stopped %v, want %v", got, tt.want)
			}
			if !tt.want && (len(p.Acks) != 1 || len(p.Wakes) != 1 || p.Wakes[0].At != start.Add(10*time.Second)) {
				t.Errorf("acks %v, wakes %v", p.Acks, p.Wakes)
			}
		})
	}
}

func TestStopIsOrderedOnce(t *testing.T) {
	c := newCluster()
	c.want("/app", nil)
	c.apps["/app"].Tasks = []Task{{ID: "t", State: api.TaskKilling, Stopping: true}}
	if p := Compute(c.input()); len(p.Stops) > 0 {
		t.Errorf("%s", p)
	}
}

func TestAtTarget(t *testing.T) {
	for tasks, want := range map[string]bool{
		"1h 2h": true, "1h": false, "1h 2h 3h": false, "1h 2r": false, "1h 2oh": false, "1h 2s": false, "1h 2h 3hk": false, "1h 2hk": false,
	} {
		a := App{Def: process("/app", 2, 0), Tasks: fleet(tasks)}
		a.Def.VersionInfo.LastConfigChangeAt = 10
		if got := AtTarget(&a); got != want {
			t.Errorf("%s: %v, want %v", tasks, got, want)
		}
	}
	if !AtTarget(&App{}) || AtTarget(&App{Tasks: fleet("1hk")}) {
		t.Error("a deleted app is at its target when nothing is left")
	}
}
