//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
)

// Blue, then green, then blue again, by the protocol of marathon-lb's own tool, under load: it ends by itself, no wait runs
// out, no request fails, and host name and port are those of the group all along.
func TestZDD(t *testing.T) {
	c := newCluster(t, "process")
	ports := porttest.Range(t, 2)
	z := &zdd{cluster: c, group: "web", initial: 1, delay: 200 * time.Millisecond, maxWait: 20 * time.Second}
	def := hello("/web", 3, external("HAPROXY_0_VHOST", "web.test", "HAPROXY_DEPLOYMENT_GROUP", "web",
		"HAPROXY_DEPLOYMENT_ALT_PORT", itoa(ports+1)), app{"portDefinitions": []app{{"port": ports}}})
	blue := z.deploy(def)
	c.settled(blue, 3)
	c.answers(c.front("/"), "web.test", blue)
	c.answers(c.port(ports), "", blue)
	l := startLoad(t, c.front("/"), "web.test", 100, 2*time.Minute)
	direct := startLoad(t, c.port(ports), "", 50, 2*time.Minute)
	for _, want := range []string{"/web-green", "/web-blue"} {
		id := z.deploy(def)
		if id != want {
			t.Fatalf("the new app is %s, want %s", id, want)
		}
		c.settled(id, 3)
		c.answers(c.front("/"), "web.test", id)
		c.answers(c.port(ports), "", id)
		if left := z.members(); len(left) != 1 || left[0].ID != id {
			t.Errorf("apps of the group: %+v", left)
		}
		eventually(t, 30*time.Second, "the old app is gone", func() error {
			data := c.must("GET", "/v2/deployments", nil)
			return expect(strings.TrimSpace(string(data)) == "[]", "%s", data)
		})
		eventually(t, 30*time.Second, "only the new tasks are left", func() error {
			list, err := z.servers("web_" + itoa(ports))
			if err != nil {
				return err
			}
			return expect(len(list) == 3, "%d servers", len(list))
		})
		if code, body, err := get(c.port(ports+1), ""); err == nil {
			t.Errorf("the other colour's port answers %d %.100s", code, body)
		}
	}
	l.none("two swaps of blue and green, by host name")
	direct.none("two swaps of blue and green, by service port")
	if z.forced > 0 {
		t.Errorf("%d tasks were killed because a wait had ended", z.forced)
	}
	if _, body, err := get(c.stats("/_mlb_problems"), ""); err != nil || strings.Contains(body, `"error"`) {
		t.Errorf("problems: %s, %v", body, err)
	}
}
