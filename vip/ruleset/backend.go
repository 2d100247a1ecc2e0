package ruleset

import (
	"net/netip"
	"slices"

	"berth/orchestrator/api"
)

// State says why a task gets new connections or not.
type State string

// States of a Member. Only active ones get new connections.
const (
	Active      State = "active"
	Draining    State = "draining"    // being killed: keeps the connections it has
	Unhealthy   State = "unhealthy"   // a health check fails
	Unchecked   State = "unchecked"   // a health check has no result yet
	Unready     State = "unready"     // its readiness check has not passed yet
	Unreachable State = "unreachable" // its agent is lost
	Unroutable  State = "unroutable"  // no address at which this node reaches it
	Paused      State = "paused"      // weight 0 by its label
)

// Member is a task behind a VIP.
type Member struct {
	App, Task string
	Addr      netip.AddrPort // invalid when Unroutable
	Weight    int            // shares by its label
	State     State
	Reason    string // for Unroutable
	Local     bool   // Addr is a container's own on this node
}

// stateOf classes a task; false means that it is no backend at all (vip.md section 3.1).
func stateOf(a *api.AppInfo, t *api.Task) (State, bool) {
	switch t.State {
	case api.TaskKilling:
		return Draining, true
	case api.TaskUnreachable:
		return Unreachable, true
	case api.TaskRunning:
	default:
		return "", false
	}
	if unready(a, t) {
		return Unready, true
	}
	switch {
	case len(a.HealthChecks) == 0 || t.Healthy(len(a.HealthChecks)):
		return Active, true
	case slices.ContainsFunc(t.HealthCheckResults, func(r api.HealthResult) bool { return !r.Alive }):
		return Unhealthy, true
	}
	return Unchecked, true
}

// unready reports a task whose readiness check has not passed. Such checks are made during deployments only, of the tasks
// that start in them (marathon-api.md section 11.3). One that has no result is among those if it has started since the app
// was changed or scaled; others have served all along. Results that the source does not tell say nothing.
func unready(a *api.AppInfo, t *api.Task) bool {
	if len(a.ReadinessChecks) == 0 || a.ReadinessCheckResults == nil {
		return false
	}
	for _, r := range a.ReadinessCheckResults {
		if r.TaskID == t.ID {
			return !r.Ready
		}
	}
	if len(a.Deployments) == 0 || a.VersionInfo == nil {
		return false
	}
	changed := max(a.VersionInfo.LastScalingAt, a.VersionInfo.LastConfigChangeAt)
	return t.StartedAt >= changed
}

// node is where a task runs.
type node struct {
	addrs []netip.Addr // the agent's, one of each family
	own   []netip.Addr // the task's, other than those
	here  bool         // on this node
}

func (o *Options) locate(t *api.Task) node {
	n := node{addrs: o.agent(t.Host)}
	for _, a := range t.IPAddresses {
		addr, err := netip.ParseAddr(a.IPAddress)
		if err != nil || addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() {
			continue
		}
		if addr = addr.Unmap(); !slices.Contains(n.addrs, addr) {
			n.own = append(n.own, addr)
		}
	}
	n.here = slices.ContainsFunc(n.addrs, func(a netip.Addr) bool {
		return a.IsLoopback() || slices.Contains(o.Nodes, a)
	})
	return n
}

// agent returns the addresses of an agent, the first of each family.
func (o *Options) agent(host string) []netip.Addr {
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" && !a.IsUnspecified() {
		return []netip.Addr{a.Unmap()}
	}
	var out []netip.Addr
	for _, a := range o.Hosts[host] {
		a = a.Unmap()
		if !slices.ContainsFunc(out, func(b netip.Addr) bool { return a.Is4() == b.Is4() }) {
			out = append(out, a)
		}
	}
	return out
}

// reach lists the addresses at which this node reaches a port of a task, or says why there is none (vip.md section 3).
// A connection is translated once, so on the task's own node a published port must not be used: the engine's second
// translation, from host port to container, would be skipped.
func (p port) reach(t *api.Task, n node, bridge bool) (list []netip.AddrPort, local bool, reason string) {
	hostPort := p.hostPort(t)
	container := p.container
	if container == 0 {
		container = hostPort
	}
	switch {
	case p.host && len(n.addrs) == 0: // in host mode the task's addresses are the agent's
		list = join(n.own, hostPort)
	case p.host || len(n.own) == 0:
		list = join(n.addrs, hostPort)
	case n.here || !bridge && p.published < 0:
		list, local = join(n.own, container), n.here
	case p.published < 0:
		return nil, false, "on another node, and the port has no host port"
	default:
		list = join(n.addrs, hostPort)
	}
	if len(list) == 0 {
		return nil, false, "no address or port is known for it at host " + t.Host
	}
	return list, local, ""
}

func (p port) hostPort(t *api.Task) int {
	i := p.published
	if i >= 0 && p.position < len(t.Ports) && i != p.position && i >= len(t.Ports) {
		i = p.position
	}
	if i < 0 || i >= len(t.Ports) {
		return 0
	}
	return t.Ports[i]
}

func join(addrs []netip.Addr, port int) []netip.AddrPort {
	if port <= 0 || port > 65535 {
		return nil
	}
	var out []netip.AddrPort
	for _, a := range addrs {
		out = append(out, netip.AddrPortFrom(a, uint16(port)))
	}
	return out
}
