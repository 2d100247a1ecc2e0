package mlbd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"berth/orchestrator/api"
)

// benchAddress is where the load balancer of benchmarks listens: ports of many apps must not meet those of anybody else.
const benchAddress = "127.77.0.1"

// fleet is a load balancer with many apps.
type fleet struct {
	*lab
	address string
	next    int // a service port for a new app
	client  *http.Client
	old     *httptest.Server
	fresh   *httptest.Server
}

// openPorts are n service ports that nobody on this machine listens on, whatever the address.
func openPorts(b *testing.B, n int) []int {
	var list []int
	for p := 10000; p < 32000 && len(list) < n; p++ {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", p))
		if err == nil {
			_ = l.Close()
			list = append(list, p)
		}
	}
	if len(list) < n {
		b.Fatalf("%d free ports, want %d", len(list), n)
	}
	return list
}

// newFleet starts n apps with two tasks and a virtual host each, and keeps spare backends in store.
func newFleet(b *testing.B, n, spares int) *fleet { return newFleetAt(b, benchAddress, n, spares) }

func newFleetAt(b *testing.B, address string, n, spares int) *fleet {
	l := newLab(b)
	l.statsAddress = address
	l.c.BindAddress, l.c.HTTPPort, l.c.HTTPSPort, l.c.StatsPort, l.c.AppIDPort = address, 80, 443, 9090, 9091
	l.c.LogLevel, l.c.SpareBackends = "error", spares
	f := &fleet{lab: l, address: address, old: l.task("old"), fresh: l.task("fresh")}
	f.client = &http.Client{Timeout: 5 * time.Second}
	b.Cleanup(f.client.CloseIdleConnections)
	two := l.task("two")
	apps := make([]*api.AppInfo, n)
	ports := openPorts(b, n+1)
	f.next = ports[n]
	for i := range apps {
		apps[i] = app(fmt.Sprintf("/load/app%05d", i), ports[i], http1(fmt.Sprintf("app%05d.test", i)), f.old, two)
	}
	l.cluster.SetApps(apps...)
	l.cluster.SetApp(f.one("one.test", f.old))
	l.up()
	f.routed(b, "one.test", "old")
	if s := f.state(); s.Spare != nil {
		f.next = s.Spare.Ports[0]
	}
	return f
}

// one is the app that changes.
func (f *fleet) one(hosts string, servers ...*httptest.Server) *api.AppInfo {
	return app("/one", 9999, http1(hosts), servers...)
}

// routed asks for host until it answers with the text.
func (f *fleet) routed(b *testing.B, host, want string) {
	// The pause leaves the processors to what is measured; it is small against the result.
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(500 * time.Microsecond) {
		rq, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+f.address+"/", nil)
		if err != nil {
			b.Fatal(err)
		}
		rq.Host = host
		r, err := f.client.Do(rq)
		if err != nil {
			continue // a reload may cut what is asked back to back
		}
		body, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if r.StatusCode == 200 && string(body) == want {
			return
		}
	}
	b.Fatalf("%s does not answer with %q", host, want)
}

// settle waits until HAProxy and the files are where the cluster is.
func (f *fleet) settle() {
	f.within(30*time.Second, "settled", func() bool { return f.state().Index == f.cluster.Index() })
}

// routedBudget is the longest that one task more may take at 5,000 apps, at the 99th percentile.
const routedBudget = 25 * time.Millisecond

// fewest is the 50th percentile at the smallest number of apps, by kind of change, in ms: what others are compared with.
type fewest map[string]float64

// measure changes the cluster count times and prints how long it took until a request got there: the 50th and the 99th
// percentile, the former beside that of the fewest apps and the latter beside the budget.
func (f *fleet) measure(b *testing.B, base fewest, kind string, count int, change func(i int) (host, want string), back func(i int)) {
	var took []time.Duration
	reloads := uint64(0)
	for b.Loop() {
		for i := range count {
			before := f.state().Changes["reload"]
			began := time.Now()
			host, want := change(i)
			f.routed(b, host, want)
			took = append(took, time.Since(began))
			f.settle()
			reloads += f.state().Changes["reload"] - before
			back(i)
			f.settle()
		}
	}
	slices.Sort(took)
	ms := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
	if base[kind] == 0 {
		base[kind] = ms(0.5)
	}
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.5)/base[kind], "p50-ratio")
	b.ReportMetric(ms(0.99), "p99-ms")
	if kind == "task" {
		b.ReportMetric(ms(0.99)/float64(routedBudget.Milliseconds()), "p99-of-budget")
	}
	b.ReportMetric(float64(reloads)/float64(len(took)), "reloads/change")
	b.ReportMetric(0, "ns/op") // means nothing here
}

// BenchmarkRouted measures from a change in the cluster until a request gets to where it leads: the event, the read of the
// one app, the plan, HAProxy, and the way through it.
func BenchmarkRouted(b *testing.B) {
	base := fewest{}
	for _, n := range []int{10, 1000, 5000} {
		b.Run(fmt.Sprintf("task/apps=%d", n), func(b *testing.B) {
			f := newFleet(b, n, 0)
			f.measure(b, base, "task", 100, func(int) (string, string) {
				f.cluster.SetApp(f.one("one.test", f.old, f.fresh))
				return "one.test", "fresh"
			}, func(int) { f.cluster.SetApp(f.one("one.test", f.old)) })
		})
		b.Run(fmt.Sprintf("vhost/apps=%d", n), func(b *testing.B) {
			f := newFleet(b, n, 0)
			f.measure(b, base, "vhost", 100, func(i int) (string, string) {
				f.cluster.SetApp(f.one(fmt.Sprintf("one.test,h%d.test", i), f.old))
				return fmt.Sprintf("h%d.test", i), "old"
			}, func(int) { f.cluster.SetApp(f.one("one.test", f.old)) })
		})
		for _, spares := range []int{0, 16} {
			count := 10 + 4*spares
			b.Run(fmt.Sprintf("app/spares=%d/apps=%d", spares, n), func(b *testing.B) {
				f := newFleet(b, n, spares)
				f.measure(b, base, fmt.Sprintf("app, %d spares", spares), count, func(i int) (string, string) {
					f.cluster.SetApp(app("/new", f.next, http1(fmt.Sprintf("new%d.test", i)), f.old))
					return fmt.Sprintf("new%d.test", i), "old"
				}, func(int) { f.cluster.RemoveApp("/new") })
			})
		}
	}
}
