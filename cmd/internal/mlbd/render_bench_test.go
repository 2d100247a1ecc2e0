package mlbd

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"berth/orchestrator/api"
)

// BenchmarkRenderCommand is "mlb render" on 1,000 apps with 4 tasks each, the check by HAProxy included.
func BenchmarkRenderCommand(b *testing.B) {
	needHAProxy(b)
	apps := make([]*api.AppInfo, 1000)
	for i := range apps {
		a := app(fmt.Sprintf("/load/app%05d", i), 10000+i, http1(fmt.Sprintf("app%05d.test", i)))
		for k := range 4 {
			a.Tasks = append(a.Tasks, api.Task{ID: fmt.Sprintf("app%d.%d", i, k), AppID: a.ID, Host: fmt.Sprintf("10.0.%d.%d", i%250, k),
				State: api.TaskRunning, Ports: []int{31000 + k}})
		}
		apps[i] = a
	}
	doc, err := json.Marshal(map[string]any{"apps": apps})
	if err != nil {
		b.Fatal(err)
	}
	c := DefaultConfig()
	c.Groups, c.User = []string{"external"}, ""
	dir := b.TempDir()
	b.ReportAllocs()
	for b.Loop() {
		if problems, err := Render(b.Context(), c, doc, dir, io.Discard); err != nil || len(problems) > 0 {
			b.Fatal(problems, err)
		}
	}
}
