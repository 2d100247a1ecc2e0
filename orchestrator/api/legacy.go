package api

import "strings"

// networksOf returns the networks a document asks for in any style, or nil if it says nothing about them.
func networksOf(a *App) []Network {
	switch network := dockerNetwork(a); {
	case len(a.Networks) > 0:
		return a.Networks
	case network == "HOST":
		return []Network{{Mode: NetworkHost}}
	case network == "BRIDGE":
		return []Network{{Mode: NetworkBridge}}
	case network == "USER" && a.IPAddress == nil:
		return []Network{{Mode: NetworkContainer}}
	case a.IPAddress != nil:
		return []Network{{Mode: NetworkContainer, Name: a.IPAddress.NetworkName, Labels: a.IPAddress.Labels}}
	}
	return nil
}

func dockerNetwork(a *App) string {
	if a.Container == nil || a.Container.Docker == nil {
		return ""
	}
	return a.Container.Docker.Network
}

// mappingsOf returns the port mappings of a document and the path they stand at, from whichever of their homes is
// filled; nil and "" if there are none at all, an empty list if it says that there are to be none.
func mappingsOf(a *App) ([]PortMapping, string) {
	if ports := discoveryPorts(a); len(ports) > 0 {
		return mappingsOfDiscovery(ports), "/ipAddress/discovery/ports"
	}
	c := a.Container
	if c == nil {
		return nil, ""
	}
	if len(c.PortMappings) == 0 && c.Docker != nil && c.Docker.PortMappings != nil {
		return c.Docker.PortMappings, "/container/docker/portMappings"
	}
	return c.PortMappings, canonicalPlaces.mappings
}

func discoveryPorts(a *App) []DiscoveryPort {
	if a.IPAddress == nil || a.IPAddress.Discovery == nil {
		return nil
	}
	return a.IPAddress.Discovery.Ports
}

func mappingsOfDiscovery(ports []DiscoveryPort) []PortMapping {
	mappings := make([]PortMapping, len(ports))
	for i, p := range ports {
		mappings[i] = PortMapping{ContainerPort: p.Number, Name: p.Name, Protocol: p.Protocol, Labels: p.Labels}
	}
	return mappings
}

func definitionsOf(ports []int) []PortDefinition {
	definitions := make([]PortDefinition, len(ports))
	for i, p := range ports {
		definitions[i] = PortDefinition{Port: p, Protocol: "tcp"}
	}
	return definitions
}

// archives are the endings of files that Mesos unpacks by itself.
var archives = []string{".tar", ".tar.gz", ".tar.bz2", ".tar.xz", ".gz", ".tgz", ".tbz2", ".txz", ".zip"}

func fetchOf(uris []string) []Fetch {
	all := make([]Fetch, len(uris))
	for i, uri := range uris {
		all[i] = Fetch{URI: uri, Extract: isArchive(uri)}
	}
	return all
}

func isArchive(uri string) bool {
	for _, ending := range archives {
		if strings.HasSuffix(uri, ending) {
			return true
		}
	}
	return false
}

// contradictions finds fields of a document that say one thing in two ways (section 4).
func (d *draft) contradictions() {
	a := d.sent
	if len(a.URIs) > 0 && len(a.Fetch) > 0 {
		d.add("/uris", "cannot stand beside fetch, which says the same")
	}
	if d.given["ports"] && d.given["portDefinitions"] && !samePorts(a.Ports, a.PortDefinitions) {
		d.add("/ports", "cannot stand beside portDefinitions with other numbers")
	}
	d.networkContradictions()
	if c := a.Container; c != nil && c.Docker != nil && len(c.PortMappings) > 0 && len(c.Docker.PortMappings) > 0 {
		d.add("/container/docker/portMappings", "cannot stand beside container.portMappings, which says the same")
	}
}

func (d *draft) networkContradictions() {
	a := d.sent
	network := dockerNetwork(a)
	if network != "" && len(a.Networks) > 0 {
		d.add("/container/docker/network", "cannot stand beside networks, which says the same")
	}
	if a.IPAddress == nil {
		return
	}
	if len(a.Networks) > 0 {
		d.add("/ipAddress", "cannot stand beside networks, which says the same")
	}
	if network == "HOST" || network == "BRIDGE" {
		d.add("/ipAddress", "needs container.docker.network to be USER or absent, found %s", network)
	}
	if len(a.Ports) > 0 {
		d.add("/ports", "cannot stand beside ipAddress")
	}
	if len(a.PortDefinitions) > 0 {
		d.add("/portDefinitions", "cannot stand beside ipAddress")
	}
	d.discoveryContradictions()
}

func (d *draft) discoveryContradictions() {
	if len(discoveryPorts(d.sent)) == 0 {
		return
	}
	c := d.sent.Container
	if c == nil && d.partial() && !d.given["container"] {
		c = d.stored.Container
	}
	if c == nil {
		return
	}
	if c.Type == ContainerDocker {
		d.add("/ipAddress/discovery", "not possible for a container of type DOCKER; use container.portMappings")
	}
	if d.sent.Container != nil && len(d.sent.Mappings()) > 0 {
		d.add("/ipAddress/discovery", "cannot stand beside port mappings, which say the same")
	}
}

func samePorts(ports []int, definitions []PortDefinition) bool {
	if len(ports) != len(definitions) {
		return false
	}
	for i, p := range ports {
		if definitions[i].Port != p {
			return false
		}
	}
	return true
}
