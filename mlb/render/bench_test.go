package render

import (
	"fmt"
	"testing"

	"berth/mlb/model"
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

var benchModel = model.Options{Groups: []string{"external"}, HealthCheck: true}

func benchmarkFull(b *testing.B, n int) {
	apps := synthetic(n, 4)
	b.ReportAllocs()
	for b.Loop() {
		m, _ := model.Build(apps, benchModel)
		out, _ := Files(m, Options{})
		if len(out.Fragments) != n || len(out.Config()) == 0 {
			b.Fatalf("%d services of %d", len(out.Fragments), n)
		}
	}
}

func BenchmarkBuildAndRender1000(b *testing.B) { benchmarkFull(b, 1000) }

// The budget is 150 ms, the text included.
func BenchmarkBuildAndRender10000(b *testing.B) {
	benchmarkFull(b, 10000)
	ms := float64(b.Elapsed().Microseconds()) / 1000 / float64(b.N)
	b.ReportMetric(ms, "ms")
	b.ReportMetric(ms/150, "of-budget")
}

// One task more among 10,000 apps: the promise is a cost of milliseconds.
func BenchmarkOneTask10000(b *testing.B) {
	apps := synthetic(10000, 4)
	builder := model.NewBuilder(benchModel)
	r, _ := New(Options{})
	m, _ := builder.Build(apps)
	r.Render(m)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c := *apps[5000]
		c.Tasks = append([]api.Task{{
			ID: "x", Host: "10.1.1.1", State: api.TaskRunning, Ports: []int{i%1000 + 1000},
			HealthCheckResults: []api.HealthResult{{Alive: true}},
		}}, c.Tasks[len(c.Tasks)-4:]...)
		apps[5000] = &c
		m, _ := builder.Build(apps)
		out, _ := r.Render(m)
		if len(out.Fragments[5000].Servers) != 5 {
			b.Fatalf("the new task is missing: %v", out.Fragments[5000].Servers)
		}
	}
}
