package api

import "slices"

// defaultPort is the name of the port an app gets when it names none.
const defaultPort = "default"

// ServicePorts returns the service port of each port of a normalised app, in order; a zero is yet to be assigned.
func (a *App) ServicePorts() []int {
	if a.hosted() {
		ports := make([]int, len(a.PortDefinitions))
		for i, p := range a.PortDefinitions {
			ports[i] = p.Port
		}
		return ports
	}
	mappings := a.Mappings()
	ports := make([]int, len(mappings))
	for i, m := range mappings {
		ports[i] = m.ServicePort
	}
	return ports
}

// mergePorts puts the ports where the network mode wants them (sections 4 and 5.2).
func (d *draft) mergePorts() {
	if d.app.hosted() {
		d.hostPorts()
		return
	}
	d.mappedPorts()
}

func (d *draft) hostPorts() {
	if mappings, _ := mappingsOf(d.sent); len(mappings) > 0 {
		d.misplaced(d.places.mappings, "port mappings have no meaning in host mode; use portDefinitions")
	}
	if c := d.app.Container; c != nil {
		c.PortMappings = []PortMapping{}
	}
	switch {
	case d.given["portDefinitions"]:
		d.app.PortDefinitions = d.sent.PortDefinitions
	case d.given["ports"]:
		d.app.PortDefinitions = definitionsOf(d.sent.Ports)
		d.places.definitions = "/ports"
	}
	if d.app.PortDefinitions == nil {
		d.app.PortDefinitions = []PortDefinition{{Name: defaultPort, Protocol: "tcp"}}
	}
}

func (d *draft) mappedPorts() {
	count := len(d.sent.Ports)
	if len(d.sent.PortDefinitions) > 0 {
		count = len(d.sent.PortDefinitions)
		d.misplaced("/portDefinitions", "port definitions have a meaning only in host mode; use container.portMappings")
	} else if count > 0 {
		d.notes.warn("ports have a meaning only in host mode: only their number counts here; use container.portMappings")
	}
	d.app.PortDefinitions = nil
	d.app.RequirePorts = false
	c := d.app.Container
	if c.PortMappings == nil {
		c.PortMappings = []PortMapping{{Name: defaultPort, Protocol: "tcp"}}
	}
	for len(c.PortMappings) < count {
		c.PortMappings = append(c.PortMappings, PortMapping{Protocol: "tcp"})
	}
	if d.app.Mode() != NetworkBridge {
		return
	}
	for i := range c.PortMappings {
		if c.PortMappings[i].HostPort == nil {
			c.PortMappings[i].HostPort = new(int)
		}
	}
}

// misplaced handles ports that do not fit the network mode: a whole definition loses them with a warning, because old
// documents carry both kinds; a partial update that names them is wrong.
func (d *draft) misplaced(path, text string) {
	if d.partial() {
		d.add(path, "%s", text)
		return
	}
	d.notes.warn("%s: %s (dropped)", path, text)
}

// portCount is the number of ports that a port index may point to.
func (a *App) portCount() int { return len(a.ServicePorts()) }

// portNames are the names of all named ports.
func (a *App) portNames() []string {
	var names []string
	for _, p := range a.PortDefinitions {
		names = append(names, p.Name)
	}
	for _, m := range a.Mappings() {
		names = append(names, m.Name)
	}
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}
