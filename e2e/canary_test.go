//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// berth runs the command line against the cluster and returns what it prints, and whether it succeeded.
func (c *cluster) berth(args ...string) (string, bool) {
	c.t.Helper()
	cmd := exec.Command(bin+"/berth", args...)
	cmd.Env = append(os.Environ(), "BERTH_URL="+c.api)
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// file writes an app's definition for the command line.
func (c *cluster) file(a app) string {
	c.t.Helper()
	data, err := json.Marshal(a)
	if err != nil {
		c.t.Fatal(err)
	}
	name := filepath.Join(c.dir, "app.json")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return name
}

// A new version comes in as a canary, gets more and more of the traffic, becomes the app, and a bad one is taken away: the
// shares are exact, HAProxy is not reloaded for them, and not one request fails.
func TestCanary(t *testing.T) {
	c := newCluster(t, "process")
	must := func(args ...string) {
		t.Helper()
		if out, ok := c.berth(args...); !ok {
			t.Fatalf("berth %v: %s", args, out)
		}
	}
	web := hello("/web", 3, external("HAPROXY_0_VHOST", "web.test"), app{"healthChecks": []app{{
		"protocol": "HTTP", "path": "/health", "gracePeriodSeconds": 10, "intervalSeconds": 0.25, "timeoutSeconds": 2,
	}}})
	must("deploy", c.file(web))
	before := c.settled("/web", 3)
	c.answers(c.front("/"), "web.test", "/web")
	l := startLoad(t, c.front("/"), "web.test", 50, 5*time.Minute)

	web["env"] = map[string]string{"VERSION": "2"}
	must("deploy", c.file(web), "--canary", "20%")
	canary := c.settled("/web-canary", 1)
	c.share(20)
	pids := c.haproxyPIDs()
	for _, percent := range []int{50, 0, 100} {
		must("deploy", "weight", "web", itoa(percent)+"%")
		c.share(percent)
	}
	if now := c.haproxyPIDs(); !slices.Equal(pids, now) {
		t.Errorf("HAProxy was reloaded for a share: processes %v, then %v", pids, now)
	}
	for id := range canary.taskIDs() {
		if !c.settled("/web-canary", 1).taskIDs()[id] {
			t.Errorf("the canary's task %s was replaced by a change of its share", id)
		}
	}

	must("deploy", "promote", "web")
	after := c.settled("/web", 3)
	for id := range before.taskIDs() {
		if after.taskIDs()[id] {
			t.Errorf("task %s of the old version is still there", id)
		}
	}
	if code, _ := c.call("GET", "/v2/apps/web-canary", nil); code != 404 {
		t.Errorf("the canary is still there: %d", code)
	}
	c.share(0)

	web["cmd"] = "exec " + bin + "/berth hello --port $PORT0 --unhealthy-after 3s"
	out, ok := c.berth("deploy", c.file(web), "--canary", "10%,50%", "--hold", "20s")
	if ok || !strings.Contains(out, "taking the canary of /web away") || !strings.Contains(out, "is not well") {
		t.Errorf("a canary that gets sick: succeeded %v: %s", ok, out)
	}
	if code, _ := c.call("GET", "/v2/apps/web-canary", nil); code != 404 {
		t.Errorf("the sick canary is still there: %d", code)
	}
	if got := c.settled("/web", 3); !equalIDs(got, after) {
		t.Errorf("the app's tasks were replaced: %v, then %v", after.taskIDs(), got.taskIDs())
	}
	l.none("a canary from 20% to its promotion, and one that was taken away")
}

func equalIDs(a, b appView) bool {
	for id := range a.taskIDs() {
		if !b.taskIDs()[id] {
			return false
		}
	}
	return len(a.taskIDs()) == len(b.taskIDs())
}

// share waits until so many percent of 100 requests are answered by the canary. HAProxy's round robin deals them out
// exactly, but the load's requests come in between.
func (c *cluster) share(percent int) {
	c.t.Helper()
	eventually(c.t, 20*time.Second, itoa(percent)+"% of the requests reach the canary", func() error {
		n := 0
		for range 100 {
			code, body, err := get(c.front("/"), "web.test")
			if err != nil {
				return err
			}
			if code != 200 {
				return expect(false, "status %d: %.100s", code, body)
			}
			if strings.Contains(body, "web-canary.") {
				n++
			}
		}
		exact := percent == 0 || percent == 100
		return expect(n == percent || !exact && n >= percent-8 && n <= percent+8, "%d of 100 requests", n)
	})
}
