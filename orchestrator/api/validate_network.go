package api

import "regexp"

var networkName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// validateNetworks checks section 3.4: one host, or one bridge, or container networks, never mixed.
func (d *draft) validateNetworks() {
	at := "/networks"
	networks := d.app.Networks
	var modes, names []string
	for i, n := range networks {
		d.validateNetwork(item(at, i), n)
		modes = append(modes, n.Mode)
		if n.Name != "" {
			names = append(names, n.Name)
		}
	}
	d.unique(at, names)
	if len(networks) < 2 {
		return
	}
	for _, m := range modes {
		if m != NetworkContainer {
			d.add(at, "%s must be the only network", m)
			return
		}
	}
	if c := d.app.Container; c != nil && c.Type == ContainerDocker {
		d.add(at, "a container of type DOCKER takes exactly one network, found %d", len(networks))
	}
}

func (d *draft) validateNetwork(at string, n Network) {
	if !oneOf(d, child(at, "mode"), n.Mode, NetworkContainer, NetworkBridge, NetworkHost) {
		return
	}
	name := child(at, "name")
	switch {
	case n.Mode != NetworkContainer && n.Name != "":
		d.add(name, "mode %s takes no name", n.Mode)
	case n.Mode == NetworkContainer && n.Name == "":
		d.add(name, "mode container needs a name")
	case n.Mode == NetworkContainer && !networkName.MatchString(n.Name):
		d.add(name, "%s: expected 1 to 63 letters, digits, _ and -", quote(n.Name))
	}
	if n.Mode == NetworkHost && len(n.Labels) > 0 {
		d.add(child(at, "labels"), "mode host takes no labels")
	}
}
