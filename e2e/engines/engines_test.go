//go:build e2e

package engines

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

type app map[string]any

// hello is an app of the blog as a user writes it: berth hello in a container, in bridge mode, on a host port.
func hello(id string, instances, hostPort int, more app) app {
	a := app{
		"id": id, "instances": instances, "cpus": 0.01, "mem": 32, "args": []string{"--port", "8080"},
		"container": app{
			"type": "DOCKER", "docker": app{"image": image},
			"portMappings": []app{{"containerPort": 8080, "hostPort": hostPort}},
		},
		"networks":     []app{{"mode": "container/bridge"}},
		"healthChecks": []app{{"protocol": "HTTP", "path": "/health", "portIndex": 0, "gracePeriodSeconds": 20, "intervalSeconds": 1, "timeoutSeconds": 2}},
		// A test has no hour to wait.
		"backoffSeconds": 0.1, "maxLaunchDelaySeconds": 2,
	}
	for k, v := range more {
		a[k] = v
	}
	return a
}

func external(more ...string) map[string]string {
	l := map[string]string{"HAPROXY_GROUP": "external"}
	for i := 0; i+1 < len(more); i += 2 {
		l[more[i]] = more[i+1]
	}
	return l
}

func TestThreeEngines(t *testing.T) {
	w := newWorld(t)
	w.startMLB()
	w.startDNS()
	a1, a2 := w.engines[0], w.engines[1]
	w.nodesAre("a1:ready a2:ready a3:ready")

	w.placeTheBlog()

	// A cable is cut.
	before := w.app("/spread")
	w.cut(a1)
	w.nodesAre("a1:unreachable a2:ready a3:ready")
	w.settled("/spread", "a2:RUNNING a2:RUNNING a2:RUNNING a2:RUNNING") // replaced and forgotten at once, the default
	w.settled("/patient", "a1:UNREACHABLE a2:RUNNING")
	w.settled("/unique", "a1:UNREACHABLE a2:RUNNING")
	w.settled("/test2", "a2:RUNNING")
	w.reach("/spread", lb, "spread.test")
	w.write("DELETE", "/v2/apps/doomed", nil) // half of it cannot be asked
	w.eventually("/doomed is gone", func() error {
		if text, err := fetch(api+"/v2/apps", ""); err != nil || strings.Contains(text, "/doomed") {
			return fmt.Errorf("still there, %v", err)
		}
		return nil
	})
	if n := len(a1.tasks(t)); n == 0 {
		t.Error("nothing runs on the agent that is cut off: then its return proves nothing")
	}
	w.restartOrchestrator()
	w.nodesAre("a1:unreachable a2:ready a3:ready")

	// And mended.
	w.heal(a1)
	w.nodesAre("a1:ready a2:ready a3:ready")
	w.nothingLostOrDoubled()
	w.settled("/patient", "a1:RUNNING a2:RUNNING")
	w.settled("/unique", "a1:RUNNING a2:RUNNING")
	for _, task := range w.app("/spread").Tasks {
		old := slices.ContainsFunc(before.Tasks, func(o taskView) bool { return o.ID == task.ID && o.SlaveID == "a1" })
		if old {
			t.Errorf("%s was forgotten and is back", task.ID)
		}
	}

	// A machine is taken out of use, without a request failing.
	load := startLoad(t, lb, "spread.test")
	load.more(50)
	w.write("POST", "/v1/nodes/a2/drain", nil)
	w.settled("/spread", "a1:RUNNING a1:RUNNING a1:RUNNING a1:RUNNING")
	load.more(50)
	load.none(t)
	w.settled("/patient", "a1:RUNNING a1:RUNNING")
	w.settled("/unique", "a1:RUNNING a2:RUNNING") // it has nowhere to go, and stays
	var v struct {
		Node struct {
			TaskList []struct {
				AppID string
				Waits []string
			}
		}
	}
	if err := w.read("/v1/nodes/a2", &v); err != nil || len(v.Node.TaskList) != 1 ||
		!strings.Contains(strings.Join(v.Node.TaskList[0].Waits, "\n"), "constraint hostname UNIQUE: agent a1 has hostname 10.77.0.11") {
		t.Errorf("what stays on a2: %+v, %v", v, err)
	}
	w.write("PUT", "/v2/apps/unique?force=true", app{"instances": 1})
	w.nodesAre("a1:ready a2:drained a3:ready")
	w.eventually("a2 is empty", func() error {
		if ids := a2.tasks(t); len(ids) > 0 {
			return fmt.Errorf("%v", ids)
		}
		return nil
	})
	w.write("POST", "/v1/nodes/a2/resume", nil)
	w.nodesAre("a1:ready a2:ready a3:ready")
	w.nothingLostOrDoubled()
}

// placeTheBlog deploys the apps and looks at where they are, and that they are reached there.
func (w *world) placeTheBlog() {
	t := w.T
	t.Helper()
	for _, a := range []app{
		hello("/spread", 4, 0, app{"labels": external("HAPROXY_0_VHOST", "spread.test")}),
		hello("/unique", 3, 0, app{"constraints": [][]string{{"hostname", "UNIQUE"}}, "unreachableStrategy": "disabled"}),
		hello("/patient", 2, 0, app{"unreachableStrategy": "disabled"}),
		hello("/doomed", 2, 0, nil),
		hello("/test2", 1, 2000, nil),
		hello("/public", 1, 0, app{"acceptedResourceRoles": []string{"slave_public"}}),
		hello("/racks", 2, 0, app{"constraints": [][]string{{"rack", "LIKE", "2"}}, "acceptedResourceRoles": []string{"*", "slave_public"}}),
	} {
		w.write("POST", "/v2/apps", a)
	}
	spread := w.settled("/spread", "a1:RUNNING a1:RUNNING a2:RUNNING a2:RUNNING")
	w.settled("/patient", "a1:RUNNING a2:RUNNING")
	w.settled("/doomed", "a1:RUNNING a2:RUNNING")
	w.settled("/public", "a3:RUNNING")
	w.settled("/racks", "a2:RUNNING a3:RUNNING")
	w.eventually("the third of /unique waits", func() error {
		text, err := fetch(api+"/v2/queue", "")
		for _, want := range []string{"constraint hostname UNIQUE: agent a2 has hostname 10.77.0.12", "agent a3 has role slave_public"} {
			if err == nil && !strings.Contains(text, want) {
				err = fmt.Errorf("%s is not in %s", want, text)
			}
		}
		return err
	})
	w.write("PUT", "/v2/apps/unique?force=true", app{"instances": 2})
	w.settled("/unique", "a1:RUNNING a2:RUNNING")

	// Each task is reached at its own agent, and the balancer and the name server know where.
	test2 := w.app("/test2")
	w.reach("/test2", fmt.Sprintf("http://%s:2000", test2.Tasks[0].Host), "")
	hosts := map[string]bool{}
	for _, task := range spread.Tasks {
		hosts[task.Host] = true
		w.reach("/spread", fmt.Sprintf("http://%s:%d", task.Host, task.Ports[0]), "")
	}
	if len(hosts) != 2 || !hosts["10.77.0.11"] || !hosts["10.77.0.12"] {
		t.Errorf("tasks are listed under %v", hosts)
	}
	w.reach("/spread", lb, "spread.test")
	w.eventually("the name server knows both agents", func() error {
		m := new(dns.Msg)
		m.SetQuestion("spread.marathon.slave.mesos.", dns.TypeA)
		answer, _, err := (&dns.Client{Timeout: 3 * time.Second}).Exchange(m, net.JoinHostPort("127.0.0.1", "53"))
		if err != nil {
			return err
		}
		var got []string
		for _, rr := range answer.Answer {
			if a, ok := rr.(*dns.A); ok {
				got = append(got, a.A.String())
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"10.77.0.11", "10.77.0.12"}) {
			return fmt.Errorf("it says %v", got)
		}
		return nil
	})
	w.nothingLostOrDoubled()
}

// reach waits until a URL is answered by a task of the app.
func (w *world) reach(id, url, host string) {
	w.Helper()
	w.eventually(url+" reaches "+id, func() error {
		text, err := fetch(url, host)
		if err == nil && !strings.Contains(text, id) {
			err = fmt.Errorf("somebody else answered: %s", text)
		}
		return err
	})
}

// load is a stream of requests, one after the other.
type load struct {
	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	sent   int
	failed []string
}

func startLoad(t *testing.T, url, host string) *load {
	l := &load{stop: make(chan struct{})}
	end := sync.OnceFunc(func() { close(l.stop); l.wg.Wait() })
	t.Cleanup(end)
	l.wg.Go(func() {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for {
			select {
			case <-l.stop:
				return
			case <-pace.C:
			}
			_, err := fetch(url, host)
			l.mu.Lock()
			l.sent++
			if err != nil {
				l.failed = append(l.failed, err.Error())
			}
			l.mu.Unlock()
		}
	})
	return l
}

// more waits for so many further answers.
func (l *load) more(n int) {
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.sent
	}
	for until := count() + n; count() < until; {
		time.Sleep(5 * time.Millisecond)
	}
}

func (l *load) none(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("%d requests, %d failed", l.sent, len(l.failed))
	if len(l.failed) > 0 {
		t.Errorf("%d of %d requests failed: %v", len(l.failed), l.sent, l.failed[:min(5, len(l.failed))])
	}
}
