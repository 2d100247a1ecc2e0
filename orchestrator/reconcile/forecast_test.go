package reconcile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

func TestForecast(t *testing.T) {
	tests := []struct {
		rule      string
		low, over float64
		instances int
		cpus      float64
		port      int
		running   string
		others    float64 // CPUs that other apps take
		want      []string
	}{
		{"a new app that fits", 1, 1, 3, 0.3, 0, "", 0, nil},
		{"one that does not, with the numbers", 1, 1, 4, 0.3, 0, "", 0,
			[]string{"1 of 4 tasks cannot be started", "CPUs: a task needs 0.3, agent a1 has 0.1 of 1 left"}},
		{"one that does not for others", 1, 1, 3, 0.3, 0, "", 0.2, []string{"1 of 3 tasks cannot", "0.2 of 1 left"}},
		{"an update that fits task by task", 1, 1, 2, 0.3, 0, "1oh 2oh", 0, nil},
		{"one without room for a single task more", 1, 1, 3, 0.3, 0, "1oh 2oh 3oh", 0,
			[]string{"3 of 3 tasks cannot be started", "the update cannot go on: 3 task(s) of the old version",
				"minimumHealthCapacity 1"}},
		{"the same where old ones may go first", 0.5, 1, 3, 0.3, 0, "1oh 2oh 3oh", 0, nil},
		{"a fixed host port under the default strategy", 1, 1, 1, 0.1, 2000, "1oh", 0,
			[]string{"port 2000 is taken on agent a1 by /app", "the update cannot go on"}},
		{"a fixed host port with 0/0", 0, 0, 1, 0.1, 2000, "1oh", 0, nil},
		{"tasks that are not up yet come up", 1, 1, 2, 0.3, 0, "1s 2r", 0, nil},
		{"those on their way out are gone", 1, 1, 3, 0.3, 0, "1ohk 2ohk 3ohk", 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			c := newCluster(agent("a1", 1, "1-32000", "31000-32000"))
			def := process("/app", tt.instances)
			def.CPUs, def.UpgradeStrategy = tt.cpus, api.UpgradeStrategy{MinimumHealthCapacity: tt.low, MaximumOverCapacity: tt.over}
			if tt.port != 0 {
				def.RequirePorts, def.PortDefinitions = true, []api.PortDefinition{{Port: tt.port, Protocol: "tcp"}}
			}
			c.configure(def, 10)
			tasks := fleet(tt.running)
			for i := range tasks {
				tasks[i].Need = Need(def)
				if tt.port != 0 {
					tasks[i].Ports = []int{tt.port}
				}
			}
			c.apps["/app"].Tasks = tasks
			in := c.input()
			in.Agents[0].Used.Add("/other", ResourcesOf(tt.others, 0, 0), nil)
			before := *in.Agents[0].Used
			got := Forecast(in, in.Apps[0])
			if tt.want == nil && got != "" {
				t.Errorf("got %q, want nothing", got)
			}
			for _, part := range tt.want {
				if !strings.Contains(got, part) {
					t.Errorf("got %q, want %q in it", got, part)
				}
			}
			if d := cmp.Diff(before, *in.Agents[0].Used); d != "" {
				t.Errorf("the agent was changed: %s", d)
			}
		})
	}
}

// What is forecast is what happens when everything goes well. With several agents it need not be: which of them a task is
// put on depends on which tasks have gone by then.
func TestForecastComesTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(agent("a1", 0.8, "1-32000", "31000-31006"))
		c.configure(genApp(t, "/app"), 10)
		c.settle(60)
		if rapid.Bool().Draw(t, "beside") {
			c.configure(genApp(t, "/beside"), 10)
			c.settle(60)
			c.apps["/beside"].Def.Instances = len(c.apps["/beside"].Tasks) // it wants no more
		}
		c.configure(genApp(t, "/app"), 20)
		in := c.input()
		text := Forecast(in, in.Apps[0])
		c.settle(200)
		in = c.input()
		if ends := AtTarget(&in.Apps[0]); ends != (text == "") {
			t.Fatalf("forecast %q, but at target: %v (%d tasks of %d)", text, ends, len(in.Apps[0].Tasks), in.Apps[0].Def.Instances)
		}
	})
}

func TestHugeAppsAreNotPlayedThrough(t *testing.T) {
	c := newCluster(agent("a1", 1, "1-32000", "31000-32000"))
	c.configure(process("/app", forecastTasks+1), 10)
	in := c.input()
	if got := Forecast(in, in.Apps[0]); got != "" {
		t.Errorf("got %q", got)
	}
}
