package zone

import (
	"net/netip"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// task is what the record rules need to know of one running task.
type task struct {
	id    string
	tail  string       // of the agent's id
	agent []netip.Addr // the agent's addresses
	own   []netip.Addr // the task's own
	ports []port
	ok    bool // passes its health checks, or has none
	alone bool // the task's own addresses are nobody else's in the cluster
}

// port is one port as Marathon would have announced it to Mesos.
type port struct {
	number uint16
	proto  string // tcp or udp
	name   string // label, may be empty
	host   bool   // reached at the agent's address rather than the task's own
}

// tasksOf returns the tasks of a that can be published: running, on a known agent. resolve finds the addresses of an
// agent that is known by name; kept are addresses, by task id, of tasks that do not say their own any more.
func tasksOf(a *api.AppInfo, resolve func(host string) []netip.Addr, kept map[string][]netip.Addr) []task {
	out := make([]task, 0, len(a.Tasks))
	alone := a.Mode() == api.NetworkContainer
	for i := range a.Tasks {
		t := &a.Tasks[i]
		if !published(t) {
			continue
		}
		own := ownAddrs(t)
		if len(own) == 0 {
			own = kept[t.ID]
		}
		out = append(out, task{
			id: t.ID, tail: agentTail(t.SlaveID), agent: hostAddrs(t.Host, resolve), own: own,
			ports: portsOf(a, t), ok: t.Healthy(len(a.HealthChecks)), alone: alone,
		})
	}
	return out
}

func published(t *api.Task) bool { return t.State == api.TaskRunning && t.SlaveID != "" }

// keepAddrs lists the addresses of tasks of now that do not say their own any more although they run on: a health check's
// report may come without them, and an answer must not flip because of it.
func keepAddrs(old, now *api.AppInfo, kept map[string][]netip.Addr) map[string][]netip.Addr {
	if now.Mode() == api.NetworkHost {
		return nil
	}
	said := map[string][]netip.Addr{}
	for i := range old.Tasks {
		if t := &old.Tasks[i]; len(t.IPAddresses) > 0 {
			said[t.ID] = ownAddrs(t)
		}
	}
	var out map[string][]netip.Addr
	for i := range now.Tasks {
		t := &now.Tasks[i]
		if !published(t) || len(t.IPAddresses) > 0 {
			continue
		}
		addrs := said[t.ID]
		if len(addrs) == 0 {
			addrs = kept[t.ID]
		}
		if len(addrs) > 0 && out == nil {
			out = map[string][]netip.Addr{}
		}
		if len(addrs) > 0 {
			out[t.ID] = addrs
		}
	}
	return out
}

func hostAddrs(host string, resolve func(string) []netip.Addr) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap().WithZone("")}
	}
	if host == "" || resolve == nil {
		return nil
	}
	return resolve(host)
}

// ownAddrs skips what does not parse.
func ownAddrs(t *api.Task) []netip.Addr {
	var out []netip.Addr
	for _, a := range t.IPAddresses {
		if ip, err := netip.ParseAddr(a.IPAddress); err == nil {
			out = append(out, ip.Unmap().WithZone(""))
		}
	}
	return out
}

// portsOf lists a task's ports, one entry for each protocol (dns.md section 1.1). Host ports belong to the definitions,
// or to the mappings that have a host port, by position.
func portsOf(a *api.AppInfo, t *api.Task) []port {
	if a.Mode() == api.NetworkHost {
		return definedPorts(a, t)
	}
	if mappings := a.Mappings(); len(mappings) > 0 {
		return mappedPorts(a.Mode(), mappings, t)
	}
	return discoveredPorts(a)
}

func definedPorts(a *api.AppInfo, t *api.Task) []port {
	var out []port
	for i, number := range t.Ports {
		var d api.PortDefinition
		if i < len(a.PortDefinitions) {
			d = a.PortDefinitions[i]
		}
		out = appendPort(out, number, d.Protocol, d.Name, true)
	}
	return out
}

func mappedPorts(mode string, mappings []api.PortMapping, t *api.Task) []port {
	var out []port
	next := 0
	for _, m := range mappings {
		switch {
		case m.HostPort == nil && mode != api.NetworkBridge:
			out = appendPort(out, m.ContainerPort, m.Protocol, m.Name, false)
		case next < len(t.Ports):
			out = appendPort(out, t.Ports[next], m.Protocol, m.Name, true)
			next++
		}
	}
	return out
}

func discoveredPorts(a *api.AppInfo) []port {
	if a.IPAddress == nil || a.IPAddress.Discovery == nil {
		return nil
	}
	var out []port
	for _, d := range a.IPAddress.Discovery.Ports {
		out = appendPort(out, d.Number, d.Protocol, d.Name, false)
	}
	return out
}

// appendPort splits "udp,tcp" and drops numbers that cannot be published.
func appendPort(out []port, number int, proto, name string, host bool) []port {
	if number < 1 || number > 65535 {
		return out
	}
	if proto == "" {
		proto = "tcp"
	}
	for _, p := range strings.Split(proto, ",") {
		if p = Label(p, RFC1123); p != "" {
			out = append(out, port{uint16(number), p, Label(name, RFC1123), host})
		}
	}
	return out
}

// address picks the addresses of t by the first source that has any.
func (t *task) address(sources []Source) []netip.Addr {
	for _, s := range sources {
		if addrs := t.from(s); len(addrs) > 0 {
			return addrs
		}
	}
	return nil
}

func (t *task) from(s Source) []netip.Addr {
	switch s {
	case SourceHost:
		return t.agent
	case SourceNetinfo:
		return t.own
	case SourceAuto:
		if slices.ContainsFunc(t.ports, func(p port) bool { return p.host }) || len(t.own) == 0 {
			return t.agent
		}
		return t.own
	}
	return nil // mesos and docker: names of old, without a counterpart here
}
