//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The orchestrator is killed while apps run: the same tasks go on, nobody who asks through HAProxy notices, and after
// the restart task ids, processes and service ports are what they were.
func TestKillOrchestrator(t *testing.T) {
	c := newCluster(t, "process")
	c.deploy(hello("/web", 3, external("HAPROXY_0_VHOST", "web.test"), nil))
	before := c.settled("/web", 3)
	c.answers(c.port(before.servicePort()), "", "/web")
	pids := c.taskPIDs(before)

	l := startLoad(t, c.front("/"), "web.test", 100, time.Minute)
	for range 3 {
		c.orchestrator.kill9()
		l.more(100) // a second without an orchestrator
		c.startOrchestrator()
		l.more(50)
	}
	after := c.settled("/web", 3)
	l.none("orchestrator killed and restarted 3 times")

	if !maps.Equal(before.taskIDs(), after.taskIDs()) {
		t.Errorf("task ids changed: %v, then %v", before.taskIDs(), after.taskIDs())
	}
	if got := c.taskPIDs(after); !maps.Equal(pids, got) {
		t.Errorf("processes changed: %v, then %v", pids, got)
	}
	if before.servicePort() != after.servicePort() {
		t.Errorf("service port changed: %d, then %d", before.servicePort(), after.servicePort())
	}
}

// An orderly stop leaves the tasks alone just the same, and what is missing after the restart is started again.
func TestRestartOrchestrator(t *testing.T) {
	c := newCluster(t, "process")
	c.deploy(hello("/web", 2, external(), nil))
	before := c.settled("/web", 2)
	c.orchestrator.term()
	pids := c.taskPIDs(before)
	if len(pids) != 2 {
		t.Fatalf("%d of 2 tasks outlived the orchestrator", len(pids))
	}
	victim := before.Tasks[0].ID
	for _, pid := range strings.Fields(pids[victim]) {
		n, _ := strconv.Atoi(pid)
		_ = syscall.Kill(n, syscall.SIGKILL)
	}
	c.startOrchestrator()
	after := c.settled("/web", 2)
	if !after.taskIDs()[before.Tasks[1].ID] {
		t.Errorf("the living task %s was not adopted: %v", before.Tasks[1].ID, after.taskIDs())
	}
	if after.taskIDs()[victim] {
		t.Errorf("the task %s that died meanwhile is still listed", victim)
	}
}

// taskPIDs finds the processes of each task by the environment that they carry.
func (c *cluster) taskPIDs(a appView) map[string]string {
	c.t.Helper()
	pids := map[string]string{}
	for _, task := range a.Tasks {
		out, _ := exec.Command("sh", "-c",
			"grep -lsz '^MESOS_TASK_ID="+task.ID+"$' /proc/[0-9]*/environ | cut -d/ -f3 | sort -n").Output()
		if list := strings.Fields(string(out)); len(list) > 0 {
			pids[task.ID] = strings.Join(list, " ")
		}
	}
	return pids
}

// HAProxy is killed, master and worker: it serves again within a second.
func TestKillHAProxy(t *testing.T) {
	c := newCluster(t, "process")
	c.deploy(hello("/web", 2, external("HAPROXY_0_VHOST", "web.test"), nil))
	c.answers(c.front("/"), "web.test", "/web")
	for i, which := range []string{"master and worker", "worker"} {
		c.established(1)
		for _, pid := range c.haproxyPIDs()[i:] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		killed := time.Now()
		eventually(t, 30*time.Second, "HAProxy is back", func() error {
			code, _, err := get(c.front("/"), "web.test")
			if err != nil {
				return err
			}
			return expect(code == 200, "status %d", code)
		})
		back := time.Since(killed)
		t.Logf("kill -9 of HAProxy's %s: served again after %v", which, back.Round(time.Millisecond))
		if back > time.Second {
			t.Errorf("kill -9 of HAProxy's %s: back after %v, want at most 1 s", which, back)
		}
	}
}

// established waits until mlb has nothing left to do: it has applied so many services, and old workers have ended.
func (c *cluster) established(services int) {
	c.t.Helper()
	eventually(c.t, 30*time.Second, "mlb is in step", func() error {
		_, body, err := get(c.stats("/_mlb_state"), "")
		if err != nil {
			return err
		}
		var state struct {
			Services int
			Failing  bool
		}
		if err := json.Unmarshal([]byte(body), &state); err != nil {
			return fmt.Errorf("%.200s: %w", body, err)
		}
		n := len(c.haproxyPIDs())
		return expect(state.Services == services && !state.Failing && n == 2, "%+v, %d processes", state, n)
	})
}

// haproxyPIDs asks the admin endpoint: master first, then workers.
func (c *cluster) haproxyPIDs() []int {
	c.t.Helper()
	var pids []int
	eventually(c.t, 30*time.Second, "/_haproxy_getpids", func() error {
		code, body, err := get(c.stats("/_haproxy_getpids"), "")
		if err != nil {
			return err
		}
		pids = nil
		for _, f := range strings.Fields(body) {
			n, err := strconv.Atoi(f)
			if err != nil {
				return fmt.Errorf("pids %q: %w", body, err)
			}
			pids = append(pids, n)
		}
		return expect(code == 200 && len(pids) > 0, "%d %q", code, body)
	})
	return pids
}

// mlb is killed: HAProxy goes on, a new mlb takes it over, and follows again.
func TestKillMLB(t *testing.T) {
	c := newCluster(t, "process")
	c.deploy(hello("/web", 2, external("HAPROXY_0_VHOST", "web.test"), nil))
	c.answers(c.front("/"), "web.test", "/web")
	l := startLoad(t, c.front("/"), "web.test", 100, time.Minute)
	c.mlb.kill9()
	l.more(100)
	c.deploy(hello("/late", 1, external("HAPROXY_0_VHOST", "late.test"), nil))
	c.startMLB()
	c.answers(c.front("/"), "late.test", "/late")
	c.answers(c.front("/"), "web.test", "/web")
	l.none("mlb killed and restarted")
}
