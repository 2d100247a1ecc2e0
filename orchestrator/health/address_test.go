package health

import (
	"strings"
	"testing"

	"berth/orchestrator/api"
)

func TestAddress(t *testing.T) {
	n := func(i int) *int { return &i }
	host := &api.App{Networks: []api.Network{{Mode: api.NetworkHost}}, PortDefinitions: []api.PortDefinition{{Port: 1}, {Port: 2, Name: "web"}}}
	bridge := &api.App{
		Networks: []api.Network{{Mode: api.NetworkBridge}},
		Container: &api.Container{PortMappings: []api.PortMapping{
			{ContainerPort: 80, HostPort: n(0)}, {ContainerPort: 81}, {ContainerPort: 0, HostPort: n(0), Name: "web"},
		}},
	}
	at := Place{
		AgentIP: "10.0.0.1", Ports: []int{31000, 31001},
		Addresses: []api.Address{{IPAddress: "fd00::2", Protocol: "IPv6"}, {IPAddress: "172.17.0.2", Protocol: "IPv4"}},
	}
	bare := Place{AgentIP: "10.0.0.1", Ports: []int{31000, 31001}}
	tests := []struct {
		rule  string
		def   *api.App
		check api.HealthCheck
		at    Place
		want  string // or, with a leading "!", a part of the error
	}{
		{"the first port is the default", host, api.HealthCheck{Protocol: "HTTP"}, at, "10.0.0.1:31000"},
		{"host mode: agent and host port", host, api.HealthCheck{Protocol: "TCP", PortIndex: n(1)}, at, "10.0.0.1:31001"},
		{"host mode, beside the task: the same", host, api.HealthCheck{Protocol: "MESOS_TCP", PortIndex: n(1)}, at, "10.0.0.1:31001"},
		{"host mode: the index must exist", host, api.HealthCheck{PortIndex: n(2)}, at, "!port index 2"},
		{"bridge: agent and host port", bridge, api.HealthCheck{Protocol: "HTTP", PortIndex: n(2)}, at, "10.0.0.1:31001"},
		{"bridge, no host port: the task's own", bridge, api.HealthCheck{Protocol: "HTTP", PortIndex: n(1)}, at, "172.17.0.2:81"},
		{"bridge, no host port, no address yet", bridge, api.HealthCheck{Protocol: "HTTP", PortIndex: n(1)}, bare, "!neither"},
		{"bridge, beside the task: container port", bridge, api.HealthCheck{Protocol: "MESOS_HTTP", PortIndex: n(0)}, at, "172.17.0.2:80"},
		{"container port 0 is the host port", bridge, api.HealthCheck{Protocol: "MESOS_HTTP", PortIndex: n(2)}, at, "172.17.0.2:31001"},
		{"beside the task over IPv6", bridge, api.HealthCheck{Protocol: "MESOS_HTTP", IPProtocol: "IPv6"}, at, "[fd00::2]:80"},
		{"beside a task without address: host port", bridge, api.HealthCheck{Protocol: "MESOS_HTTP"}, bare, "10.0.0.1:31000"},
		{"a literal port is the agent's", bridge, api.HealthCheck{Protocol: "HTTP", Port: n(99)}, at, "10.0.0.1:99"},
		{"a literal port beside the task is the container's", bridge, api.HealthCheck{Protocol: "MESOS_HTTP", Port: n(99)}, at, "172.17.0.2:99"},
		{"bridge: the index must exist", bridge, api.HealthCheck{PortIndex: n(3)}, at, "!3 port mappings"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) { expect(t, tt.want)(Address(tt.def, &tt.check, tt.at)) })
	}
	t.Run("readiness by port name", func(t *testing.T) {
		expect(t, "10.0.0.1:31001")(ReadinessAddress(host, &api.ReadinessCheck{PortName: "web"}, at))
		expect(t, "10.0.0.1:31001")(ReadinessAddress(bridge, &api.ReadinessCheck{PortName: "web"}, at))
		expect(t, `!no port named "nope"`)(ReadinessAddress(host, &api.ReadinessCheck{PortName: "nope"}, at))
	})
}

func expect(t *testing.T, want string) func(string, error) {
	return func(got string, err error) {
		t.Helper()
		part, wantsError := strings.CutPrefix(want, "!")
		switch {
		case wantsError && (err == nil || !strings.Contains(err.Error(), part)):
			t.Errorf("got %q, %v; want an error with %q", got, err, part)
		case !wantsError && (err != nil || got != want):
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}
