package api

import (
	"strconv"
	"strings"
)

const maxPort = 65535

// validatePorts checks section 5.2. Only one of the two lists is filled.
func (d *draft) validatePorts() {
	d.validateDefinitions()
	if c := d.app.Container; c != nil {
		d.validateMappings(c.PortMappings)
	}
}

func (d *draft) validateDefinitions() {
	names, ports := map[string]bool{}, map[int]bool{}
	for i, p := range d.app.PortDefinitions {
		at := item(d.places.definitions, i)
		number := at
		if d.places.definitions != "/ports" {
			number = child(at, "port")
		}
		between(d, number, p.Port, 0, maxPort)
		if p.Port != 0 && ports[p.Port] {
			d.add(number, "port %d is repeated", p.Port)
		}
		ports[p.Port] = true
		d.validatePortName(child(at, "name"), p.Name, names)
		oneOf(d, child(at, "protocol"), p.Protocol, "tcp", "udp", "udp,tcp")
	}
}

func (d *draft) validateMappings(mappings []PortMapping) {
	names, taken, service := map[string]bool{}, map[string]bool{}, map[int]bool{}
	networks := d.networkNames()
	for i, m := range mappings {
		at := item(d.places.mappings, i)
		between(d, child(at, "containerPort"), m.ContainerPort, 0, maxPort)
		between(d, child(at, "servicePort"), m.ServicePort, 0, maxPort)
		d.validatePortName(child(at, "name"), m.Name, names)
		if oneOf(d, child(at, "protocol"), m.Protocol, "tcp", "udp", "udp,tcp") && m.HostPort != nil {
			d.validateHostPort(child(at, "hostPort"), m, taken)
		}
		if m.ServicePort != 0 && service[m.ServicePort] {
			d.notes.warn("%s: service port %d stands twice in this app; a load balancer can serve only one of them",
				child(at, "servicePort"), m.ServicePort)
		}
		service[m.ServicePort] = true
		d.validateNetworkNames(at, m, networks)
	}
}

// validateHostPort also refuses the same fixed port twice: no agent could ever run such a task.
func (d *draft) validateHostPort(at string, m PortMapping, taken map[string]bool) {
	port := *m.HostPort
	between(d, at, port, 0, maxPort)
	if port == 0 {
		return
	}
	for protocol := range strings.SplitSeq(m.Protocol, ",") {
		key := strconv.Itoa(port) + protocol
		if taken[key] {
			d.add(at, "host port %d is repeated for %s", port, protocol)
		}
		taken[key] = true
	}
}

func (d *draft) validatePortName(at, name string, seen map[string]bool) {
	switch {
	case name == "":
		return
	case !validLabel(name) || len(name) > 63:
		d.add(at, "%s: expected at most 63 lower-case letters, digits and inner hyphens", quote(name))
	case seen[name]:
		d.add(at, "%s is repeated", quote(name))
	}
	seen[name] = true
}

func (d *draft) networkNames() map[string]bool {
	names := map[string]bool{}
	for _, n := range d.app.Networks {
		if n.Name != "" {
			names[n.Name] = true
		}
	}
	return names
}

func (d *draft) validateNetworkNames(at string, m PortMapping, networks map[string]bool) {
	at = child(at, "networkNames")
	for i, name := range m.NetworkNames {
		if !networks[name] {
			d.add(item(at, i), "no network of this app is called %s", quote(name))
		}
	}
	d.unique(at, m.NetworkNames)
	if len(networks) > 1 && m.HostPort != nil && len(m.NetworkNames) != 1 {
		d.add(at, "a host port needs exactly one network when the app has several, found %d", len(m.NetworkNames))
	}
}
