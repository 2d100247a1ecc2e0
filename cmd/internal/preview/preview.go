// Package preview says, before a change is made, what balancers, name servers and virtual addresses would make of it. It
// works on the orchestrator's plan with the same pure code that they use, and asks none of them.
//
//	apps now + plan → After → the apps then → Balancer, Names, VIPs: lines that go and lines that come
package preview

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"berth/cmd/internal/mlbd"
	"berth/dnsd/zone"
	"berth/orchestrator/api"
	"berth/vip/ruleset"
)

// Section is what one of them would do.
type Section struct {
	Action   string   `json:"action,omitempty"`  // balancer: none, runtime or reload
	Reasons  []string `json:"reasons,omitempty"` // of a reload
	Removed  []string `json:"removed"`
	Added    []string `json:"added"`
	Problems []string `json:"problems"` // what it would leave out of the changed apps, and why
}

// Empty reports whether nothing would change and nothing is amiss.
func (s Section) Empty() bool {
	return len(s.Removed)+len(s.Added)+len(s.Problems) == 0 && len(s.Reasons) == 0
}

// section compares lines, which are sorted in place.
func section(have, want []string) Section {
	s := Section{Removed: []string{}, Added: []string{}, Problems: []string{}}
	slices.Sort(have)
	slices.Sort(want)
	for i, j := 0, 0; i < len(have) || j < len(want); {
		switch {
		case j == len(want) || i < len(have) && have[i] < want[j]:
			s.Removed = append(s.Removed, have[i])
			i++
		case i == len(have) || want[j] < have[i]:
			s.Added = append(s.Added, want[j])
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return s
}

// After is the list of apps once a plan has been carried out: changed definitions, without the tasks that go, and with a
// healthy one for each that would start.
func After(now, planned []*api.AppInfo, placements []api.Placement) []*api.AppInfo {
	defs := map[string]*api.AppInfo{}
	for _, a := range planned {
		defs[a.ID] = a
	}
	changed := map[string]api.Placement{}
	for _, p := range placements {
		changed[p.App] = p
	}
	var out []*api.AppInfo
	for _, a := range now {
		p, ok := changed[a.ID]
		switch {
		case !ok || p.Action == "":
			out = append(out, a)
		case p.Action != api.ActionStop && defs[a.ID] != nil:
			out = append(out, with(defs[a.ID], a.Tasks, p))
		}
		delete(changed, a.ID)
	}
	for _, p := range changed {
		if def := defs[p.App]; def != nil && p.Action != "" && p.Action != api.ActionStop {
			out = append(out, with(def, nil, p))
		}
	}
	slices.SortFunc(out, func(a, b *api.AppInfo) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// with is def with the tasks that a placement leaves and starts.
func with(def *api.AppInfo, tasks []api.Task, p api.Placement) *api.AppInfo {
	a := &api.AppInfo{App: def.App, Tasks: []api.Task{}}
	for _, t := range tasks {
		if slices.Contains(p.Keep, t.ID) {
			a.Tasks = append(a.Tasks, t)
		}
	}
	for i, s := range p.Start {
		a.Tasks = append(a.Tasks, started(def, s, i+1))
	}
	return a
}

// started is a task that runs and is healthy. Its id tells that it is none yet.
func started(def *api.AppInfo, s api.PlannedTask, n int) api.Task {
	t := api.Task{
		ID:    fmt.Sprintf("%s.00000000-0000-0000-0000-%012d", strings.ReplaceAll(strings.Trim(def.ID, "/"), "/", "_"), n),
		AppID: def.ID, Host: s.IP, Ports: s.Ports, SlaveID: s.Agent, State: api.TaskRunning, Version: def.Version,
		StartedAt: def.Version, StagedAt: def.Version, IPAddresses: []api.Address{{IPAddress: s.IP, Protocol: "IPv4"}},
	}
	for range def.HealthChecks {
		t.HealthCheckResults = append(t.HealthCheckResults, api.HealthResult{
			Alive: true, FirstSuccess: def.Version, LastSuccess: def.Version, TaskID: t.ID, InstanceID: t.ID,
		})
	}
	return t
}

// Balancer is what a load balancer for the given groups, with default flags, would do.
func Balancer(groups []string, before, after []*api.AppInfo, changed func(app string) bool) (Section, error) {
	c := mlbd.DefaultConfig()
	c.Groups = groups
	have, want, todo, problems, err := mlbd.Preview(c, before, after)
	if err != nil {
		return Section{}, fmt.Errorf("preview of the balancer: %w", err)
	}
	s := section(have, want)
	s.Action, s.Reasons = todo.Rung.String(), todo.Reasons
	for _, p := range problems {
		if changed(p.App) {
			s.Problems = append(s.Problems, p.String())
		}
	}
	return s, nil
}

// Names is what a name server with default flags would do. Serial numbers are left out.
func Names(before, after []*api.AppInfo) (Section, error) {
	lines := func(apps []*api.AppInfo) ([]string, error) {
		var buf bytes.Buffer
		if _, err := zone.NewBuilder(zone.DefaultOptions()).Update(apps, 1).WriteTo(&buf); err != nil {
			return nil, fmt.Errorf("preview of names: %w", err)
		}
		var out []string
		for line := range strings.Lines(buf.String()) {
			if f := strings.Fields(line); len(f) > 3 && !slices.Contains(f, "SOA") && !strings.HasPrefix(line, ";") {
				out = append(out, strings.Join(f, " "))
			}
		}
		return out, nil
	}
	have, err := lines(before)
	if err != nil {
		return Section{}, err
	}
	want, err := lines(after)
	return section(have, want), err
}

// VIPs is what the kernel's table would hold more and less.
func VIPs(before, after []*api.AppInfo, changed func(app string) bool) (Section, error) {
	b, err := ruleset.NewBuilder(ruleset.Options{
		Framework: "marathon", Zone: ruleset.DefaultZone, Range4: ruleset.DefaultRange4, Range6: ruleset.DefaultRange6,
	})
	if err != nil {
		return Section{}, fmt.Errorf("preview of virtual addresses: %w", err)
	}
	have := vipLines(b.Build(before, nil))
	then := b.Build(after, nil)
	s := section(have, vipLines(then))
	for _, p := range then.Problems {
		if changed(p.App) {
			s.Problems = append(s.Problems, p.String())
		}
	}
	return s, nil
}

func vipLines(r ruleset.Result) []string {
	var out []string
	for _, v := range r.VIPs {
		out = append(out, "VIP "+v.ID)
		for _, m := range v.Members {
			to := m.Addr.String()
			if !m.Addr.IsValid() {
				to = "nowhere: " + m.Reason
			}
			out = append(out, fmt.Sprintf("VIP %s → %s", v.ID, to))
		}
	}
	return out
}
