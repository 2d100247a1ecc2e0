package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// forecastRounds bounds how far a forecast looks ahead, and forecastTasks how large an app it looks at: a change that gets
// that far is taken to go on.
const (
	forecastRounds = 30
	forecastTasks  = 1000
)

// Forecast plays the change of one app through as if each task came up and ended at once, and says why it would stand
// still before its end; "" if it ends, or goes on for longer than is looked. Agents hold what is used of them, the app's
// own tasks included; in.Apps does not count. Nothing given is changed.
func Forecast(in *Input, a App) string {
	if a.Def == nil || a.Def.Instances+len(a.Tasks) > forecastTasks {
		return ""
	}
	f := newForecast(in, a)
	for range forecastRounds {
		plan := Compute(&f.in)
		switch {
		case AtTarget(&f.in.Apps[0]):
			return ""
		case len(plan.Starts)+len(plan.Kills)+len(plan.Stops) == 0:
			return f.stuck(plan)
		}
		f.play(plan)
	}
	return ""
}

// forecast is a cluster of its own in which time stands still and everything succeeds.
type forecast struct {
	in  Input
	ids int
}

func newForecast(in *Input, a App) *forecast {
	f := &forecast{in: Input{Now: in.Now, Seed: in.Seed, Agents: slices.Clone(in.Agents)}}
	for i := range f.in.Agents {
		used := &Usage{Ports: map[int]string{}}
		if u := f.in.Agents[i].Used; u != nil {
			used.Resources, used.Tasks, used.Ports = u.Resources, u.Tasks, maps.Clone(u.Ports)
		}
		f.in.Agents[i].Used = used
		f.in.Agents[i].Kinds = maps.Clone(f.in.Agents[i].Kinds)
		for kind := range f.in.Agents[i].Kinds { // one that is away comes back
			f.in.Agents[i].Kinds[kind] = ""
		}
	}
	a.Tasks, a.Ended, a.LaunchAfter, a.Hold = slices.Clone(a.Tasks), nil, time.Time{}, false
	f.in.Apps = []App{a}
	for i := range a.Tasks {
		if t := &a.Tasks[i]; t.State != api.TaskKilling && t.State != api.TaskUnreachable {
			f.comeUp(t)
		}
	}
	return f
}

func (f *forecast) comeUp(t *Task) {
	t.State, t.Healthy, t.Ready, t.GoodIndex, t.Started = api.TaskRunning, true, true, 1, f.in.Now
}

func (f *forecast) play(p *Plan) {
	a := &f.in.Apps[0]
	for _, k := range p.Kills {
		f.end(a, k.Task)
	}
	for _, s := range p.Stops {
		f.end(a, s.Task)
	}
	for _, s := range p.Starts {
		f.ids++
		t := Task{ID: fmt.Sprintf("forecast-%d", f.ids), Agent: s.Agent, Version: a.Def.Version, Need: Need(a.Def), Ports: s.Ports}
		f.comeUp(&t)
		a.Tasks = append(a.Tasks, t)
		f.used(s.Agent).Add(a.ID, t.Need, t.Ports)
	}
}

func (f *forecast) end(a *App, task string) {
	i := slices.IndexFunc(a.Tasks, func(t Task) bool { return t.ID == task })
	if u := f.used(a.Tasks[i].Agent); u != nil {
		u.Remove(a.Tasks[i].Need, a.Tasks[i].Ports)
	}
	a.Tasks = slices.Delete(a.Tasks, i, i+1)
}

// used is what is used of an agent; nil if it is not part of the cluster any more.
func (f *forecast) used(agent string) *Usage {
	for i := range f.in.Agents {
		if f.in.Agents[i].ID == agent {
			return f.in.Agents[i].Used
		}
	}
	return nil
}

// stuck says what a plan that leaves nothing to do waits for.
func (f *forecast) stuck(p *Plan) string {
	for _, w := range p.Waiting {
		return fmt.Sprintf("as things are, %d of %d tasks cannot be started: %s", w.Count, f.in.Apps[0].Def.Instances,
			strings.Join(w.Explain, "; "))
	}
	return ""
}
