//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// The orchestrator is killed with -9 in the middle of a stream of writes and deployments, again and again. Afterwards
// every write that was acknowledged is there, one that was not is there whole or not at all, service ports are what they
// were, and each task runs exactly once. `make crash` makes it 50 rounds.
func TestCrash(t *testing.T) {
	rounds := count(t, "BERTH_CRASH_ROUNDS", 8)
	c, r := newOrchestrator(t, "process"), chance(t)
	var writers []*writer
	for i := range 4 {
		writers = append(writers, &writer{api: c.api, id: fmt.Sprintf("/crash/app%d", i), r: rand.New(rand.NewPCG(r.Uint64(), 0))})
	}
	acknowledged, slowest := 0, time.Duration(0)
	for range rounds {
		until := 10 + r.IntN(60)
		n := c.killAmidst(writers, until)
		acknowledged += n
		began := time.Now()
		c.startOrchestrator()
		for _, w := range writers {
			w.verify(t)
		}
		c.eachRunsOnce(writers)
		slowest = max(slowest, time.Since(began))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills amid %d acknowledged writes: all there, no task doubled, service ports unchanged; "+
		"at the latest %v after a restart", rounds, acknowledged, slowest.Round(time.Millisecond))
	if acknowledged < 10*rounds {
		t.Errorf("only %d writes were acknowledged; that proves little", acknowledged)
	}
}

// killAmidst lets all writers write, kills the orchestrator when so many writes were acknowledged, and returns how many
// were in the end.
func (c *cluster) killAmidst(writers []*writer, until int) int {
	c.t.Helper()
	acks := make(chan struct{})
	var all sync.WaitGroup
	for _, w := range writers {
		all.Go(func() {
			for w.write() {
				acks <- struct{}{}
			}
		})
	}
	go func() {
		all.Wait()
		close(acks)
	}()
	n := 0
	deadline := time.After(time.Minute)
	for open := true; open; {
		select {
		case _, open = <-acks:
			if open {
				n++
			}
			if n == until {
				_ = c.orchestrator.cmd.Process.Kill() // the writers end when it is gone
			}
		case <-deadline:
			c.t.Errorf("%d of %d writes were acknowledged within a minute", n, until)
			_ = c.orchestrator.cmd.Process.Kill()
			deadline = nil
		}
	}
	<-c.orchestrator.done
	for _, w := range writers {
		if w.refused != "" {
			c.t.Errorf("%s: a write was refused: %s", w.id, w.refused)
		}
	}
	return n
}

// wanted is what a writer wants its app to be; the zero value is an app that does not exist.
type wanted struct {
	exists    bool
	instances int
	env       string
}

// writer changes one app, one write after the other, and keeps what was acknowledged.
type writer struct {
	api, id string
	r       *rand.Rand
	n       int
	is      wanted // acknowledged
	next    wanted // of the write that got no answer; is if there is none
	port    int    // service port; 0: not known
	refused string
}

// write makes one write; it reports false when no answer came, or a refusal.
func (w *writer) write() bool {
	w.n++
	w.next = w.is
	method, path, body := w.choose()
	status, answer, err := send(method, w.api+path, body)
	switch {
	case err != nil:
		return false
	case status/100 != 2:
		w.refused = fmt.Sprintf("%s %s: %d %.300s", method, path, status, answer)
		return false
	}
	w.is = w.next
	if !w.is.exists {
		w.port = 0
	}
	return true
}

func (w *writer) choose() (method, path string, body app) {
	path = "/v2/apps" + w.id + "?force=true"
	if !w.is.exists {
		w.next = wanted{exists: true, instances: 1 + w.r.IntN(3), env: itoa(w.n)}
		return "POST", "/v2/apps?force=true", app{
			"id": w.id, "instances": w.next.instances, "env": map[string]string{"N": w.next.env}, "cpus": 0.001, "mem": 1,
			"cmd": "exec sleep 3600", "backoffSeconds": 0.1, "maxLaunchDelaySeconds": 1,
			"upgradeStrategy": app{"minimumHealthCapacity": w.r.Float64(), "maximumOverCapacity": w.r.Float64()},
		}
	}
	switch w.r.IntN(8) {
	case 0:
		w.next = wanted{}
		return "DELETE", path, nil
	case 1:
		return "POST", "/v2/apps" + w.id + "/restart?force=true", nil
	case 2, 3:
		w.next.instances = w.r.IntN(4)
		return "PUT", path, app{"instances": w.next.instances}
	}
	w.next.env = itoa(w.n)
	return "PATCH", path, app{"env": map[string]string{"N": w.next.env}}
}

func send(method, url string, body app) (int, []byte, error) {
	var data []byte
	if body != nil {
		data, _ = json.Marshal(body) // plain values
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(data))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := plain.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// verify compares the app with what was acknowledged, and takes over what became of the write without an answer.
func (w *writer) verify(t *testing.T) {
	t.Helper()
	status, answer, err := send("GET", w.api+"/v2/apps"+w.id, nil)
	if err != nil || status != 200 && status != 404 {
		t.Fatalf("%s: %d %s %v", w.id, status, answer, err)
	}
	var doc struct {
		App struct {
			Instances       int
			Env             map[string]string
			PortDefinitions []struct{ Port int }
		}
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		t.Fatalf("%s: %s: %v", w.id, answer, err)
	}
	got := wanted{exists: status == 200, instances: doc.App.Instances, env: doc.App.Env["N"]}
	switch got {
	case w.is: // a creation anew after a deletion has another env
	case w.next:
		if !w.is.exists {
			w.port = 0
		}
	default:
		t.Errorf("%s is %+v; acknowledged was %+v, and %+v was under way", w.id, got, w.is, w.next)
	}
	w.is, w.next = got, got
	port := 0
	if got.exists && len(doc.App.PortDefinitions) == 1 {
		port = doc.App.PortDefinitions[0].Port
	}
	if got.exists && (port == 0 || w.port != 0 && port != w.port) {
		t.Errorf("%s: service port %d, it was %d", w.id, port, w.port)
	}
	w.port = port
}

// eachRunsOnce waits until every app has its tasks, and checks that exactly those run on this machine, each once.
func (c *cluster) eachRunsOnce(writers []*writer) {
	c.t.Helper()
	eventually(c.t, time.Minute, "each task runs once, and nothing else", func() error {
		listed := map[string]bool{}
		for _, w := range writers {
			if !w.is.exists {
				continue
			}
			a, err := c.app(w.id)
			if err != nil {
				return err
			}
			if len(a.Tasks) != w.is.instances || a.TasksRunning != w.is.instances || len(a.Deployments) > 0 {
				return fmt.Errorf("%s: %d tasks listed, %d running of %d, deployments %v", w.id, len(a.Tasks), a.TasksRunning,
					w.is.instances, a.Deployments)
			}
			for id := range a.taskIDs() {
				listed[id] = true
			}
		}
		running := c.processes()
		for id, n := range running {
			if !listed[id] || n != 1 {
				return fmt.Errorf("task %s: %d processes, listed: %v", id, n, listed[id])
			}
		}
		return expect(len(running) == len(listed), "%d tasks listed, %d run", len(listed), len(running))
	})
}

// processes counts this cluster's processes by the task whose command they run.
func (c *cluster) processes() map[string]int {
	c.t.Helper()
	n := map[string]int{}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, dir := range dirs {
		line, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ") // of processes that have ended meanwhile nothing
		if !strings.HasPrefix(string(line), "sleep\x003600\x00") || !strings.Contains(string(env), "\x00MESOS_SANDBOX="+c.dir+"/") {
			continue
		}
		for v := range strings.SplitSeq(string(env), "\x00") {
			if id, ok := strings.CutPrefix(v, "MESOS_TASK_ID="); ok {
				n[id]++
			}
		}
	}
	return n
}
