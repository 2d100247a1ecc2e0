package reconcile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

// racks is a cluster whose agents are written "id attribute:value attribute:value".
func racks(agents ...string) *cluster {
	c := newCluster()
	for _, text := range agents {
		words := strings.Fields(text)
		a := agent(words[0], 100, "1-32000", "31000-32000")
		a.Host, a.Attributes = "host-"+words[0], map[string]string{}
		for _, w := range words[1:] {
			k, v, _ := strings.Cut(w, ":")
			switch k {
			case "@zone":
				a.Zone = v
			case "@region":
				a.Region = v
			default:
				a.Attributes[k] = v
			}
		}
		c.agents = append(c.agents, a)
	}
	return c
}

// constrained is an app with constraints written "field OPERATOR value".
func constrained(instances int, constraints ...string) *api.App {
	a := process("/app", instances, 0)
	for _, c := range constraints {
		a.Constraints = append(a.Constraints, strings.Fields(c))
	}
	return a
}

// spread counts an app's living tasks by agent, "a:2 b:1".
func (c *cluster) spread(app string) string {
	count := map[string]int{}
	for _, t := range c.apps[app].Tasks {
		count[t.Agent]++
	}
	var out []string
	for _, a := range c.agents {
		if n := count[a.ID]; n > 0 {
			out = append(out, fmt.Sprintf("%s:%d", a.ID, n))
		}
	}
	return strings.Join(out, " ")
}

func TestConstraintsDecideWhereTasksGo(t *testing.T) {
	abc := []string{"a rack:1 @zone:x", "b rack:1 @zone:y", "c rack:2 @zone:y"}
	tests := []struct {
		rule        string
		agents      []string
		n           int
		constraints []string
		want        string
		waits       string // a sentence of those that wait
	}{
		{"without constraints tasks spread", abc, 3, nil, "a:1 b:1 c:1", ""},
		{"UNIQUE host name", abc, 4, []string{"hostname UNIQUE"}, "a:1 b:1 c:1",
			"constraint hostname UNIQUE: agent a has hostname host-a, where the app runs 1 already"},
		{"by its other name", abc, 4, []string{"@hostname UNIQUE"}, "a:1 b:1 c:1", "constraint @hostname UNIQUE"},
		{"UNIQUE attribute", abc, 3, []string{"rack UNIQUE"}, "a:1 c:1", "agent b has rack 1, where the app runs 1 already"},
		{"UNIQUE zone", abc, 3, []string{"@zone UNIQUE"}, "a:1 b:1", "agent c has @zone y"},
		{"CLUSTER at a value", abc, 2, []string{"rack CLUSTER 2"}, "c:2", ""},
		{"CLUSTER at no agent's value", abc, 1, []string{"rack CLUSTER 3"}, "", "agent a has rack 1, expected 3"},
		{"CLUSTER where the first went", abc, 4, []string{"rack CLUSTER"}, "a:2 b:2", ""},
		{"GROUP_BY levels", abc, 4, []string{"@zone GROUP_BY"}, "a:2 b:1 c:1", ""},
		{"GROUP_BY waits for the groups it is told of", abc, 4, []string{"@zone GROUP_BY 3"}, "a:1 b:1",
			"where the app runs 1, while only 2 of 3 groups have a task"},
		{"MAX_PER", abc, 6, []string{"rack MAX_PER 2"}, "a:1 b:1 c:2", "agent a has rack 1, where the app runs 2 of 2 allowed"},
		{"MAX_PER 0 forbids", abc, 1, []string{"rack MAX_PER 0"}, "", "where the app runs 0 of 0 allowed"},
		{"LIKE", abc, 2, []string{"hostname LIKE host-[bc]"}, "b:1 c:1", ""},
		{"LIKE means the whole value", abc, 1, []string{"hostname LIKE host"}, "", "agent a has hostname host-a, which does not match"},
		{"LIKE with alternatives", abc, 2, []string{"hostname LIKE host-a|host-c"}, "a:1 c:1", ""},
		{"UNLIKE", abc, 2, []string{"@zone UNLIKE y"}, "a:2", ""},
		{"IS", abc, 2, []string{"rack IS 2"}, "c:2", ""},
		{"all hold", abc, 2, []string{"rack IS 1", "hostname UNIQUE"}, "a:1 b:1", ""},

		{"an agent without the attribute fits nothing", []string{"a"}, 1, []string{"ssd IS yes"}, "", "constraint ssd IS yes: agent a has no ssd"},
		{"not UNIQUE either", []string{"a", "b rack:1"}, 2, []string{"rack UNIQUE"}, "b:1", "agent a has no rack"},
		{"but UNLIKE", []string{"a", "b old:yes"}, 2, []string{"old UNLIKE .*"}, "a:2", ""},
		{"numbers are numbers", []string{"a gen:2.0", "b gen:2.0004", "c gen:2.1"}, 3, []string{"gen IS 2"}, "a:2 b:1", ""},
		{"and equal to thousandths in UNIQUE", []string{"a gen:2", "b gen:2.0"}, 2, []string{"gen UNIQUE"}, "a:1", "agent b has gen 2"},
		{"sets are sets", []string{"a d:{ssd,hdd}", "b d:{hdd,ssd}"}, 2, []string{"d UNIQUE"}, "a:1", "agent b has d {hdd,ssd}"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			c := racks(tt.agents...)
			c.configure(constrained(tt.n, tt.constraints...), 10)
			p := c.settle(2)
			if d := cmp.Diff(tt.want, c.spread("/app")); d != "" {
				t.Error(d)
			}
			missing := tt.n - len(c.apps["/app"].Tasks)
			if missing == 0 {
				if len(p.Waiting) > 0 {
					t.Errorf("waiting: %+v", p.Waiting)
				}
				return
			}
			w := p.Waiting[0]
			if w.Count != missing || !strings.Contains(strings.Join(w.Explain, "\n"), tt.waits) || tt.waits == "" {
				t.Errorf("%d wait, want %d: %q, want %q", w.Count, missing, w.Explain, tt.waits)
			}
			if r := w.Rejects[testConstraint]; r.Declined != len(c.agents) {
				t.Errorf("%d of %d agents are turned away by a constraint", r.Declined, len(c.agents))
			}
		})
	}
}

func TestATaskThatIsToGoStillCounts(t *testing.T) {
	c := racks("a")
	c.configure(constrained(1, "hostname UNIQUE"), 10)
	c.settle(2)
	first := &c.apps["/app"].Tasks[0]
	first.State, first.Agent = api.TaskKilling, "a"
	if p := Compute(c.input()); len(p.Starts) > 0 {
		t.Fatalf("beside its predecessor:\n%s", p)
	}
	c.remove("/app", first.ID)
	if p := Compute(c.input()); len(p.Starts) != 1 {
		t.Fatalf("after it:\n%s", p)
	}
}

func TestAnUpgradeMayDoubleAUniqueTaskForAWhile(t *testing.T) {
	c := racks("a", "b")
	c.configure(constrained(2, "hostname UNIQUE"), 10)
	c.settle(2)
	c.configure(constrained(2, "hostname UNIQUE"), 20)
	if p := Compute(c.input()); len(p.Starts) != 2 {
		t.Fatalf("%s", p)
	}
	c.settle(5)
	if d := cmp.Diff("a:1 b:1", c.spread("/app")); d != "" {
		t.Error(d)
	}
}

func TestScalingDownKeepsGroupsLevel(t *testing.T) {
	c := racks("a zone:x", "b zone:y", "c zone:z")
	c.configure(constrained(6, "zone GROUP_BY"), 10)
	c.settle(2)
	def := constrained(3, "zone GROUP_BY")
	def.Version, def.VersionInfo = 10, &api.VersionInfo{LastScalingAt: 11, LastConfigChangeAt: 10}
	c.want("/app", def)
	c.settle(3)
	if d := cmp.Diff("a:1 b:1 c:1", c.spread("/app")); d != "" {
		t.Error(d)
	}
}

// Whatever agents, constraints, deaths and changes: no constraint is broken by a task that was placed.
func TestNoConstraintIsEverBroken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var agents []string
		for i := range rapid.IntRange(1, 5).Draw(t, "agents") {
			text := fmt.Sprintf("n%d", i)
			if v := rapid.IntRange(0, 3).Draw(t, "rack"); v > 0 {
				text += fmt.Sprintf(" rack:%d", v)
			}
			agents = append(agents, text)
		}
		c := racks(agents...)
		rule := rapid.SampledFrom([]string{
			"rack UNIQUE", "hostname UNIQUE", "rack CLUSTER", "rack CLUSTER 2", "rack GROUP_BY", "rack GROUP_BY 2", "rack LIKE [12]",
			"rack UNLIKE 1", "rack MAX_PER 1", "hostname MAX_PER 2", "rack IS 1",
		}).Draw(t, "rule")
		version := api.Timestamp(10)
		t.Repeat(map[string]func(*rapid.T){
			"scale": func(t *rapid.T) {
				def := constrained(rapid.IntRange(0, 6).Draw(t, "instances"), rule)
				def.Version, def.VersionInfo = version, &api.VersionInfo{LastConfigChangeAt: version}
				c.want("/app", def)
				c.settle(1)
			},
			"change": func(t *rapid.T) {
				version++
				c.configure(constrained(rapid.IntRange(0, 6).Draw(t, "instances"), rule), version)
				c.settle(rapid.IntRange(1, 4).Draw(t, "rounds"))
			},
			"die": func(t *rapid.T) {
				if c.apps["/app"] == nil || len(c.apps["/app"].Tasks) == 0 {
					t.Skip("no task")
				}
				task := rapid.SampledFrom(c.apps["/app"].Tasks).Draw(t, "task")
				c.remove("/app", task.ID)
				c.settle(1)
			},
			"": func(t *rapid.T) { c.checkConstraints(t, rule) },
		})
	})
}

// checkConstraints holds a rule against where the tasks of the wanted configuration are.
func (c *cluster) checkConstraints(t *rapid.T, rule string) {
	if c.apps["/app"] == nil || c.apps["/app"].Def == nil {
		return
	}
	words := append(strings.Fields(rule), "")
	field, operator, value := words[0], words[1], words[2]
	count := map[string]int{}
	for _, task := range c.apps["/app"].Tasks {
		if !Current(task.Version, c.apps["/app"].Def) {
			continue
		}
		i := slices.IndexFunc(c.agents, func(a Agent) bool { return a.ID == task.Agent })
		v, ok := c.agents[i].field(field)
		if !ok && operator != api.OperatorUnlike {
			t.Fatalf("%s: task on %s, which has no %s", rule, task.Agent, field)
		}
		count[v]++
	}
	for v, n := range count {
		bad := false
		switch operator {
		case api.OperatorUnique:
			bad = n > 1
		case api.OperatorCluster:
			bad = len(count) > 1 || value != "" && v != value
		case api.OperatorMaxPer:
			bad = fmt.Sprint(n) > value
		case api.OperatorLike:
			bad = v != "1" && v != "2"
		case api.OperatorUnlike, api.OperatorIs:
			bad = (v == "1") != (operator == api.OperatorIs)
		}
		if bad {
			t.Fatalf("%s: tasks by value %v", rule, count)
		}
	}
}

// Whatever the API lets through, placing copes with.
func FuzzConstraint(f *testing.F) {
	for _, s := range []string{
		"hostname\x00UNIQUE\x00\x00", "rack\x00LIKE\x00[12]\x001", "gen\x00IS\x002\x002.0004", "d\x00CLUSTER\x00{a,b}\x00{b,a}",
		"z\x00GROUP_BY\x003\x00", "z\x00MAX_PER\x001\x00x", "r\x00IS\x001e3\x00[1-1000]", "r\x00UNLIKE\x00(\x00(",
	} {
		p := strings.Split(s, "\x00")
		f.Add(p[0], p[1], p[2], p[3])
	}
	f.Fuzz(func(t *testing.T, field, operator, value, attribute string) {
		text, err := json.Marshal(map[string]any{
			"id": "/app", "cmd": "true", "instances": 3, "constraints": [][]string{{field, operator, value}},
		})
		if err != nil {
			t.Skip()
		}
		def, _, err := api.ParseApp(text)
		if err != nil {
			return
		}
		def.VersionInfo = &api.VersionInfo{}
		c := racks("a", "b")
		c.agents[0].Attributes[field] = attribute
		c.want("/app", def)
		c.settle(2)
		if again := canonical(canonical(attribute)); again != canonical(attribute) {
			t.Errorf("%q: canonical twice is %q, once %q", attribute, again, canonical(attribute))
		}
	})
}
