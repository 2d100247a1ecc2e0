package model

import (
	"net/netip"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// place is where a task answers: its address and ports.
type place struct {
	task     *api.Task
	host, ip string
	ports    []int
	draining bool
	canary   bool
}

// fate of a task in a load balancer.
type fate int

const (
	skip  fate = iota
	serve      // gets new sessions
	drain      // keeps the sessions it has
)

// stateFate sorts states (marathon-lb.md section 4.8). A task that is being killed drains until it is gone. Unreachable
// and lost tasks are served: the agent may just be partitioned.
func stateFate(s api.TaskState) fate {
	switch s {
	case api.TaskKilling:
		return drain
	case api.TaskStaging, api.TaskStarting, api.TaskFinished, api.TaskFailed, api.TaskKilled, api.TaskError,
		api.TaskDropped, api.TaskGone, "TASK_GONE_BY_OPERATOR", api.TaskUnknown:
		return skip
	}
	return serve
}

// lookup resolves hosts and remembers what it was told, so that a later build can tell whether it still holds.
type lookup struct {
	resolve func(string) (string, bool)
	asked   map[string]string // host → address, "" if unknown
}

func (l *lookup) address(host string) (string, bool) {
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		return a.Unmap().String(), true
	}
	if ip, ok := l.asked[host]; ok {
		return ip, ip != ""
	}
	ip := ask(l.resolve, host)
	if l.asked == nil {
		l.asked = make(map[string]string)
	}
	l.asked[host] = ip
	return ip, ip != ""
}

func ask(resolve func(string) (string, bool), host string) string {
	if resolve == nil {
		return ""
	}
	ip, ok := resolve(host)
	if !ok {
		return ""
	}
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Zone() != "" {
		return ""
	}
	return a.Unmap().String()
}

// verdicts are what was last known of the health of an app's tasks, by task id. A new Marathon leader has no results
// for a while; without this memory it would empty all backends.
type verdicts map[string]bool

// healthy applies the rule of section 4.8: any check alive makes a task healthy; no results, the last verdict counts.
func (v verdicts) healthy(t *api.Task, last verdicts) bool {
	if t.HealthCheckResults == nil {
		if was, ok := last[t.ID]; ok {
			v[t.ID] = was
		}
		return v[t.ID]
	}
	v[t.ID] = anyAlive(t.HealthCheckResults)
	return v[t.ID]
}

// places filters and locates the tasks of a logical app.
func (b *unitBuild) places(m merged) []place {
	list := make([]place, 0, len(m.tasks))
	for _, t := range m.tasks {
		f := stateFate(t.State)
		if f == skip || strings.TrimSpace(t.Host) == "" {
			continue
		}
		if b.opt.HealthCheck && len(t.owner.HealthChecks) > 0 && !b.verdicts.healthy(t.Task, b.last) && f != drain {
			continue
		}
		ip, ok := b.taskIP(&t.owner.App, t.Task)
		ports := taskPorts(&t.owner.App, t.Task)
		if !ok || len(ports) == 0 {
			continue
		}
		for _, n := range ports {
			if n < 0 || n > 65535 {
				b.p.warnf("ports", strconv.Itoa(n), "task %s: expected ports from 1 to 65535", Shorten(t.ID))
			}
		}
		list = append(list, place{
			task: t.Task, host: t.Host, ip: ip, ports: ports, draining: t.draining || f == drain, canary: t.canary,
		})
	}
	return list
}

// taskIP is the container's own address in container mode and the agent's in the others (section 4.9).
func (b *unitBuild) taskIP(a *api.App, t *api.Task) (string, bool) {
	if a.Mode() != api.NetworkContainer {
		ip, ok := b.lookup.address(t.Host)
		if !ok {
			b.p.warnf("host", t.Host, "no address is known for the host of task %s", Shorten(t.ID))
		}
		return ip, ok
	}
	if len(t.IPAddresses) == 0 {
		return "", false
	}
	addr, err := netip.ParseAddr(t.IPAddresses[0].IPAddress)
	if err != nil || addr.Zone() != "" {
		if t.IPAddresses[0].IPAddress != "" {
			b.p.warnf("ipAddresses", t.IPAddresses[0].IPAddress, "task %s: expected an IP address", Shorten(t.ID))
		}
		return "", false
	}
	return addr.Unmap().String(), true
}
