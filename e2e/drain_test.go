//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
)

// Requests that are under way when their task has to go are answered to the end: the task leaves the balancer first, and
// is stopped when nothing runs through it any more.
func TestLongRequestsOutliveTheirTask(t *testing.T) {
	c := newCluster(t, "process")
	slow := hello("/slow", 2, external("HAPROXY_0_VHOST", "slow.test"), app{
		"cmd": "exec " + bin + "/berth hello --port $PORT0 --delay 2s --grace 0s",
		// The checks wait as long as any request does.
		"healthChecks": []app{{"protocol": "TCP", "gracePeriodSeconds": 10, "intervalSeconds": 1}},
	})
	for name, change := range map[string]func(){
		"scaled down": func() { c.must("PUT", "/v2/apps/slow?force=true", app{"instances": 1}) },
		"updated": func() {
			c.must("PATCH", "/v2/apps/slow?force=true", app{"env": map[string]string{"A": time.Now().String()}})
		},
		"moved to another service port": func() {
			c.must("PATCH", "/v2/apps/slow?force=true", app{"portDefinitions": []app{{"port": porttest.Free(t)}}})
		},
		"deleted": func() { c.must("DELETE", "/v2/apps/slow", nil) },
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			if code, _ := c.call("GET", "/v2/apps/slow", nil); code == 404 {
				c.must("POST", "/v2/apps?force=true", slow)
			} else {
				c.must("PUT", "/v2/apps/slow?force=true&partialUpdate=false", slow)
			}
			c.settled("/slow", 2)
			c.answers(c.front("/"), "slow.test", "/slow")
			results := make(chan error, 8)
			for range cap(results) {
				go func() {
					code, body, err := get(c.front("/"), "slow.test")
					if err == nil && (code != 200 || !strings.Contains(body, "/slow")) {
						err = fmt.Errorf("%d %.100s", code, body)
					}
					results <- err
				}()
			}
			c.underWay("slow_", cap(results))
			change()
			for range cap(results) {
				if err := <-results; err != nil {
					t.Errorf("a request that was under way: %v", err)
				}
			}
		})
	}
	c.t = t
}

// underWay waits until HAProxy's backends with the prefix have n sessions.
func (c *cluster) underWay(prefix string, n int) {
	c.t.Helper()
	eventually(c.t, 30*time.Second, "requests are under way", func() error {
		_, csv, err := get(c.stats("/haproxy?stats;csv"), "")
		if err != nil {
			return err
		}
		for _, line := range strings.Split(csv, "\n") {
			if f := strings.Split(line, ","); strings.HasPrefix(line, prefix) && len(f) > 4 && f[1] == "BACKEND" {
				return expect(f[4] == itoa(n), "%s sessions", f[4])
			}
		}
		return fmt.Errorf("no backend %s", prefix)
	})
}
