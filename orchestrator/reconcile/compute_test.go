package reconcile

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

// fleet describes tasks by a word each: age in seconds, then letters: o old configuration, s staging, t starting,
// u unreachable, r running but not healthy, h healthy, k to go already.
func fleet(words string) []Task {
	var out []Task
	for w := range strings.FieldsSeq(words) {
		var age int
		var kind string
		if _, err := fmt.Sscanf(w, "%d%s", &age, &kind); err != nil {
			panic(w)
		}
		at := start.Add(-time.Duration(age) * time.Second)
		t := Task{ID: w, Agent: "a1", Version: 10, StagedAt: at, State: api.TaskRunning, Started: at, Ready: true}
		for _, c := range kind {
			switch c {
			case 'o':
				t.Version = 1
			case 's':
				t.State, t.Started = api.TaskStaging, time.Time{}
			case 't':
				t.State, t.Started = api.TaskStarting, time.Time{}
			case 'u':
				t.State = api.TaskUnreachable
			case 'h':
				t.Healthy, t.GoodIndex, t.GoodAt = true, 1, at
			case 'k':
				t.State = api.TaskKilling
			}
		}
		out = append(out, t)
	}
	return out
}

// what prints a plan's kills and the number of starts.
func what(p *Plan) string {
	var out []string
	for _, k := range p.Kills {
		out = append(out, k.Task)
	}
	return fmt.Sprintf("-[%s] +%d", strings.Join(out, " "), len(p.Starts))
}

func TestWhoGoesAndHowManyCome(t *testing.T) {
	tests := []struct {
		rule      string
		n         int
		low, over float64
		selection string
		tasks     string
		want      string
	}{
		{"scaling up starts what is missing", 3, 1, 1, "", "9h", "-[] +2"},
		{"scaling down: unreachable first, healthy last", 2, 1, 1, "", "1h 2r 3t 4s 5u 6h", "-[5u 4s 3t 2r] +0"},
		{"among equals the youngest", 1, 1, 1, "", "1h 3h 2h", "-[1h 2h] +0"},
		{"or the oldest", 1, 1, 1, api.OldestFirst, "1h 3h 2h", "-[3h 2h] +0"},
		{"one to go counts neither as wanted nor as too much", 2, 1, 1, "", "1h 2h 3hk", "-[] +0"},
		{"to zero everything goes", 0, 1, 1, "", "1h 2oh", "-[1h 2oh] +0"},

		{"1/1 starts all new ones beside the old", 3, 1, 1, "", "1oh 2oh 3oh", "-[] +3"},
		{"1/0.5 as many as fit", 3, 1, 0.5, "", "1oh 2oh 3oh", "-[] +1"},
		{"1/0 is raised by one", 3, 1, 0, "", "1oh 2oh 3oh", "-[] +1"},
		{"0.5/0.2 for one instance is raised too", 1, 0.5, 0.2, "", "1oh", "-[] +1"},
		{"0/0 stops everything first", 2, 0, 0, "", "1oh 2oh", "-[1oh 2oh] +0"},
		{"and starts when it is gone", 2, 0, 0, "", "1ohk 2ohk", "-[] +0"},
		{"one gone, one comes", 2, 0, 0, "", "1ohk", "-[] +1"},
		{"0.5/0 kills half at once", 4, 0.5, 0, "", "1oh 2oh 3oh 4oh", "-[1oh 2oh] +0"},
		{"each good new one lets an old one go", 3, 1, 1, "", "1oh 2oh 3oh 0h 0r 0s", "-[1oh] +0"},
		{"unhealthy old ones first", 3, 1, 1, "", "1oh 2o 3oh 0h 0h 0s", "-[2o 1oh] +0"},
		{"unhealthy old ones do not go for nothing", 2, 1, 1, "", "1o 2o 0s 0s", "-[] +0"},
		{"the last old ones go when all new ones are good", 2, 1, 1, "", "1oh 2o 0h 0h", "-[2o 1oh] +0"},
		{"a surplus of old ones goes at once", 2, 1, 1, "", "1oh 2oh 3oh 4oh", "-[1oh 2oh] +0"},
		{"growing while changing never kills below the healthy", 4, 1, 1, "", "1oh 2oh 0h", "-[] +3"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			c := newCluster(agent("a1", 100, "1-32000", "31000-32000"))
			def := process("/app", tt.n, 0)
			def.UpgradeStrategy = api.UpgradeStrategy{MinimumHealthCapacity: tt.low, MaximumOverCapacity: tt.over}
			def.UnreachableStrategy.Disabled = true // what is unreachable counts
			if tt.selection != "" {
				def.KillSelection = tt.selection
			}
			c.configure(def, 10)
			c.apps["/app"].Tasks = fleet(tt.tasks)
			if got := what(Compute(c.input())); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestBackoffDelaysStarts(t *testing.T) {
	c := newCluster(agent("a1", 1, "1-32000", "31000-32000"))
	c.configure(process("/app", 2, 0), 10)
	c.apps["/app"].LaunchAfter, c.apps["/app"].Cause = start.Add(1500*time.Millisecond), "exit code 1"
	p := Compute(c.input())
	want := []Wake{{"/app", start.Add(1500 * time.Millisecond)}}
	if d := cmp.Diff(want, p.Wakes); d != "" || len(p.Starts) > 0 || p.Waiting[0].Count != 2 {
		t.Errorf("%+v", p)
	}
	text := "the next task starts in 0.5 s, because tasks of this version ended: exit code 1"
	if d := cmp.Diff([]string{text}, p.Waiting[0].Sentences(start.Add(time.Second))); d != "" {
		t.Error(d)
	}
	c.now = c.apps["/app"].LaunchAfter
	if p := Compute(c.input()); len(p.Starts) != 2 {
		t.Errorf("after the delay: %s", p)
	}
}

func TestStagedForTooLong(t *testing.T) {
	c := newCluster(agent("a1", 1, "1-32000", "31000-32000"))
	c.configure(process("/app", 1, 0), 10)
	c.apps["/app"].Tasks = fleet("300s")
	in := c.input()
	in.LaunchTimeout = 300 * time.Second
	if got := what(Compute(in)); got != "-[300s] +1" {
		t.Error(got)
	}
	in.Apps[0].Tasks[0].Progress = start.Add(-10 * time.Second)
	p := Compute(in)
	if d := cmp.Diff([]Wake{{"/app", start.Add(290 * time.Second)}}, p.Wakes); d != "" || what(p) != "-[] +0" {
		t.Errorf("%s %s", what(p), d)
	}
}

func TestWaitingSaysWhy(t *testing.T) {
	tests := []struct {
		rule    string
		change  func(*api.App, *Agent)
		reason  string
		explain string
	}{
		{"roles", func(a *api.App, _ *Agent) { a.AcceptedResourceRoles = []string{"slave_public"} }, "UnfulfilledRole",
			"agent a1 has role *, the app accepts slave_public"},
		{"no engine", func(a *api.App, g *Agent) {
			a.Container = &api.Container{Docker: &api.Docker{Image: "nginx"}}
			g.Kinds = map[string]string{"process": ""}
		}, "UnfulfilledConstraint", "the app has the image nginx, agent a1 has no Docker engine"},
		{"no processes", func(_ *api.App, g *Agent) { g.Kinds = map[string]string{"docker": ""} }, "UnfulfilledConstraint",
			"the app has no image, agent a1 runs no plain processes"},
		{"away", func(_ *api.App, g *Agent) { g.Kinds = map[string]string{"process": "engine down"} }, "AgentMaintenance",
			"agent a1 cannot start tasks just now: engine down"},
		{"CPUs", func(a *api.App, _ *Agent) { a.CPUs = 2.5 }, "InsufficientCpus", "CPUs: a task needs 2.5, agent a1 has 0.9 of 1 left"},
		{"memory", func(a *api.App, _ *Agent) { a.Mem = 20000 }, "InsufficientMemory",
			"memory: a task needs 20000 MiB, agent a1 has 9984 of 10000 MiB left"},
		{"disk", func(a *api.App, _ *Agent) { a.Disk = 20000 }, "InsufficientDisk",
			"disk: a task needs 20000 MiB, agent a1 has 10000 of 10000 MiB left"},
		{"port taken", func(a *api.App, _ *Agent) { a.RequirePorts, a.PortDefinitions[0].Port = true, 2000 }, "InsufficientPorts",
			"port 2000 is taken on agent a1 by /other"},
		{"port blocked", func(a *api.App, g *Agent) {
			a.RequirePorts, a.PortDefinitions[0].Port = true, 3000
			g.Blocked = map[int]string{3000: "something outside this cluster"}
		}, "InsufficientPorts", "port 3000 is taken on agent a1 by something outside this cluster"},
		{"port not offered", func(a *api.App, _ *Agent) { a.RequirePorts, a.PortDefinitions[0].Port = true, 40000 }, "InsufficientPorts",
			"port 40000 is not offered by agent a1, which offers 1-32000"},
		{"dynamic range full", func(a *api.App, g *Agent) { g.Dynamic = Ports{{2000, 2000}} }, "InsufficientPorts",
			"agent a1 has no free port left in its dynamic range 2000 (1 numbers)"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			c := newCluster(agent("a1", 1, "1-32000", "31000-32000"))
			c.configure(process("/other", 1, 2000), 10)
			c.settle(2)
			def := process("/app", 2, 0)
			tt.change(def, &c.agents[0])
			c.configure(def, 10)
			in := c.input()
			p := Compute(in)
			if len(p.Starts) > 0 || len(p.Waiting) != 1 {
				t.Fatalf("%+v", p)
			}
			w := p.Waiting[0]
			if d := cmp.Diff([]string{tt.explain}, w.Sentences(c.now)); d != "" || w.Count != 2 {
				t.Errorf("count %d: %s", w.Count, d)
			}
			reached := 1
			for i, r := range w.Rejects {
				want := api.RejectReason{Reason: api.RejectReasons[i], Processed: reached}
				if r.Reason == tt.reason {
					want.Declined, reached = 1, 0
				}
				if r != want {
					t.Errorf("%+v, want %+v", r, want)
				}
			}
		})
	}
}

func TestAgentsAreChosenBySpreadThenLoadThenName(t *testing.T) {
	c := newCluster(agent("b", 4, "1-32000", "31000-32000"), agent("a", 4, "1-32000", "31000-32000"), agent("c", 2, "1-32000", "31000-32000"))
	c.configure(process("/app", 5, 0), 10)
	var got []string
	for _, s := range Compute(c.input()).Starts {
		got = append(got, s.Agent)
	}
	if d := cmp.Diff([]string{"a", "b", "c", "a", "b"}, got); d != "" {
		t.Error(d)
	}
}

func TestAHugeNumberOfInstancesIsPlannedPieceByPiece(t *testing.T) {
	c := newCluster(agent("a", 1, "", ""), agent("b", 1, "", ""))
	def := process("/app", math.MaxInt32)
	def.CPUs, def.Mem = 0, 0
	c.configure(def, 10)
	plan := Compute(c.input())
	onA := 0
	for _, s := range plan.Starts {
		if s.Agent == "a" {
			onA++
		}
	}
	if len(plan.Starts) != MaxStarts || onA != MaxStarts/2 {
		t.Errorf("%d starts, %d of them on a: want %d, spread evenly", len(plan.Starts), onA, MaxStarts)
	}
}

func TestManyRefusalsAreCounted(t *testing.T) {
	var agents []Agent
	for i := range 15 {
		agents = append(agents, agent(fmt.Sprintf("a%02d", i), 0.01, "1-32000", "31000-32000"))
	}
	c := newCluster(agents...)
	c.configure(process("/app", 1, 0), 10)
	text := Compute(c.input()).Waiting[0].Explain
	if len(text) != 11 || text[10] != "and 5 more agents" {
		t.Errorf("%q", text)
	}
	c.agents = nil
	if text := Compute(c.input()).Waiting[0].Explain; text[0] != "there is no agent" {
		t.Errorf("%q", text)
	}
}

func TestHeldAppStaysAsItIsButItsKilledTasksStop(t *testing.T) {
	c := newCluster(agent("a1", 1, "1-32000", "31000-32000"))
	c.configure(process("/app", 5, 0), 10)
	c.apps["/app"].Hold = true
	c.apps["/app"].Tasks = fleet("1oh 2h 3hk")
	p := Compute(c.input())
	if got := what(p); got != "-[] +0" || len(p.Stops) != 1 {
		t.Errorf("%s, %d stops", got, len(p.Stops))
	}
}

func TestEndedTasksAreKeptForAWhile(t *testing.T) {
	c := newCluster()
	c.want("/app", nil)
	for i := range 5 {
		c.apps["/app"].Ended = append(c.apps["/app"].Ended, Ended{fmt.Sprint(i), start.Add(time.Duration(i-1) * time.Hour)})
	}
	c.apps["/app"].Ended = append(c.apps["/app"].Ended[:2], Ended{"2", start.Add(-30 * time.Minute)}, Ended{"3", start}, Ended{"4", start})
	p := Compute(c.input())
	if d := cmp.Diff([]Remove{{"/app", "0"}, {"/app", "1"}}, p.Removes); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Wake{{"/app", start.Add(30 * time.Minute)}}, p.Wakes); d != "" {
		t.Error(d)
	}
}
