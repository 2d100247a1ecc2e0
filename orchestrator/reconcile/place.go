package reconcile

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// maxExplained bounds the sentences of one queue entry.
const maxExplained = 10

// MaxStarts is how many tasks of one app a plan launches at the most; the next plan goes on. Without it, a number of
// instances with some digits too many would keep everybody waiting for the plan.
const MaxStarts = 10000

// place launches up to want tasks, each on the best agent that takes it. What is left waits with the reasons.
func (s *situation) place(want, missing int) {
	rules := s.constraintsOf()
	for n := range min(want, MaxStarts) {
		offer, refused := s.bestAgent(len(s.now)+n, rules)
		if offer == nil {
			s.c.plan.Waiting = append(s.c.plan.Waiting, s.refusedBy(refused, missing-n))
			return
		}
		agent := &s.c.in.Agents[offer.agent]
		s.c.taken[offer.agent].Add(s.app.ID, Need(s.app.Def), offer.ports)
		for _, k := range rules {
			k.add(agent)
		}
		s.c.plan.Starts = append(s.c.plan.Starts, Start{s.app.ID, agent.ID, KindOf(s.app.Def), offer.ports})
		s.here[agent.ID]++
	}
}

// tasksOn counts the app's tasks on an agent, those that the plan launches among them.
func (s *situation) tasksOn(agent string) int {
	if s.here == nil {
		s.here = map[string]int{}
		for _, st := range s.c.plan.Starts {
			if st.App == s.app.ID {
				s.here[st.Agent]++
			}
		}
		for _, t := range s.now {
			s.here[t.Agent]++
		}
	}
	return s.here[agent]
}

// KindOf names the driver kind that runs def: docker with an image, else process.
func KindOf(def *api.App) string {
	if def.Image() != "" {
		return "docker"
	}
	return "process"
}

// offer is an agent that can take a task.
type offer struct {
	agent int
	ports []int
	crowd int     // tasks of this app that share its value of a GROUP_BY field
	tasks int     // of this app, there already
	load  float64 // share of its fullest resource
}

// refusal is an agent that cannot, with the first test it fails (index into api.RejectReasons) and a sentence.
type refusal struct {
	test    int
	explain string
}

// bestAgent picks, among those that fit, an agent of the smallest GROUP_BY group, then the one with the fewest tasks of
// the app, then the least loaded, then the first by id.
func (s *situation) bestAgent(nth int, rules []*constraint) (*offer, []refusal) {
	var best *offer
	var refused []refusal
	for i := range s.c.in.Agents {
		o, r := s.consider(i, nth, rules)
		if o == nil {
			refused = append(refused, r)
			continue
		}
		if best == nil || s.better(o, best) {
			best = o
		}
	}
	return best, refused
}

func (s *situation) better(a, b *offer) bool {
	switch {
	case a.crowd != b.crowd:
		return a.crowd < b.crowd
	case a.tasks != b.tasks:
		return a.tasks < b.tasks
	case a.load != b.load:
		return a.load < b.load
	}
	return s.c.in.Agents[a.agent].ID < s.c.in.Agents[b.agent].ID
}

// The tests in their order, as indexes into api.RejectReasons. An agent that cannot run this kind of task at all fails
// where constraints (section 12.3) do.
const (
	testRole        = 0
	testConstraint  = 1
	testMaintenance = 3
	testCPUs        = 4
	testMem         = 5
	testDisk        = 6
	testPorts       = 8
)

// consider tests whether agent i can take one more task of the app.
func (s *situation) consider(i, nth int, rules []*constraint) (*offer, refusal) {
	agent, taken, def := &s.c.in.Agents[i], &s.c.taken[i], s.app.Def
	if why := roleRefusal(agent, def); why != "" {
		return nil, refusal{testRole, why}
	}
	for _, k := range rules {
		if why := k.refusal(agent); why != "" {
			return nil, refusal{testConstraint, why}
		}
	}
	if r, bad := kindRefusal(agent, def); bad {
		return nil, r
	}
	free := agent.Total.minus(taken.Resources)
	if agent.Used != nil {
		free = free.minus(agent.Used.Resources)
	}
	need := Need(def)
	if r, bad := resourceRefusal(agent, need, free); bad {
		return nil, r
	}
	choice := portChoice{agent: agent, taken: taken}
	ports, why := choice.choose(HostPorts(def), portSeed(s.c.in.Seed, s.app.ID, agent.ID, nth))
	if why != "" {
		return nil, refusal{testPorts, why}
	}
	return &offer{
		agent: i, ports: ports, crowd: crowd(rules, agent), tasks: s.tasksOn(agent.ID), load: load(agent.Total, free),
	}, refusal{}
}

func roleRefusal(agent *Agent, def *api.App) string {
	accepted := def.AcceptedResourceRoles
	if len(accepted) == 0 {
		accepted = []string{"*"}
	}
	for _, role := range accepted {
		if slices.Contains(agent.Roles, role) {
			return ""
		}
	}
	return fmt.Sprintf("agent %s has role %s, the app accepts %s", agent.ID, strings.Join(agent.Roles, ", "),
		strings.Join(accepted, ", "))
}

func kindRefusal(agent *Agent, def *api.App) (refusal, bool) {
	kind := KindOf(def)
	switch away, can := agent.Kinds[kind]; {
	case !can && kind == "docker":
		return refusal{testConstraint, fmt.Sprintf("the app has the image %s, agent %s has no Docker engine",
			def.Image(), agent.ID)}, true
	case !can:
		return refusal{testConstraint, fmt.Sprintf("the app has no image, agent %s runs no plain processes", agent.ID)}, true
	case agent.Draining:
		return refusal{testMaintenance, fmt.Sprintf("agent %s is being drained", agent.ID)}, true
	case away != "":
		return refusal{testMaintenance, fmt.Sprintf("agent %s cannot start tasks just now: %s", agent.ID, away)}, true
	}
	return refusal{}, false
}

func resourceRefusal(agent *Agent, need, free Resources) (refusal, bool) {
	tests := []struct {
		test              int
		name, unit        string
		need, free, total int64
	}{
		{testCPUs, "CPUs", "", need.CPUs, free.CPUs, agent.Total.CPUs},
		{testMem, "memory", " MiB", need.Mem, free.Mem, agent.Total.Mem},
		{testDisk, "disk", " MiB", need.Disk, free.Disk, agent.Total.Disk},
	}
	for _, t := range tests {
		if t.need > t.free {
			return refusal{t.test, fmt.Sprintf("%s: a task needs %s%s, agent %s has %s of %s%s left",
				t.name, amount(t.need), t.unit, agent.ID, amount(max(t.free, 0)), amount(t.total), t.unit)}, true
		}
	}
	return refusal{}, false
}

func amount(milli int64) string { return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64) }

func load(total, free Resources) float64 {
	share := func(t, f int64) float64 {
		if t <= 0 {
			return 0
		}
		return float64(t-f) / float64(t)
	}
	return max(share(total.CPUs, free.CPUs), share(total.Mem, free.Mem))
}

// refusedBy describes a failed attempt.
func (s *situation) refusedBy(refused []refusal, count int) Waiting {
	w := Waiting{App: s.app.ID, Count: count, Processed: len(refused), Rejects: rejects(refused)}
	if len(refused) == 0 {
		w.Explain = []string{"there is no agent"}
	}
	for i, r := range refused {
		if i == maxExplained {
			w.Explain = append(w.Explain, fmt.Sprintf("and %d more agents", len(refused)-i))
			break
		}
		w.Explain = append(w.Explain, r.explain)
	}
	if hint := s.standstill(refused); hint != "" {
		w.Explain = append(w.Explain, hint)
	}
	return w
}

// delayed describes an app that waits after failures.
func (s *situation) delayed(count int) Waiting {
	return Waiting{App: s.app.ID, Count: count, Until: s.app.LaunchAfter, Cause: s.app.Cause, Rejects: rejects(nil)}
}

// Sentences explains the wait to the app's owner.
func (w *Waiting) Sentences(now time.Time) []string {
	if w.Until.IsZero() {
		return w.Explain
	}
	left := max(w.Until.Sub(now).Seconds(), 0)
	text := fmt.Sprintf("the next task starts in %s s, because tasks of this version ended",
		strconv.FormatFloat(math.Ceil(left*10)/10, 'f', -1, 64))
	if w.Cause != "" {
		text += ": " + w.Cause
	}
	return append([]string{text}, w.Explain...)
}

// rejects counts, per test, the agents that reached it and those it turned away.
func rejects(refused []refusal) []api.RejectReason {
	out := make([]api.RejectReason, len(api.RejectReasons))
	reached := len(refused)
	for i, reason := range api.RejectReasons {
		out[i] = api.RejectReason{Reason: reason, Processed: reached}
		for _, r := range refused {
			if r.test == i {
				out[i].Declined++
			}
		}
		reached -= out[i].Declined
	}
	return out
}

// standstill recognises an update that can never finish: old tasks hold what a new one needs, and may not go before it
// is there (marathon-api.md section 5.3).
func (s *situation) standstill(refused []refusal) string {
	started := func(st Start) bool { return st.App == s.app.ID }
	former := 0
	for _, t := range s.old {
		if !Current(t.Version, s.app.Def) {
			former++
		}
	}
	if former == 0 || s.moving() || slices.ContainsFunc(s.c.plan.Starts, started) {
		return ""
	}
	for _, r := range refused {
		if r.test == testPorts || r.test >= testCPUs && r.test <= testDisk {
			return standstillText(s.app.Def, former)
		}
	}
	return ""
}

func standstillText(def *api.App, old int) string {
	return fmt.Sprintf("the update cannot go on: %d task(s) of the old version keep what the new one needs, and "+
		"upgradeStrategy.minimumHealthCapacity %s does not let them stop first; 0 would, at the price of an interruption",
		old, strconv.FormatFloat(def.UpgradeStrategy.MinimumHealthCapacity, 'f', -1, 64))
}
