package health

import (
	"fmt"
	"net"
	"strconv"

	"berth/orchestrator/api"
)

// Place is where a task can be reached.
type Place struct {
	AgentIP   string
	Ports     []int         // host ports, as in a driver's Spec
	Addresses []api.Address // of its own
}

// Address returns the host:port that a check of def probes (marathon-api.md section 11.1).
func Address(def *api.App, check *api.HealthCheck, at Place) (string, error) {
	beside := Beside(check)
	if check.Port != nil {
		host := at.AgentIP
		if own := at.own(check.IPProtocol); beside && own != "" && def.Mode() != api.NetworkHost {
			host = own
		}
		return join(host, *check.Port), nil
	}
	index := 0
	if check.PortIndex != nil {
		index = *check.PortIndex
	}
	return at.port(def, index, beside, check.IPProtocol)
}

// ReadinessAddress returns the host:port that a readiness check of def probes.
func ReadinessAddress(def *api.App, check *api.ReadinessCheck, at Place) (string, error) {
	if def.Mode() == api.NetworkHost {
		for i, p := range def.PortDefinitions {
			if p.Name == check.PortName {
				return at.port(def, i, false, "")
			}
		}
	}
	for i, m := range def.Mappings() {
		if m.Name == check.PortName {
			return at.port(def, i, false, "")
		}
	}
	return "", fmt.Errorf("the app has no port named %q", check.PortName)
}

// port finds the port with the given index. Checks beside the task prefer its own address.
func (at Place) port(def *api.App, index int, beside bool, ipProtocol string) (string, error) {
	if def.Mode() == api.NetworkHost {
		if index < 0 || index >= len(at.Ports) {
			return "", fmt.Errorf("port index %d: the task has %d ports", index, len(at.Ports))
		}
		return join(at.AgentIP, at.Ports[index]), nil
	}
	mappings := def.Mappings()
	if index < 0 || index >= len(mappings) {
		return "", fmt.Errorf("port index %d: the app has %d port mappings", index, len(mappings))
	}
	hostPort := at.hostPort(mappings, index)
	containerPort := mappings[index].ContainerPort
	if containerPort == 0 {
		containerPort = hostPort
	}
	own := at.own(ipProtocol)
	switch {
	case own != "" && containerPort != 0 && (beside || hostPort == 0):
		return join(own, containerPort), nil
	case hostPort != 0:
		return join(at.AgentIP, hostPort), nil
	}
	return "", fmt.Errorf("port index %d: the task has neither a host port nor an address of its own", index)
}

// hostPort returns the number chosen for a mapping, or 0 if it has none.
func (at Place) hostPort(mappings []api.PortMapping, index int) int {
	if mappings[index].HostPort == nil {
		return 0
	}
	n := 0
	for _, m := range mappings[:index] {
		if m.HostPort != nil {
			n++
		}
	}
	if n >= len(at.Ports) {
		return 0
	}
	return at.Ports[n]
}

func (at Place) own(ipProtocol string) string {
	if ipProtocol == "" {
		ipProtocol = "IPv4"
	}
	for _, a := range at.Addresses {
		if a.Protocol == ipProtocol {
			return a.IPAddress
		}
	}
	return ""
}

func join(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
