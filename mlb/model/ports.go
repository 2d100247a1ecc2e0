package model

import (
	"strconv"

	"berth/orchestrator/api"
)

// servicePorts lists the service ports of an app; the position is the <n> of its labels (marathon-lb.md section 4.4).
// Positions are kept: a mapping without a service port is a 0 in the list. auto are ports given to a container app that
// has none of its own.
func servicePorts(a *api.App, auto []int) []int {
	if a.Mode() != api.NetworkHost {
		if ports := mappedPorts(a.Mappings()); ports != nil {
			return ports
		}
	}
	if ports := definedPorts(a); len(ports) > 0 {
		return ports
	}
	return auto
}

func mappedPorts(mappings []api.PortMapping) []int {
	ports := make([]int, len(mappings))
	some := false
	for i, m := range mappings {
		ports[i] = m.ServicePort
		some = some || m.ServicePort != 0
	}
	if !some {
		return nil
	}
	return ports
}

func definedPorts(a *api.App) []int {
	if a.PortDefinitions == nil {
		return a.Ports
	}
	ports := make([]int, len(a.PortDefinitions))
	for i, d := range a.PortDefinitions {
		ports[i] = d.Port
	}
	return ports
}

// checkPorts returns ports with everything unusable set to 0, and false when the app cannot be served at all.
func checkPorts(ports []int, p *problems) ([]int, bool) {
	if len(ports) > maxPorts {
		p.errorf("ports", strconv.Itoa(len(ports)), "expected at most %d service ports", maxPorts)
		return nil, false
	}
	seen := make(map[int]bool, len(ports))
	for i, port := range ports {
		switch {
		case port == 0:
			p.warnf("servicePort", "0", "port index %d has no service port yet and is skipped", i)
		case port < 0 || port > maxPort:
			p.errorf("servicePort", strconv.Itoa(port), "expected a port from 1 to 65535")
			return nil, false
		case seen[port]:
			p.errorf("servicePort", strconv.Itoa(port), "the app lists this service port twice; expected each once")
			return nil, false
		}
		seen[port] = true
	}
	return ports, true
}

// mappingPorts are the container ports of an app, used where a task tells none.
func containerPorts(mappings []api.PortMapping) []int {
	ports := make([]int, 0, len(mappings))
	for _, m := range mappings {
		if m.ContainerPort != 0 {
			ports = append(ports, m.ContainerPort)
		}
	}
	return ports
}

// taskPorts pairs with the service ports position by position (section 4.9).
func taskPorts(a *api.App, t *api.Task) []int {
	mode := a.Mode()
	if mode == api.NetworkContainer {
		if a.IPAddress != nil && a.IPAddress.Discovery != nil && len(a.IPAddress.Discovery.Ports) > 0 {
			ports := make([]int, len(a.IPAddress.Discovery.Ports))
			for i, d := range a.IPAddress.Discovery.Ports {
				ports[i] = d.Number
			}
			return ports
		}
		return containerPorts(a.Mappings())
	}
	if len(t.Ports) > 0 {
		return t.Ports
	}
	if ports := definedPorts(&api.App{PortDefinitions: a.PortDefinitions}); len(ports) > 0 {
		return ports
	}
	if mode == api.NetworkBridge {
		return containerPorts(a.Mappings())
	}
	return nil
}
