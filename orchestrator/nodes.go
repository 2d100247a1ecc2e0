package orchestrator

import (
	"context"
	"slices"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// Nodes returns the agents in the order of their configuration.
func (o *Orchestrator) Nodes() []api.Node {
	tasks := o.tasksByAgent()
	out := make([]api.Node, 0, len(o.nodes))
	for _, n := range o.nodes {
		out = append(out, o.nodeView(n, tasks[n.agent.ID]))
	}
	return out
}

// Node returns one agent with its tasks.
func (o *Orchestrator) Node(id string) (api.NodeInfo, bool) {
	n := o.node(id)
	if n == nil {
		return api.NodeInfo{}, false
	}
	tasks := o.tasksByAgent()[id]
	info := api.NodeInfo{Node: o.nodeView(n, tasks), TaskList: []api.NodeTask{}}
	for _, t := range tasks {
		v := api.NodeTask{ID: t.ID, AppID: t.AppID, State: t.State}
		if info.State == api.NodeDraining && t.State != api.TaskKilling {
			v.Waits = o.waitsOf(t.AppID)
		}
		info.TaskList = append(info.TaskList, v)
	}
	slices.SortFunc(info.TaskList, func(a, b api.NodeTask) int { return cmpText(a.ID, b.ID) })
	return info, true
}

// Drain moves all tasks away from an agent and keeps new ones from it, or with false takes that back. It returns once that
// is stored; the tasks go as their apps' upgrade strategies allow.
func (o *Orchestrator) Drain(_ context.Context, id string, drain bool) error {
	if o.node(id) == nil {
		return api.NotFound("Node", id)
	}
	_, err := o.st.Update(func(tx *store.Tx) error {
		switch _, is := tx.Drains()[id]; {
		case drain && !is:
			tx.SetDrain(id, api.TimestampOf(o.opt.Now()))
		case !drain && is:
			tx.SetDrain(id, 0)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range o.node(id).links {
		o.lookAtAll(l)
	}
	return nil
}

func (o *Orchestrator) tasksByAgent() map[string][]*store.Task {
	out := map[string][]*store.Task{}
	apps, _ := o.st.Apps()
	for _, a := range apps {
		for _, t := range a.Tasks {
			out[t.Agent] = append(out[t.Agent], t)
		}
	}
	return out
}

func (o *Orchestrator) nodeView(n *node, tasks []*store.Task) api.Node {
	a := n.agent
	v := api.Node{
		ID: a.ID, Host: a.Host, Address: a.IP, Engine: a.Engine, Roles: a.Roles, Attributes: a.Attributes, Region: a.Region,
		Zone: a.Zone, Drivers: []api.NodeDriver{}, Resources: resourcesView(n.total()), Ports: a.Ports.String(),
		DynamicPorts: a.DynamicPorts.String(), Tasks: len(tasks), Draining: o.st.Drains()[a.ID],
	}
	if v.Engine == "" {
		v.Engine = "local"
	}
	if v.Attributes == nil {
		v.Attributes = map[string]string{}
	}
	var used reconcile.Usage
	for _, t := range tasks {
		used.Add(t.AppID, reconcile.Need(t.Def), t.Ports)
	}
	v.Used = resourcesView(used.Resources)
	o.nodeState(&v)
	return v
}

// nodeState works out a node's state: what cannot be reached says so first.
func (o *Orchestrator) nodeState(v *api.Node) {
	up, lost := false, false
	for _, l := range o.node(v.ID).links {
		_, away := l.status()
		v.Drivers = append(v.Drivers, api.NodeDriver{Kind: string(l.kind), Away: away})
		up, lost = up || away == "", lost || l.isLost()
		if away != "" {
			v.Reason = away
		}
	}
	slices.SortFunc(v.Drivers, func(a, b api.NodeDriver) int { return cmpText(a.Kind, b.Kind) })
	switch {
	case lost && !up:
		v.State = api.NodeUnreachable
	case !up:
		v.State = api.NodeAway
	case v.Draining.IsZero():
		v.State = api.NodeReady
	case v.Tasks == 0:
		v.State = api.NodeDrained
	default:
		v.State = api.NodeDraining
	}
}

// waitsOf says why no further task of an app is started.
func (o *Orchestrator) waitsOf(app string) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if w := o.waiting[app]; w != nil {
		return w.Sentences(o.opt.Now())
	}
	return nil
}

func resourcesView(r reconcile.Resources) api.NodeResources {
	const milli = 1000
	v := api.NodeResources{CPUs: float64(r.CPUs) / milli, Mem: float64(r.Mem) / milli}
	if r.Disk != uncountedDisk*milli {
		disk := float64(r.Disk) / milli
		v.Disk = &disk
	}
	return v
}
