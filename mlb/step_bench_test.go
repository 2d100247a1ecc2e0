package mlb

import (
	"context"
	"fmt"
	"testing"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
	"berth/mlb/render"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// quickProxy accepts everything at once, so that what is measured is mlb's own work.
type quickProxy struct {
	fakeProxy
	refuses string // a section
	rung    plan.Rung
}

func (p *quickProxy) Apply(_ context.Context, c haproxy.Change) (haproxy.Result, error) {
	if p.refuses != "" {
		for _, f := range c.Output.Fragments {
			if f.Service.Name == p.refuses {
				return haproxy.Result{}, &haproxy.CheckError{Reasons: []haproxy.Reason{{Section: p.refuses, Message: "no"}}}
			}
		}
	}
	p.current, p.rung = haproxy.Hash(c.Output), c.Plan.Rung
	return haproxy.Result{Rung: c.Plan.Rung, Pending: c.Plan.Rung == plan.Runtime}, nil
}

// BenchmarkChange is what mlb itself does for one change among many apps with 4 tasks each: from the apps to the commands,
// without the read of the app and without HAProxy.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{10, 1000, 5000} {
		b.Run(fmt.Sprintf("task/apps=%d", n), func(b *testing.B) { benchChange(b, n, false, otherTasks) })
		b.Run(fmt.Sprintf("task-while-one-app-is-set-aside/apps=%d", n), func(b *testing.B) { benchChange(b, n, true, otherTasks) })
		b.Run(fmt.Sprintf("vhost/apps=%d", n), func(b *testing.B) { benchChange(b, n, false, otherHost) })
	}
}

func otherTasks(n, i int) *api.AppInfo { return benchApp(n, 3+i%2) }

func otherHost(n, i int) *api.AppInfo {
	a := benchApp(n, 4)
	a.Labels["HAPROXY_0_VHOST"] += fmt.Sprintf(",h%d.test", i)
	return a
}

func benchChange(b *testing.B, n int, guilty bool, other func(n, i int) *api.AppInfo) {
	proxy := &quickProxy{fakeProxy: fakeProxy{restarted: make(chan struct{})}}
	if guilty {
		proxy.refuses = "load_app00003_10003"
	}
	lb := New(Options{
		Source: &fakeSource{}, Proxy: proxy, Model: model.Options{Groups: []string{"g"}},
		Render: render.Options{MapDir: "/etc/mlb", Addr: "*", StatsSocket: "/run/stats", AdminSocket: "/run/admin"},
	})
	apps := make([]*api.AppInfo, n)
	for i := range apps {
		apps[i] = benchApp(i, 4)
	}
	ctx := context.Background()
	step := func(index uint64) {
		lb.deliver(ctx, &client.Snapshot{Apps: append([]*api.AppInfo(nil), apps...), Index: index})
		lb.step(ctx)
	}
	step(1)
	if proxy.rung != plan.Reload || guilty != (len(lb.guilty) == 1) {
		b.Fatalf("start: %s, %d set aside", proxy.rung, len(lb.guilty))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		apps[n/2] = other(n/2, i)
		if step(uint64(2 + i)); proxy.rung != plan.Runtime {
			b.Fatalf("%s, want commands", proxy.rung)
		}
	}
}

func benchApp(i, tasks int) *api.AppInfo {
	a := &api.AppInfo{App: api.App{ID: fmt.Sprintf("/load/app%05d", i), PortDefinitions: []api.PortDefinition{{Port: 10000 + i}},
		Labels: map[string]string{"HAPROXY_GROUP": "g", "HAPROXY_0_MODE": "http", "HAPROXY_0_VHOST": fmt.Sprintf("app%05d.test", i)}}}
	for k := range tasks {
		a.Tasks = append(a.Tasks, api.Task{ID: fmt.Sprintf("app%d.%d", i, k), AppID: a.ID, Host: fmt.Sprintf("10.0.%d.%d", i%250, k),
			State: api.TaskRunning, Ports: []int{31000 + k}})
	}
	return a
}
