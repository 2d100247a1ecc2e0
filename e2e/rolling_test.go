//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// count reads a number of rounds from the environment, so that a soak can ask for more.
func count(t *testing.T, name string, without int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return without
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 10_000 {
		t.Fatalf("%s=%q: expected a number from 1 to 10000", name, v)
	}
	return n
}

// chance returns a source of randomness whose seed is printed; BERTH_SEED repeats a run.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("BERTH_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatalf("BERTH_SEED=%q: %v", v, err)
		}
	}
	t.Logf("BERTH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// An app is replaced again and again under a constant rate of requests, by host name and by service port, while the
// orchestrator is killed at random moments: not one request fails. `make soak-deploy` makes it 100 deployments and 20
// kills.
func TestRollingDeploys(t *testing.T) {
	deploys, kills := count(t, "BERTH_SOAK_DEPLOYS", 5), count(t, "BERTH_SOAK_KILLS", 2)
	c, r := newCluster(t, "process"), chance(t)
	web := c.rollingApp()
	byName := startLoad(t, c.front("/"), "web.test", 100, 30*time.Minute)
	byPort := startLoad(t, c.port(web.servicePort()), "", 50, 30*time.Minute)
	gates := &gateSums{}
	before := web
	for i := range deploys {
		id := c.deployment("PATCH", "/v2/apps/web?force=true", app{"env": map[string]string{"ROUND": itoa(i)}})
		c.maybeKill(byName, r, i, deploys, kills)
		after := c.settled("/web", 3)
		for task := range before.taskIDs() {
			if after.taskIDs()[task] {
				t.Errorf("deployment %d: task %s was not replaced", i, task)
			}
		}
		before = after
		gates.add(c, id)
	}
	what := fmt.Sprintf("%d rolling deployments, the orchestrator killed %d times", deploys, kills)
	byName.none(what + ", by host name")
	byPort.none(what + ", by service port")
	gates.log(t)
	if before.servicePort() != web.servicePort() {
		t.Errorf("the service port was %d and is %d", web.servicePort(), before.servicePort())
	}
}

// A version that never becomes healthy, and one whose tasks end at once, are rolled back at the deadline without a failed
// request; the tasks there were go on, also when the orchestrator is killed meanwhile.
func TestBrokenVersionIsRolledBack(t *testing.T) {
	rounds := count(t, "BERTH_SOAK_ROLLBACKS", 2)
	kills := min(rounds, count(t, "BERTH_SOAK_KILLS", 1)) // one a round
	c, r := newCluster(t, "process"), chance(t)
	web := c.rollingApp()
	l := startLoad(t, c.front("/"), "web.test", 100, 30*time.Minute)
	broken := []string{"exec " + bin + "/berth hello --port $PORT0 --unhealthy-after 1ns", "exit 7"}
	labels := external("HAPROXY_0_VHOST", "web.test", "DEPLOYMENT_DEADLINE_SECONDS", "5", "DEPLOYMENT_AUTO_ROLLBACK", "true")
	for i := range rounds {
		id := c.deployment("PATCH", "/v2/apps/web", app{"cmd": broken[i%len(broken)], "labels": labels})
		c.maybeKill(l, r, i, rounds, kills)
		c.rolledBack(id)
		after := c.settled("/web", 3)
		for task := range web.taskIDs() {
			if !after.taskIDs()[task] {
				t.Errorf("round %d: task %s was not kept: %v", i, task, after.taskIDs())
			}
		}
	}
	l.none(fmt.Sprintf("%d versions that never became healthy, rolled back, the orchestrator killed %d times", rounds, kills))
}

// rollingApp deploys three instances of /web with quick checks.
func (c *cluster) rollingApp() appView {
	c.t.Helper()
	c.deploy(hello("/web", 3, external("HAPROXY_0_VHOST", "web.test"), app{"healthChecks": []app{{
		"protocol": "HTTP", "path": "/health", "gracePeriodSeconds": 10, "intervalSeconds": 0.25, "timeoutSeconds": 2,
	}}}))
	web := c.settled("/web", 3)
	c.answers(c.front("/"), "web.test", "/web")
	c.answers(c.port(web.servicePort()), "", "/web")
	return web
}

// deployment makes a write and returns the id of its deployment.
func (c *cluster) deployment(method, path string, body any) string {
	c.t.Helper()
	var d struct{ DeploymentID string }
	if err := json.Unmarshal(c.must(method, path, body), &d); err != nil {
		c.t.Fatal(err)
	}
	return d.DeploymentID
}

// maybeKill kills the orchestrator in so many of the rounds, evenly spread, at any moment of the three seconds that follow,
// and starts it again.
func (c *cluster) maybeKill(l *load, r *rand.Rand, round, rounds, kills int) {
	c.t.Helper()
	if (round+1)*kills/rounds == round*kills/rounds {
		return
	}
	l.more(1 + r.Uint64N(300)) // at 100 a second
	c.orchestrator.kill9()
	c.startOrchestrator()
}

// rolledBack waits until a deployment has failed by its deadline and the one that undoes it has ended. After a kill of the
// orchestrator only the outcome can be seen.
func (c *cluster) rolledBack(id string) {
	c.t.Helper()
	eventually(c.t, 60*time.Second, "the rollback is done", func() error {
		_, list := c.call("GET", "/v2/deployments", nil)
		if strings.TrimSpace(string(list)) != "[]" {
			return fmt.Errorf("running: %.1000s", list)
		}
		_, doc := c.call("GET", "/v2/apps/web", nil)
		var web struct{ App struct{ Cmd string } }
		if err := json.Unmarshal(doc, &web); err != nil {
			return err
		}
		return expect(strings.HasSuffix(web.App.Cmd, "--port $PORT0"), "the command is %s", web.App.Cmd)
	})
	if code, doc := c.call("GET", "/v2/deployments/"+id, nil); code == 200 && !strings.Contains(string(doc), "rolled back") {
		c.t.Errorf("the deployment does not say that it was rolled back: %s", doc)
	}
}

// gateSums add up what deployments say of their gates.
type gateSums struct {
	names []string
	gates map[string]*gateView
}

type gateView struct {
	Gate                         string
	Passed, TimedOut             int
	AverageMillis, LongestMillis float64
}

// add takes in a deployment that has ended; one that a killed orchestrator began is forgotten.
func (g *gateSums) add(c *cluster, id string) {
	c.t.Helper()
	code, doc := c.call("GET", "/v2/deployments/"+id, nil)
	if code == 404 {
		return
	}
	var d struct{ Gates []gateView }
	if err := json.Unmarshal(doc, &d); err != nil {
		c.t.Fatalf("deployment %s: %s: %v", id, doc, err)
	}
	if g.gates == nil {
		g.gates = map[string]*gateView{}
	}
	for _, one := range d.Gates {
		sum := g.gates[one.Gate]
		if sum == nil {
			sum = &gateView{}
			g.names, g.gates[one.Gate] = append(g.names, one.Gate), sum
		}
		sum.AverageMillis += one.AverageMillis * float64(one.Passed) // the total, until it is printed
		sum.Passed += one.Passed
		sum.TimedOut += one.TimedOut
		sum.LongestMillis = max(sum.LongestMillis, one.LongestMillis)
	}
}

func (g *gateSums) log(t *testing.T) {
	for _, name := range g.names {
		s := g.gates[name]
		t.Logf("gate %-12s passed by %4d, %d timed out, average %6.0f ms, longest %6.0f ms", name, s.Passed, s.TimedOut,
			s.AverageMillis/float64(max(s.Passed, 1)), s.LongestMillis)
	}
}
