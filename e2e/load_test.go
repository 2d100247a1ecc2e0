//go:build e2e

package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// load is a constant-rate stream of requests: a stall shows up as late or failed answers instead of hiding.
type load struct {
	t        *testing.T
	attacker []*vegeta.Attacker
	wg       sync.WaitGroup
	mu       sync.Mutex
	sent     uint64
	failed   map[string]int
	latency  vegeta.LatencyMetrics
}

// startLoad sends rate requests a second to url, half of them over kept-alive connections and half with a connection
// each, until stop is called or limit has passed.
func startLoad(t *testing.T, url, host string, rate int, limit time.Duration) *load {
	t.Helper()
	l := &load{t: t, failed: map[string]int{}}
	target := vegeta.Target{Method: "GET", URL: url, Header: map[string][]string{}}
	if host != "" {
		target.Header.Set("Host", host)
	}
	for _, keep := range []bool{true, false} {
		a := vegeta.NewAttacker(vegeta.KeepAlive(keep), vegeta.Timeout(10*time.Second), vegeta.Redirects(vegeta.NoFollow))
		l.attacker = append(l.attacker, a)
		results := a.Attack(vegeta.NewStaticTargeter(target), vegeta.Rate{Freq: rate / 2, Per: time.Second}, limit, "load")
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			for r := range results {
				l.add(r, keep)
			}
		}()
	}
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) add(r *vegeta.Result, keep bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	l.latency.Add(r.Latency)
	if r.Code != 200 {
		l.failed[fmt.Sprintf("keep-alive %v: %d %s", keep, r.Code, r.Error)]++
	}
}

func (l *load) stop() {
	for _, a := range l.attacker {
		a.Stop()
	}
	l.wg.Wait()
}

// more waits until so many further requests have been answered.
func (l *load) more(n uint64) {
	l.t.Helper()
	count := func() uint64 {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.sent
	}
	until := count() + n
	eventually(l.t, time.Minute, "load goes on", func() error {
		now := count()
		return expect(now >= until, "%d of %d requests", now, until)
	})
}

// none ends the load and fails the test if a single request failed; it prints what was counted.
func (l *load) none(while string) {
	l.t.Helper()
	l.stop()
	n := 0
	for _, c := range l.failed {
		n += c
	}
	l.t.Logf("%s: %d requests, %d failed, p99 %v, slowest %v", while, l.sent, n,
		l.latency.Quantile(0.99).Round(time.Millisecond), l.latency.Max.Round(time.Millisecond))
	if n > 0 {
		l.t.Errorf("%s: %d of %d requests failed: %v", while, n, l.sent, l.failed)
	}
	if l.sent < 100 {
		l.t.Errorf("%s: only %d requests were sent; that proves nothing", while, l.sent)
	}
}
