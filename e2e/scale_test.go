//go:build e2e

package e2e

import (
	"testing"
	"time"
)

// Under a constant rate of requests an app is scaled up and down twenty times and HAProxy is reloaded twenty times by
// force: not one request fails.
func TestScaleAndReloadUnderLoad(t *testing.T) {
	c := newCluster(t, "process")
	c.deploy(hello("/web", 2, external("HAPROXY_0_VHOST", "web.test"), nil))
	c.answers(c.front("/"), "web.test", "/web")
	l := startLoad(t, c.front("/"), "web.test", 200, 3*time.Minute)
	for i := range 20 {
		n := 2 + (i+1)%2*2 // 4, 2, 4, 2, …
		c.must("PUT", "/v2/apps/web", app{"instances": n})
		c.settled("/web", n)
	}
	for range 20 {
		before := c.haproxyPIDs()
		c.answers(c.stats("/_mlb_signal/usr1"), "", "")
		eventually(t, 30*time.Second, "a new worker", func() error {
			now := c.haproxyPIDs()
			fresh := 0
			for _, pid := range now {
				if !contains(before, pid) {
					fresh++
				}
			}
			return expect(fresh > 0, "still %v", now)
		})
	}
	l.none("20 scale operations and 20 forced reloads")
}

func contains(list []int, n int) bool {
	for _, e := range list {
		if e == n {
			return true
		}
	}
	return false
}
