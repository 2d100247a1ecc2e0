package mlbd

import (
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"berth/orchestrator/api"
)

// BenchmarkOneTaskMore measures from the change in the cluster to the answer of a request that only the new task can give, at
// a number of apps; it prints the 50th and 99th percentile.
func BenchmarkOneTaskMore(b *testing.B) {
	for _, apps := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("apps=%d", apps), func(b *testing.B) { oneTaskMore(b, apps) })
	}
}

func oneTaskMore(b *testing.B, apps int) {
	l := newLab(b)
	old, fresh := l.task("old"), l.task("fresh")
	all := make([]*api.AppInfo, apps)
	ports := make([]int, apps)
	for i, port := 0, 10000; i < apps; port++ {
		if h, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			h.Close()
			ports[i] = port
			i++
		}
	}
	for i := range all {
		all[i] = app(fmt.Sprintf("/app%05d", i), ports[i], map[string]string{"HAPROXY_0_VHOST": fmt.Sprintf("h%d.test", i)}, old)
	}
	l.cluster.SetApps(all...)
	l.c.AutoPortMin, l.c.AutoPortMax = 0, 0
	l.up()
	pids := l.admin("/_haproxy_getpids")
	var took []time.Duration
	for b.Loop() {
		i := len(took) % apps
		servers := []*httptest.Server{fresh}
		began := time.Now()
		l.cluster.SetApp(app(fmt.Sprintf("/app%05d", i), ports[i], map[string]string{"HAPROXY_0_VHOST": fmt.Sprintf("h%d.test", i)}, servers...))
		for {
			if _, body, _ := ask(l.c.HTTPPort, "/", fmt.Sprintf("h%d.test", i)); body == "fresh" {
				break
			}
			if time.Since(began) > 20*time.Second {
				b.Fatal("not routed")
			}
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(l.state().Changes["reload"]), "reloads")
	if l.admin("/_haproxy_getpids") != pids {
		b.Log("reloaded")
	}
}
