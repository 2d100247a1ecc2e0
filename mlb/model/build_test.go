package model

import (
	"fmt"
	"testing"

	"berth/orchestrator/api"
)

func synthetic(apps, tasks int) []*api.AppInfo {
	list := make([]*api.AppInfo, apps)
	for i := range list {
		a := &api.AppInfo{App: api.App{
			ID: fmt.Sprintf("/load/app%05d", i), Instances: tasks,
			Labels: map[string]string{
				"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": fmt.Sprintf("app%05d.example.com", i),
				"HAPROXY_0_MODE": "http",
			},
			PortDefinitions: []api.PortDefinition{{Port: 10000 + i}},
			HealthChecks:    []api.HealthCheck{{Protocol: "HTTP", PortIndex: new(int), Path: "/health", IntervalSeconds: 5}},
		}}
		for j := range tasks {
			a.Tasks = append(a.Tasks, api.Task{
				ID: fmt.Sprintf("load_app%05d.%d", i, j), Host: fmt.Sprintf("10.0.%d.%d", i%250, j), State: api.TaskRunning,
				Ports: []int{31000 + (i+j)%1000}, HealthCheckResults: []api.HealthResult{{Alive: true}},
			})
		}
		list[i] = a
	}
	return list
}

func BenchmarkBuild10000(b *testing.B) {
	apps := synthetic(10000, 4)
	b.ReportAllocs()
	for b.Loop() {
		Build(apps, Options{Groups: []string{"external"}, HealthCheck: true})
	}
}

func BenchmarkOneTask10000(b *testing.B) {
	apps := synthetic(10000, 4)
	bd := NewBuilder(Options{Groups: []string{"external"}, HealthCheck: true})
	bd.Build(apps)
	for i := 0; b.Loop(); i++ {
		c := *apps[5000]
		c.Tasks = append([]api.Task{{ID: "x", Host: "10.1.1.1", State: api.TaskRunning, Ports: []int{i%1000 + 1000},
			HealthCheckResults: []api.HealthResult{{Alive: true}}}}, c.Tasks...)[:5]
		apps[5000] = &c
		bd.Build(apps)
	}
}
