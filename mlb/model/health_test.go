package model

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

func TestCheckAndMode(t *testing.T) {
	index := func(n int) *int { return &n }
	cases := []struct {
		rule   string
		check  api.HealthCheck
		labels map[string]string
		mode   Mode
		want   *Check
	}{
		{
			"an HTTP check makes the service http", api.HealthCheck{Protocol: "HTTP", PortIndex: index(0), IntervalSeconds: 5,
				MaxConsecutiveFailures: 3}, nil, HTTP, &Check{Interval: 5000, Fall: 4, HTTP: true},
		},
		{
			"MESOS_HTTP does not", api.HealthCheck{Protocol: "MESOS_HTTP", PortIndex: index(0), IntervalSeconds: 1}, nil, TCP,
			&Check{Interval: 1000, Fall: 1},
		},
		{
			"the label beats the check", api.HealthCheck{Protocol: "HTTP", PortIndex: index(0), IntervalSeconds: 1},
			map[string]string{"HAPROXY_0_MODE": "TCP"}, TCP, &Check{Interval: 1000, Fall: 1},
		},
		{
			"HTTPS is checked by TLS", api.HealthCheck{Protocol: "HTTPS", PortIndex: index(0), IntervalSeconds: 0.25},
			map[string]string{"HAPROXY_0_VHOST": "a.test"}, HTTP, &Check{Interval: 250, Fall: 1, HTTP: true, TLS: true},
		},
		{
			"COMMAND is a connection", api.HealthCheck{Protocol: "COMMAND", PortIndex: index(0), IntervalSeconds: 1},
			map[string]string{"HAPROXY_0_MODE": "http"}, HTTP, &Check{Interval: 1000, Fall: 1},
		},
		{"a check without index matches nothing", api.HealthCheck{Protocol: "COMMAND"}, nil, TCP, nil},
		{"a check of another port matches nothing", api.HealthCheck{Protocol: "HTTP", PortIndex: index(1)}, nil, TCP, nil},
		{
			"a fixed port matches any service", api.HealthCheck{Protocol: "TCP", Port: index(99), IntervalSeconds: 1}, nil, TCP,
			&Check{Interval: 1000, Fall: 1, Port: 99},
		},
		{
			"the index label finds another check and forces http", api.HealthCheck{Protocol: "MESOS_HTTP", PortIndex: index(7),
				IntervalSeconds: 1}, map[string]string{
				"HAPROXY_0_BACKEND_HEALTHCHECK_PORT_INDEX": "7", "HAPROXY_0_MODE": "tcp",
			}, HTTP, &Check{Interval: 1000, Fall: 1, HTTP: true},
		},
		{
			"a sticky service is checked in any case", api.HealthCheck{Protocol: "COMMAND"},
			map[string]string{"HAPROXY_0_STICKY": "true"}, TCP, &Check{},
		},
	}
	for _, c := range cases {
		a := oneApp(c.labels)
		a.HealthChecks = []api.HealthCheck{c.check}
		m, _ := Build([]*api.AppInfo{a}, Options{Groups: []string{"*"}})
		if len(m.Services) != 1 {
			t.Errorf("%s: no service", c.rule)
			continue
		}
		s := m.Services[0]
		if d := cmp.Diff(c.want, s.Servers[0].Check); d != "" || s.Mode != c.mode {
			t.Errorf("%s: mode %s, -want +got\n%s", c.rule, s.Mode, d)
		}
	}
}
