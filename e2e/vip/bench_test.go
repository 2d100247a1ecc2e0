//go:build e2e

package vip

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/vip/nettest"
)

// many makes n apps with a named VIP and three remote backends each.
func many(n int) []*api.AppInfo {
	apps := make([]*api.AppInfo, n)
	for i := range apps {
		id := fmt.Sprintf("/many/app%05d", i)
		apps[i] = app(id, "tcp", []string{id + ":80"}, "d1", "d1", "d1")
		for j := range apps[i].Tasks {
			apps[i].Tasks[j].ID = fmt.Sprintf("app%05d.%d", i, j)
			apps[i].Tasks[j].Ports = []int{1024 + (3*i+j)%60000}
		}
	}
	return apps
}

// BenchmarkFromEmpty measures from the start of the source's answer until all of 44,000 VIPs are in force, and one more.
func BenchmarkFromEmpty(b *testing.B) {
	w := newWorld(b)
	apps := many(44000)
	w.source.SetApps(apps[:30000]...)
	start := time.Now()
	d := w.start(b)
	first := time.Since(start)
	var more []time.Duration
	for i := range 20 {
		start = time.Now()
		w.set(b, d, apps[30000+i])
		more = append(more, time.Since(start))
	}
	slices.Sort(more)
	d.kill()
	run(b, "nft", "delete", "table", "inet", "berth_vip")
	w.source.SetApps(apps[30000:]...)
	start = time.Now()
	w.start(b)
	b.ReportMetric(first.Seconds(), "s-30000-from-start-of-process")
	b.ReportMetric(time.Since(start).Seconds(), "s-44000-from-start-of-process")
	b.ReportMetric(float64(more[len(more)/2].Microseconds())/1000, "ms-one-more-at-30000")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkConnections measures new connections per second through a VIP and directly, turn by turn, at 1, 1,000 and 10,000
// VIPs. The ratio is what counts: both run on the same machine at the same time.
func BenchmarkConnections(b *testing.B) {
	w := newWorld(b)
	d := w.start(b)
	w.set(b, d, app("/web", "tcp", []string{web}, "d1"))
	for _, n := range []int{1, 1000, 10000} {
		if n > 1 {
			w.set(b, d, many(n)...)
		}
		var direct, via int64
		for range 5 {
			direct += rate(w.node1, "192.168.77.2:31003")
			via += rate(w.node1, web)
		}
		b.ReportMetric(float64(via)/5, fmt.Sprintf("conn/s-%d-VIPs", n))
		b.ReportMetric(float64(via)/float64(direct), fmt.Sprintf("ratio-%d-VIPs", n))
	}
	b.ReportMetric(0, "ns/op")
}

// rate opens connections for a second, a few at a time, and resets them.
func rate(ns nettest.NS, addr string) int64 {
	var n atomic.Int64
	var group sync.WaitGroup
	until := time.Now().Add(time.Second)
	for range 2 {
		group.Go(func() {
			_ = ns.Do(func() error {
				for time.Now().Before(until) {
					c, err := net.DialTimeout("tcp", addr, time.Second)
					if err != nil {
						return err
					}
					_ = c.(*net.TCPConn).SetLinger(0)
					c.Close()
					n.Add(1)
				}
				return nil
			})
		})
	}
	group.Wait()
	return n.Load()
}
