//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
)

// The blog's apps, as processes: by dynamic and fixed host port, by service port, by Host header, by app id.
func TestBlogAsProcesses(t *testing.T) {
	c := newCluster(t, "process")
	fixed, asked := porttest.Free(t), porttest.Free(t)
	c.deploy(
		hello("/test1", 1, nil, nil),
		hello("/test2", 1, nil, app{"portDefinitions": []app{{"port": fixed}}, "requirePorts": true}),
		hello("/test3", 2, external(), nil),
		hello("/test4", 1, nil, app{"portDefinitions": []app{{"port": 0, "labels": map[string]string{"VIP_0": "/test4:80"}}}}),
		hello("/test5", 1, nil, app{"portDefinitions": []app{{"port": 0, "labels": map[string]string{"VIP_0": "1.1.1.1:80"}}}}),
		hello("/test6", 1, external("HAPROXY_0_VHOST", "testing6.test"), app{"portDefinitions": []app{{"port": asked}}}),
	)
	blog(t, c, fixed, asked)
}

// blog walks through what the six apps must answer to.
func blog(t *testing.T, c *cluster, fixed, asked int) {
	t.Helper()
	test1, test3 := c.settled("/test1", 1), c.settled("/test3", 2)
	c.answers(c.port(test1.Tasks[0].Ports[0]), "", "/test1")
	c.answers(c.port(fixed), "", "/test2")
	if p := test3.servicePort(); p < c.servicePorts || p >= c.servicePorts+portsEach {
		t.Errorf("automatic service port %d lies outside %d-%d", p, c.servicePorts, c.servicePorts+portsEach-1)
	}
	c.answers(c.port(test3.servicePort()), "", "/test3")
	c.spread(c.port(test3.servicePort()), test3)
	c.answers(c.port(asked), "", "/test6")
	c.answers(c.front("/"), "testing6.test", "/test6")
	c.answers(c.front("/"), fmt.Sprintf("TESTING6.test:%d", c.httpPort), "/test6")
	c.answers(fmt.Sprintf("http://127.0.0.1:%d/", c.appIDPort), "", "/test3", "X-Marathon-App-Id", "/test3")

	// What is not labelled for this balancer is not reachable through it.
	if code, _, err := get(c.front("/"), "test1.test"); err != nil || code == 200 {
		t.Errorf("an unknown host answered %d, %v", code, err)
	}
	if test1 := test1.servicePort(); test1 != 0 {
		if code, _, err := get(c.port(test1), ""); err == nil {
			t.Errorf("service port %d of an app without HAPROXY_GROUP answered %d", test1, code)
		}
	}
	// The stats page shows backends by the names that dashboards know.
	body := c.answers(c.stats("/haproxy?stats;csv"), "", fmt.Sprintf("test3_%d", test3.servicePort()))
	up := 0
	for _, line := range strings.Split(body, "\n") {
		if strings.HasPrefix(line, fmt.Sprintf("test3_%d,", test3.servicePort())) && strings.Contains(line, ",UP") &&
			!strings.Contains(line, ",BACKEND,") {
			up++
		}
	}
	if up != 2 {
		t.Errorf("stats show %d servers of /test3 up, want 2:\n%s", up, body)
	}
}

// spread asks until every task of the app has answered.
func (c *cluster) spread(url string, a appView) {
	c.t.Helper()
	left := a.taskIDs()
	eventually(c.t, 30*time.Second, "every task answers", func() error {
		_, body, err := get(url, "")
		if err != nil {
			return err
		}
		for id := range left {
			if strings.Contains(body, id) {
				delete(left, id)
			}
		}
		return expect(len(left) == 0, "no answer yet from %v", left)
	})
}

// A change of the app's definition replaces its tasks in a rolling way: nobody notices, and the service port stays.
func TestRollingUpdate(t *testing.T) {
	c := newCluster(t, "process")
	c.deploy(hello("/web", 2, external("HAPROXY_0_VHOST", "web.test"), nil))
	before := c.settled("/web", 2)
	c.answers(c.front("/"), "web.test", "/web")
	l := startLoad(t, c.front("/"), "web.test", 100, time.Minute)
	for i := range 3 {
		c.must(http.MethodPatch, "/v2/apps/web", app{"env": map[string]string{"ROUND": itoa(i)}})
		c.settled("/web", 2)
	}
	c.must("POST", "/v2/apps/web/restart", nil)
	after := c.settled("/web", 2)
	l.none("3 updates and a restart of 2 tasks")
	for id := range after.taskIDs() {
		if before.taskIDs()[id] {
			t.Errorf("task %s was not replaced", id)
		}
	}
	if before.servicePort() != after.servicePort() {
		t.Errorf("service port %d became %d", before.servicePort(), after.servicePort())
	}
}
