package orchestrator

import (
	"maps"
	"slices"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// keptDeployments is how many ended deployments can still be asked for.
const keptDeployments = 100

// gateNames in the order in which tasks go through them.
var gateNames = []string{
	api.GateStart, api.GateHealthy, api.GateRouted, api.GateAcknowledged, api.GateSessions, api.GateStop,
}

// gates measure how long deployments take to get their tasks through each gate, and remember deployments that ended. The
// times of a task's own life are in its record; what balancers do is seen in the loop's turns. It lasts as long as the
// orchestrator runs.
type gates struct {
	mu      sync.Mutex
	running map[string]*measured
	ended   []*measured // oldest first
}

// measured is one deployment.
type measured struct {
	d        *store.Deployment
	sums     map[string]*gateSum
	marks    map[string]*gateMarks // by task
	failed   string
	undoneBy string
	finished time.Time
}

type gateSum struct {
	passed, late int
	sum, longest time.Duration
}

// gateMarks are when a task passed the gates that its record does not tell of.
type gateMarks struct{ routed, acknowledged, stopped time.Time }

func newGates() *gates { return &gates{running: map[string]*measured{}} }

// began starts measuring, or takes in that a deployment is at another step.
func (g *gates) began(d *store.Deployment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.running[d.ID]; m != nil {
		m.d = d
		return
	}
	g.running[d.ID] = &measured{d: d, sums: map[string]*gateSum{}, marks: map[string]*gateMarks{}}
}

// failed notes why a deployment does not succeed. It is called before that is stored.
func (g *gates) failed(id, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.running[id]; m != nil {
		m.failed = reason
	}
}

// succeeded takes back what a write that came to nothing, a dry run say, had noted.
func (g *gates) succeeded(id string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.running[id]; m != nil {
		m.failed, m.undoneBy = "", ""
	}
}

func (g *gates) undone(id, by string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m := g.running[id]; m != nil {
		m.undoneBy = by
	}
}

// find returns what is known of a deployment, or nil. The caller holds the lock.
func (g *gates) find(id string) *measured {
	if m := g.running[id]; m != nil {
		return m
	}
	if i := slices.IndexFunc(g.ended, func(m *measured) bool { return m.d.ID == id }); i >= 0 {
		return g.ended[i]
	}
	return nil
}

// retire puts the deployments that run no more among the ended ones.
func (o *Orchestrator) retire(now time.Time) {
	g := o.gates
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(g.running)) {
		if o.st.Deployment(id) != nil {
			continue
		}
		m := g.running[id]
		m.finished, m.marks = now, nil
		delete(g.running, id)
		g.ended = append(g.ended, m)
		o.opt.Log.Info("deployment ended", "deployment", id, "apps", len(m.d.Apps), "failed", m.failed,
			"duration", now.Sub(m.d.Started.Time()))
	}
	g.ended = g.ended[max(0, len(g.ended)-keptDeployments):]
}

func (m *measured) add(gate string, took time.Duration, late bool) {
	s := m.sums[gate]
	if s == nil {
		s = &gateSum{}
		m.sums[gate] = s
	}
	took = max(took, 0)
	s.passed++
	s.sum += took
	s.longest = max(s.longest, took)
	if late {
		s.late++
	}
}

func (m *measured) mark(task string) *gateMarks {
	k := m.marks[task]
	if k == nil {
		k = &gateMarks{}
		m.marks[task] = k
	}
	return k
}

// changed takes in what a record tells of its tasks' lives. Only tasks that the deployment started count as new.
func (g *gates) changed(c store.Change) {
	if c.Old == nil || c.New == nil || c.Old.Deployment == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.running[c.Old.Deployment]
	if m == nil {
		return
	}
	had, has := living(c.Old), living(c.New)
	for id, t := range has {
		was := had[id]
		if was == nil || was == t || t.StagedAt < m.d.Started {
			continue
		}
		if was.StartedAt.IsZero() && !t.StartedAt.IsZero() {
			m.add(api.GateStart, t.StartedAt.Time().Sub(t.StagedAt.Time()), false)
		}
		if was.GoodIndex == 0 && t.GoodIndex != 0 {
			m.add(api.GateHealthy, t.GoodAt.Time().Sub(t.StartedAt.Time()), false)
		}
	}
	for id, t := range had {
		if k := m.marks[id]; has[id] == nil && k != nil && !k.stopped.IsZero() {
			if end := c.New.Task(id); end != nil && t.Kill != nil {
				m.add(api.GateStop, end.EndedAt.Time().Sub(k.stopped), false)
			}
			delete(m.marks, id)
		}
	}
}

// passed takes in what a plan says of the handshake, made from the given records.
func (g *gates) passed(plan *reconcile.Plan, records map[string]*store.App, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	of := func(app, task string) (*measured, *store.Task) {
		a := records[app]
		if a == nil || g.running[a.Deployment] == nil {
			return nil, nil
		}
		return g.running[a.Deployment], a.Task(task)
	}
	for _, p := range plan.Passes {
		m, t := of(p.App, p.Task)
		if t == nil {
			continue
		}
		switch k := m.mark(p.Task); {
		case p.Gate == api.GateRouted && k.routed.IsZero():
			k.routed = now
			m.add(p.Gate, now.Sub(t.GoodAt.Time()), p.Late)
		case p.Gate == api.GateAcknowledged && k.acknowledged.IsZero() && t.Kill != nil:
			k.acknowledged = now
			m.add(p.Gate, now.Sub(t.Kill.At.Time()), p.Late)
		case p.Gate == api.GateSessions && k.stopped.IsZero():
			m.add(p.Gate, now.Sub(k.acknowledged), p.Late)
		}
	}
	for _, s := range plan.Stops {
		if m, t := of(s.App, s.Task); t != nil && m.mark(s.Task).stopped.IsZero() {
			m.mark(s.Task).stopped = now
		}
	}
}
