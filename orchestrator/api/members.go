package api

import (
	"fmt"
	"slices"
	"strings"
)

// normaliseMembers brings the parts of an app into their one stored form: lists and maps that are always shown are never
// nil, those shown only when filled are nil when empty.
func (d *draft) normaliseMembers() {
	a := d.app
	a.Ports, a.URIs, a.IPAddress = nil, nil, nil
	a.Args, a.Fetch = nilIfEmpty(a.Args), nilIfEmpty(a.Fetch)
	a.HealthChecks, a.ReadinessChecks = nilIfEmpty(a.HealthChecks), nilIfEmpty(a.ReadinessChecks)
	a.Dependencies, a.Constraints = nilIfEmpty(a.Dependencies), nilIfEmpty(a.Constraints)
	a.Env = nilIfEmptyMap(a.Env)
	a.ResourceLimits, a.ExecutorResources = nilIfEmptyMap(a.ResourceLimits), nilIfEmptyMap(a.ExecutorResources)
	a.Labels = neverNil(a.Labels)
	if a.Role == "" {
		a.Role = "*"
	}
	for i := range a.Networks {
		a.Networks[i].Labels = nilIfEmptyMap(a.Networks[i].Labels)
	}
	for i := range a.PortDefinitions {
		p := &a.PortDefinitions[i]
		p.Labels, p.Protocol = neverNil(p.Labels), bothProtocols(p.Protocol)
	}
	normaliseContainer(a.Container)
	for i := range a.Constraints {
		a.Constraints[i] = normaliseConstraint(a.Constraints[i])
	}
	ports := a.portCount()
	for i := range a.HealthChecks {
		normaliseHealthCheck(&a.HealthChecks[i], ports)
	}
	for i, s := range a.Dependencies {
		a.Dependencies[i] = d.id(item("/dependencies", i), s, Parent(a.ID))
	}
}

func normaliseContainer(c *Container) {
	if c == nil {
		return
	}
	c.Volumes = notNil(c.Volumes)
	c.LinuxInfo = nilIfEmptyMap(c.LinuxInfo)
	for i := range c.PortMappings {
		m := &c.PortMappings[i]
		m.Labels, m.Protocol = neverNil(m.Labels), bothProtocols(m.Protocol)
		m.NetworkNames = nilIfEmpty(m.NetworkNames)
	}
	if c.Docker != nil {
		c.Docker.Parameters = notNil(c.Docker.Parameters)
	}
}

// bothProtocols writes the two orders of a port with two protocols in one way.
func bothProtocols(s string) string {
	if s == "tcp,udp" {
		return "udp,tcp"
	}
	return s
}

// normaliseConstraint writes the operator in upper case and takes an empty value of UNIQUE as none.
func normaliseConstraint(c []string) []string {
	if len(c) < 2 {
		return c
	}
	c[1] = strings.ToUpper(c[1])
	if len(c) == 3 && c[1] == "UNIQUE" && c[2] == "" {
		c = c[:2]
	}
	return c
}

// normaliseHealthCheck fills in what depends on the protocol and empties what has no meaning for it, because Marathon
// itself writes every member for every protocol.
func normaliseHealthCheck(h *HealthCheck, ports int) {
	overHTTP := strings.HasSuffix(h.Protocol, ProtocolHTTP) || strings.HasSuffix(h.Protocol, ProtocolHTTPS)
	beside := h.besideTask()
	if overHTTP && h.Path == "" {
		h.Path = "/"
	}
	if !overHTTP {
		h.Path = ""
	}
	if !overHTTP || beside {
		h.IgnoreHTTP1xx = false
	}
	if !beside {
		h.DelaySeconds = 0
	}
	switch {
	case !beside, h.Protocol == ProtocolCommand:
		h.IPProtocol = ""
	case h.IPProtocol == "":
		h.IPProtocol = "IPv4"
	}
	switch {
	case h.Protocol == ProtocolCommand:
		h.Port, h.PortIndex = nil, nil
	case h.Port == nil && h.PortIndex == nil && ports > 0:
		h.PortIndex = new(int)
	}
}

// besideTask reports whether the check runs where the task runs: the MESOS_ kinds and COMMAND.
func (h *HealthCheck) besideTask() bool {
	return h.Protocol == ProtocolCommand || strings.HasPrefix(h.Protocol, "MESOS_")
}

func uniqueLists(lists [][]string) [][]string {
	seen := map[string]bool{}
	return slices.DeleteFunc(lists, func(l []string) bool {
		key := fmt.Sprintf("%q", l)
		again := seen[key]
		seen[key] = true
		return again
	})
}

func nilIfEmpty[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func nilIfEmptyMap[V any](m map[string]V) map[string]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

func neverNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
