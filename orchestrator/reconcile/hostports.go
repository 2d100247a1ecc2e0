package reconcile

import (
	"fmt"
	"math/rand/v2"

	"berth/orchestrator/api"
)

// HostPort is a host port that each task of an app needs.
type HostPort struct {
	Port     int    // 0: any of the dynamic range
	Protocol string // tcp, udp, or both joined by a comma
}

// HostPorts lists the host ports a task of def needs, in the order in which they are numbered: one per port definition
// in host mode, one per mapping that has a host port otherwise (marathon-api.md section 5.3).
func HostPorts(def *api.App) []HostPort {
	var out []HostPort
	if def.Mode() == api.NetworkHost {
		for _, p := range def.PortDefinitions {
			h := HostPort{Protocol: p.Protocol}
			if def.RequirePorts {
				h.Port = p.Port
			}
			out = append(out, h)
		}
		return out
	}
	for _, m := range def.Mappings() {
		if m.HostPort != nil {
			out = append(out, HostPort{*m.HostPort, m.Protocol})
		}
	}
	return out
}

// portChoice finds host ports on one agent.
type portChoice struct {
	agent *Agent
	taken *Usage // by the plan
	mine  map[int]bool
}

func (p *portChoice) holder(port int) string {
	if p.agent.Used != nil {
		if app, ok := p.agent.Used.Ports[port]; ok {
			return app
		}
	}
	return p.taken.Ports[port]
}

func (p *portChoice) free(port int) bool {
	return p.holder(port) == "" && p.agent.Blocked[port] == "" && !p.mine[port]
}

// choose returns host ports for want, or a sentence that says which one cannot be had.
func (p *portChoice) choose(want []HostPort, seed uint64) (ports []int, why string) {
	p.mine = map[int]bool{}
	for _, w := range want {
		if w.Port == 0 {
			continue
		}
		if why := p.refusal(w.Port); why != "" {
			return nil, why
		}
		p.mine[w.Port] = true
	}
	size := p.agent.Dynamic.Len()
	next := 0
	if size > 0 {
		next = rand.New(rand.NewPCG(seed, 1)).IntN(size)
	}
	tried := 0
	for _, w := range want {
		port := w.Port
		for ; port == 0 && tried < size; tried++ {
			if n := p.agent.Dynamic.At((next + tried) % size); p.free(n) {
				port = n
			}
		}
		if port == 0 {
			return nil, fmt.Sprintf("agent %s has no free port left in its dynamic range %s (%d numbers)",
				p.agent.ID, p.agent.Dynamic, size)
		}
		p.mine[port] = true
		ports = append(ports, port)
	}
	return ports, ""
}

func (p *portChoice) refusal(port int) string {
	switch app := p.holder(port); {
	case app != "":
		return fmt.Sprintf("port %d is taken on agent %s by %s", port, p.agent.ID, app)
	case p.agent.Blocked[port] != "":
		return fmt.Sprintf("port %d is taken on agent %s by %s", port, p.agent.ID, p.agent.Blocked[port])
	case !p.agent.Fixed.Contains(port) && !p.agent.Dynamic.Contains(port):
		return fmt.Sprintf("port %d is not offered by agent %s, which offers %s", port, p.agent.ID, p.agent.Fixed)
	}
	return ""
}

// portSeed makes the starting point differ between tasks, and be the same for the same input.
func portSeed(seed uint64, app, agent string, nth int) uint64 {
	h := seed
	for _, s := range []string{app, "\x00", agent} {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * 0x100000001b3
		}
	}
	return (h ^ uint64(nth)) * 0x9e3779b97f4a7c15
}
