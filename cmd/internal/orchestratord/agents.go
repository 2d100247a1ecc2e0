package orchestratord

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/cmd/internal/cli"
	"berth/orchestrator/driver/docker"
	"berth/orchestrator/reconcile"
)

// engineLocal is the engine of the agent that is this machine: processes, and Docker as --driver and --docker-host say.
const engineLocal = "local"

// maxAgents bounds the agents of one orchestrator.
const maxAgents = 1000

// agent is one machine that runs tasks, as --agent gives it or, without any, as the flags of the single agent do.
type agent struct {
	name, engine        string
	address, host       string
	region, zone        string
	attributes          map[string]string
	roles               []string
	ports, dynamicPorts reconcile.Ports
	cpus, mem, disk     float64
	tls                 docker.TLSFiles
}

// keys are what an --agent text may say, each with what it sets. Lists inside have semicolons.
var keys = map[string]func(*agent, string) error{
	"name": func(a *agent, v string) error {
		if !clusterName.MatchString(v) {
			return fmt.Errorf("name %q: expected 1 to 63 letters, digits, dots, hyphens and underscores", v)
		}
		a.name = v
		return nil
	},
	"engine": func(a *agent, v string) error {
		a.engine = v
		if v == engineLocal {
			return nil
		}
		_, err := docker.ParseHost(v)
		return err
	},
	"address": func(a *agent, v string) error {
		if ip, err := netip.ParseAddr(v); err != nil || ip.IsUnspecified() {
			return fmt.Errorf("address %q: expected an IP address of the agent", v)
		}
		a.address = v
		return nil
	},
	"host": func(a *agent, v string) error {
		a.host = v
		if v == "" || badHost(v) {
			return fmt.Errorf("host %q: expected a host name", v)
		}
		return nil
	},
	"attributes": func(a *agent, v string) (err error) {
		if a.attributes, err = readAttributes(v); err != nil {
			return fmt.Errorf("attributes %q: expected %w", v, err)
		}
		return nil
	},
	"roles": func(a *agent, v string) error {
		a.roles = cli.SplitList([]string{strings.ReplaceAll(v, ";", ",")})
		if len(a.roles) == 0 {
			return fmt.Errorf("roles %q: expected at least one, such as *", v)
		}
		return nil
	},
	"ports":         func(a *agent, v string) error { return readPorts(&a.ports, "ports", v) },
	"dynamic-ports": func(a *agent, v string) error { return readPorts(&a.dynamicPorts, "dynamic-ports", v) },
	"cpus":          func(a *agent, v string) error { return readAmount(&a.cpus, "cpus", v) },
	"mem":           func(a *agent, v string) error { return readAmount(&a.mem, "mem", v) },
	"disk":          func(a *agent, v string) error { return readAmount(&a.disk, "disk", v) },
	"region":        func(a *agent, v string) error { a.region = v; return nil },
	"zone":          func(a *agent, v string) error { a.zone = v; return nil },
	"tls-ca":        func(a *agent, v string) error { a.tls.CA = v; return nil },
	"tls-cert":      func(a *agent, v string) error { a.tls.Cert = v; return nil },
	"tls-key":       func(a *agent, v string) error { a.tls.Key = v; return nil },
}

func badHost(s string) bool { return len(s) > 253 || strings.ContainsAny(s, " \t\r\n/:") }

func readPorts(to *reconcile.Ports, key, v string) error {
	p, err := reconcile.ParsePorts(strings.ReplaceAll(v, ";", ","))
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if p.Len() == 0 {
		return fmt.Errorf("%s %q: expected ranges such as 1-21;23-32000", key, v)
	}
	*to = p
	return nil
}

func readAmount(to *float64, key, v string) error {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !amountOK(f) {
		return fmt.Errorf("%s %q: expected a number from 0, where 0 means what the agent has", key, v)
	}
	*to = f
	return nil
}

func amountOK(f float64) bool { return f >= 0 && f <= 1e12 }

// agents reads every --agent. Without any, this machine is the only agent, as the flags say.
func (c Config) agents(r *resolved) error {
	var texts []string
	for _, t := range c.Agents {
		texts = append(texts, strings.FieldsFunc(t, func(r rune) bool { return r == '\n' })...)
	}
	if len(texts) > maxAgents {
		return cli.Usagef("--agent: %d of them, expected at most %d", len(texts), maxAgents)
	}
	for _, t := range texts {
		a, err := c.parseAgent(r, t)
		if err != nil {
			return cli.Usagef("--agent %s: %v", t, err)
		}
		if err := a.differs(r.agents); err != nil {
			return cli.Usagef("--agent %s: %v", t, err)
		}
		r.agents = append(r.agents, a)
	}
	if len(texts) == 0 {
		r.agents = []agent{{
			name: "agent-1", engine: engineLocal, address: c.AgentIP, host: c.AgentHost, attributes: r.attributes,
			roles: c.Roles, ports: r.ports, dynamicPorts: r.dynamicPorts, cpus: c.CPUs, mem: c.Mem, disk: c.Disk,
		}}
	}
	return nil
}

// parseAgent reads "name=a1,engine=tcp://10.0.0.11:2376,…". What it does not say is as the flags for all agents do.
func (c Config) parseAgent(r *resolved, text string) (agent, error) {
	a := agent{roles: []string{"*"}, ports: r.ports, dynamicPorts: r.dynamicPorts}
	given := map[string]bool{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		set := keys[key]
		switch {
		case !ok || set == nil:
			return a, fmt.Errorf("%q: expected key=value with one of the keys %s", pair, keyNames())
		case given[key]:
			return a, fmt.Errorf("%s is given twice", key)
		}
		given[key] = true
		if err := set(&a, value); err != nil {
			return a, err
		}
	}
	return a, a.complete(c)
}

func keyNames() string {
	var names []string
	for k := range keys {
		names = append(names, k)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// complete fills in the address where the engine says it, and checks what only makes sense together.
func (a *agent) complete(c Config) error {
	switch {
	case a.name == "":
		return fmt.Errorf("name is missing")
	case a.engine == "":
		return fmt.Errorf("engine is missing: expected unix:///path, tcp://host:port, ssh://[user@]host[:port], or %s for "+
			"this machine", engineLocal)
	case a.tls != docker.TLSFiles{} && !strings.HasPrefix(a.engine, "tcp://"):
		return fmt.Errorf("tls-ca, tls-cert and tls-key: only for an engine at tcp://host:port")
	case a.tls != docker.TLSFiles{} && (a.tls.CA == "" || a.tls.Cert == "" || a.tls.Key == ""):
		return fmt.Errorf("tls-ca, tls-cert, tls-key: expected all three")
	case a.address != "":
		return nil
	case a.onThisHost():
		a.address = c.AgentIP
		return nil
	}
	if u, err := docker.ParseHost(a.engine); err == nil {
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
			a.address = ip.String()
			return nil
		}
	}
	return fmt.Errorf("address is missing: expected the IP address at which the agent's host ports are reached")
}

// onThisHost reports whether the engine shares our file system.
func (a *agent) onThisHost() bool {
	return a.engine == engineLocal || strings.HasPrefix(a.engine, "unix://")
}

// differs refuses an agent that is one of others by another name: both would hand out the same machine.
func (a *agent) differs(others []agent) error {
	for i := range others {
		switch o := &others[i]; {
		case o.name == a.name:
			return fmt.Errorf("name %s is given twice", a.name)
		case o.engine == a.engine:
			return fmt.Errorf("engine %s is also that of agent %s", a.engine, o.name)
		}
	}
	return nil
}
