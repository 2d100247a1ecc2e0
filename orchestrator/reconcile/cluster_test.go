package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// cluster is a model of everything around Compute: it applies plans and lets tasks live.
type cluster struct {
	now    time.Time
	apps   map[string]*App
	agents []Agent
	index  uint64
	ids    int
	seed   uint64
	follow []Follower
}

func newCluster(agents ...Agent) *cluster {
	return &cluster{now: start, apps: map[string]*App{}, agents: agents, index: 1}
}

func agent(id string, cpus float64, fixed, dynamic string) Agent {
	f, err := ParsePorts(fixed)
	if err != nil {
		panic(err)
	}
	d, err := ParsePorts(dynamic)
	if err != nil {
		panic(err)
	}
	return Agent{
		ID: id, Kinds: map[string]string{"process": "", "docker": ""}, Roles: []string{"*"},
		Total: ResourcesOf(cpus, 10000, 10000), Fixed: f, Dynamic: d,
	}
}

// process is an app of plain processes with default strategy and the given host ports, 0 for dynamic ones.
func process(id string, instances int, ports ...int) *api.App {
	a := &api.App{
		ID: id, Cmd: "true", Instances: instances, CPUs: 0.1, Mem: 16, Version: 1, RequirePorts: slices.Max(append(ports, 0)) > 0,
		UpgradeStrategy: api.UpgradeStrategy{MinimumHealthCapacity: 1, MaximumOverCapacity: 1},
		VersionInfo:     &api.VersionInfo{LastScalingAt: 1, LastConfigChangeAt: 1},
		KillSelection:   api.YoungestFirst,
	}
	for _, p := range ports {
		a.PortDefinitions = append(a.PortDefinitions, api.PortDefinition{Port: p, Protocol: "tcp"})
	}
	return a
}

// configure replaces an app's definition by one whose tasks have to be replaced.
func (c *cluster) configure(def *api.App, v api.Timestamp) {
	d := *def
	d.Version = v
	d.VersionInfo = &api.VersionInfo{LastScalingAt: v, LastConfigChangeAt: v}
	c.want(def.ID, &d)
}

func (c *cluster) want(id string, def *api.App) {
	if c.apps[id] == nil {
		c.apps[id] = &App{ID: id, Drain: 10 * time.Second}
	}
	c.apps[id].Def = def
}

func (c *cluster) input() *Input {
	in := &Input{Now: c.now, Seed: c.seed, Followers: c.follow, KeepEnded: 3, KeepEndedFor: time.Hour}
	for _, id := range slices.Sorted(maps.Keys(c.apps)) {
		a := *c.apps[id]
		a.Tasks = slices.Clone(a.Tasks)
		in.Apps = append(in.Apps, a)
	}
	in.Agents = slices.Clone(c.agents)
	for i := range in.Agents {
		in.Agents[i].Used = c.usage(in.Agents[i].ID)
	}
	return in
}

func (c *cluster) usage(agent string) *Usage {
	u := &Usage{}
	for _, a := range c.apps {
		for _, t := range a.Tasks {
			if t.Agent == agent {
				u.Add(a.ID, t.Need, t.Ports)
			}
		}
	}
	return u
}

// apply makes a plan real.
func (c *cluster) apply(p *Plan) {
	c.index++
	for _, k := range p.Kills {
		t := c.task(k.App, k.Task)
		t.State, t.KillIndex, t.DrainUntil = api.TaskKilling, c.index, c.now.Add(c.apps[k.App].Drain)
	}
	for _, s := range p.Stops {
		c.task(s.App, s.Task).Stopping = true
	}
	for _, s := range p.Starts {
		a := c.apps[s.App]
		c.ids++
		t := Task{
			ID: fmt.Sprintf("t%04d", c.ids), Agent: s.Agent, State: api.TaskStaging, Version: a.Def.Version,
			StagedAt: c.now, Ready: len(a.Def.ReadinessChecks) == 0, Need: Need(a.Def), Ports: s.Ports,
		}
		a.Tasks = append(a.Tasks, t)
	}
}

func (c *cluster) task(app, id string) *Task {
	a := c.apps[app]
	return &a.Tasks[slices.IndexFunc(a.Tasks, func(t Task) bool { return t.ID == id })]
}

// run makes a task healthy.
func (c *cluster) run(t *Task) {
	t.State, t.Started, t.Healthy = api.TaskRunning, c.now, true
	c.judge(t)
}

// judge keeps since when a task is good.
func (c *cluster) judge(t *Task) {
	c.index++
	switch {
	case !t.Healthy || !t.Ready || t.State != api.TaskRunning:
		t.GoodIndex = 0
	case t.GoodIndex == 0:
		t.GoodIndex, t.GoodAt = c.index, c.now
	}
}

func (c *cluster) remove(app, id string) {
	a := c.apps[app]
	a.Tasks = slices.DeleteFunc(a.Tasks, func(t Task) bool { return t.ID == id })
}

// settle lets everything happen that is under way: stops end, tasks come up, followers keep up, time passes.
func (c *cluster) settle(rounds int) *Plan {
	var p *Plan
	for range rounds {
		p = Compute(c.input())
		c.apply(p)
		for id, a := range c.apps {
			for _, t := range slices.Clone(a.Tasks) {
				switch {
				case t.Stopping:
					c.remove(id, t.ID)
				case t.State == api.TaskStaging:
					c.run(c.task(id, t.ID))
				case t.State == api.TaskRunning && !t.Ready:
					c.task(id, t.ID).Ready = true
					c.judge(c.task(id, t.ID))
				}
			}
		}
		for i := range c.follow {
			c.follow[i].Index = c.index
		}
		c.now = c.now.Add(time.Second)
	}
	return p
}

// genApp draws a definition.
func genApp(t *rapid.T, id string) *api.App {
	shares := rapid.SampledFrom([]float64{0, 0.2, 0.5, 0.75, 1})
	a := process(id, rapid.IntRange(0, 6).Draw(t, "instances"))
	a.UpgradeStrategy = api.UpgradeStrategy{
		MinimumHealthCapacity: shares.Draw(t, "minimum"), MaximumOverCapacity: shares.Draw(t, "over"),
	}
	a.KillSelection = rapid.SampledFrom([]string{api.YoungestFirst, api.OldestFirst}).Draw(t, "selection")
	if rapid.Bool().Draw(t, "readiness") {
		a.ReadinessChecks = []api.ReadinessCheck{{}}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "ports") {
		port := 0
		if a.RequirePorts = rapid.IntRange(0, 4).Draw(t, "fixed") == 0; a.RequirePorts {
			port = 2000 + i
		}
		a.PortDefinitions = append(a.PortDefinitions, api.PortDefinition{Port: port, Protocol: "tcp"})
	}
	return a
}
