package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"berth/orchestrator/api"
)

// bigFake holds 1,000 apps with 10 healthy tasks each.
func bigFake(b *testing.B) *fake {
	b.Helper()
	f := newFake()
	for i := range 1000 {
		doc := fmt.Sprintf(`{"id":"/group%d/app%d","instances":10,"cpus":0.1,"mem":64,"env":{"A":"1","B":"2"},
			"labels":{"HAPROXY_GROUP":"external","HAPROXY_0_VHOST":"app%d.example.com"},
			"container":{"type":"DOCKER","docker":{"image":"nginx:1.27"},"portMappings":[{"containerPort":80}]},
			"networks":[{"mode":"container/bridge"}],"healthChecks":[{"protocol":"HTTP","path":"/"}]}`, i%10, i, i)
		app, _, err := api.ParseApp([]byte(doc))
		if err != nil {
			b.Fatal(err)
		}
		app.Version = f.clock
		app.VersionInfo = &api.VersionInfo{LastScalingAt: f.clock, LastConfigChangeAt: f.clock}
		f.put(app.ID, app)
		tasks := f.apps[app.ID].Tasks
		for j := range tasks {
			tasks[j].IPAddresses = []api.Address{{IPAddress: "172.17.0.2", Protocol: "IPv4"}}
			tasks[j].HealthCheckResults = []api.HealthResult{{Alive: true, FirstSuccess: f.clock, LastSuccess: f.clock,
				TaskID: tasks[j].ID, InstanceID: tasks[j].ID}}
		}
	}
	return f
}

// BenchmarkListWithTasks is what every follower reads: GET /v2/apps?embed=apps.tasks of 1,000 apps with 10,000 tasks.
// The budget is 50 ms.
func BenchmarkListWithTasks(b *testing.B) {
	s := newServer(b, bigFake(b), Options{})
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", "/v2/apps?embed=apps.tasks", nil)
				r.Header.Set("Accept-Encoding", encoding)
				w := &discard{header: http.Header{}}
				s.ServeHTTP(w, r)
				b.SetBytes(w.n)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/list")
		})
	}
}

type discard struct {
	header http.Header
	n      int64
}

func (d *discard) Header() http.Header { return d.header }
func (d *discard) WriteHeader(int)     {}
func (d *discard) Write(b []byte) (int, error) {
	d.n += int64(len(b))
	return len(b), nil
}
