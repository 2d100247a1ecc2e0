//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// One app with labels meant to break the balancer among fifty good ones: the fifty answer, the one is named with the
// reason, and repairing it makes it answer too.
func TestHostileLabels(t *testing.T) {
	hostile := map[string]map[string]string{
		"line breaks":     external("HAPROXY_0_VHOST", "evil.test\n  bind *:1\nbackend stolen", "HAPROXY_0_BALANCE", "roundrobin\n\nlisten x"),
		"stray braces":    external("HAPROXY_0_VHOST", "evil.test", "HAPROXY_0_BACKEND_HEAD", "backend {backend}\n  http-request deny if { { ssl_fc }"),
		"go braces":       external("HAPROXY_0_VHOST", "evil.test", "HAPROXY_0_BACKEND_HEAD", "backend {{ .Nothing.At.All }} {{"),
		"foreign section": external("HAPROXY_0_VHOST", "evil.test", "HAPROXY_0_BACKEND_HEAD", "backend {backend}\n  mode http\nfrontend mine\n  bind *:1\n"),
		"a bad port":      external("HAPROXY_0_VHOST", "evil.test", "HAPROXY_0_PORT", "70000x"),
		"a bad word":      external("HAPROXY_0_VHOST", "evil.test", "HAPROXY_0_MODE", "carrier pigeon"),
		"1 MB of text":    external("HAPROXY_0_VHOST", "evil.test", "HAPROXY_0_BACKEND_HEAD", strings.Repeat("x", 900<<10)),
	}
	const good = 50
	c := newCluster(t, "process")
	cheap := app{"cpus": 0.001, "mem": 1, "healthChecks": []app{}}
	for i := range good {
		c.must("POST", "/v2/apps", hello(fmt.Sprintf("/good/%d", i), 1, external("HAPROXY_0_VHOST", vhost(i)), cheap))
	}
	for i := range good {
		c.answers(c.front("/"), vhost(i), fmt.Sprintf("/good/%d", i))
	}
	evil := hello("/evil", 1, external("HAPROXY_0_VHOST", "evil.test"), cheap)
	c.deployUnchecked(evil)
	c.answers(c.front("/"), "evil.test", "/evil")

	for name, labels := range hostile {
		t.Run(name, func(t *testing.T) {
			c.must("PATCH", "/v2/apps/evil?force=true", app{"labels": labels})
			eventually(t, 30*time.Second, "/evil is named", func() error {
				_, body, err := get(c.stats("/_mlb_problems"), "")
				if err != nil {
					return err
				}
				return named(body, "/evil")
			})
			for i := range good {
				c.answers(c.front("/"), vhost(i), fmt.Sprintf("/good/%d", i))
			}
			c.must("PATCH", "/v2/apps/evil?force=true", app{"labels": external("HAPROXY_0_VHOST", "evil.test")})
			c.answers(c.front("/"), "evil.test", "/evil")
		})
	}
}

func vhost(i int) string { return fmt.Sprintf("good-%d.test", i) }

// named looks for a problem of app with a reason in the answer of /_mlb_problems.
func named(body, app string) error {
	var doc struct {
		Problems []struct{ App, Reason string }
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		return fmt.Errorf("%.200s: %w", body, err)
	}
	for _, p := range doc.Problems {
		if p.App == app && p.Reason != "" {
			return nil
		}
	}
	return fmt.Errorf("%s is not among the problems: %.500s", app, body)
}

// deployUnchecked posts an app without health checks and waits until its tasks run.
func (c *cluster) deployUnchecked(a app) {
	c.t.Helper()
	c.must("POST", "/v2/apps", a)
	eventually(c.t, 30*time.Second, "the app runs", func() error {
		v, err := c.app(a["id"].(string))
		if err != nil {
			return err
		}
		return expect(v.TasksRunning == a["instances"].(int), "%d running", v.TasksRunning)
	})
}

// Rules that an app puts into the frontends all apps share do not reach the others' hosts.
func TestRulesOfOneAppDoNotReachOthers(t *testing.T) {
	c := newCluster(t, "process")
	cheap := app{"cpus": 0.001, "mem": 1, "healthChecks": []app{}}
	c.must("POST", "/v2/apps", hello("/good", 1, external("HAPROXY_0_VHOST", "good.test"), cheap))
	c.must("POST", "/v2/apps", hello("/evil", 1, external("HAPROXY_0_VHOST", "evil.test", "HAPROXY_0_HTTP_FRONTEND_ACL",
		"  acl all always_true\n  http-request deny deny_status 410 if all\n  use_backend {backend} if all\n"), cheap))
	eventually(t, 30*time.Second, "the rule is in force for its own host", func() error {
		code, _, err := get(c.front("/"), "evil.test")
		if err != nil {
			return err
		}
		return expect(code == 410, "status %d", code)
	})
	c.answers(c.front("/"), "good.test", "/good")
}
