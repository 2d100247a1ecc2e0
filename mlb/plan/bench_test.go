package plan

import (
	"fmt"
	"testing"

	"berth/mlb/model"
	"berth/mlb/render"
	"berth/orchestrator/api"
)

// One task more among 10,000 apps, from the apps to the plan.
func BenchmarkOneTask10000(b *testing.B) {
	apps := make([]*api.AppInfo, 10000)
	for i := range apps {
		apps[i] = app(fmt.Sprintf("/load/app%05d", i), 10000+i, map[string]string{"VHOST": fmt.Sprintf("h%d.test", i)},
			task(1), task(2), task(3), task(4))
	}
	builder := model.NewBuilder(model.Options{Groups: []string{"g"}})
	r, _ := render.New(render.Options{MapDir: "/etc/mlb"})
	next := func() State {
		m, _ := builder.Build(apps)
		out, _ := r.Render(m)
		return State{Model: m, Output: out}
	}
	last := next()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		apps[5000] = app("/load/app05000", 15000, map[string]string{"VHOST": "h5000.test"}, task(1), task(2), task(5+i%200))
		now := next()
		if p := Make(last, now, opt); p.Rung != Runtime {
			b.Fatalf("plan: %s", p)
		}
		last = now
	}
}
