//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// cluster is an orchestrator and an mlb with its HAProxy, on ports of their own.
type cluster struct {
	t            *testing.T
	dir          string
	driver       string
	api          string // base URL
	servicePorts int    // first of the automatic service ports
	hostPorts    int    // first of the dynamic host ports
	httpPort     int
	httpsPort    int
	statsPort    int
	appIDPort    int
	orchestrator *proc
	mlb          *proc
}

const portsEach = 200

// newCluster starts both programs with the given driver and waits until they are ready.
func newCluster(t *testing.T, driver string) *cluster {
	t.Helper()
	need(t, "haproxy")
	c := newOrchestrator(t, driver)
	c.startMLB()
	return c
}

// newOrchestrator starts an orchestrator with the given driver, nobody following it, and waits until it is ready.
func newOrchestrator(t *testing.T, driver string) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "berth") // short: unix socket paths are limited to 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(dir)
		}
	})
	// HAProxy's user has to get through to its sockets; otherwise mlb puts them below /run, where they would stay.
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	c := &cluster{
		t: t, dir: dir, driver: driver,
		servicePorts: porttest.Range(t, portsEach), hostPorts: porttest.Range(t, portsEach),
		httpPort: porttest.Free(t), httpsPort: porttest.Free(t), statsPort: porttest.Free(t), appIDPort: porttest.Free(t),
	}
	c.api = "http://127.0.0.1:" + itoa(porttest.Free(t))
	c.startOrchestrator()
	t.Cleanup(c.removeAll)
	return c
}

func (c *cluster) startOrchestrator() {
	c.t.Helper()
	c.orchestrator = start(c.t, "orchestrator",
		"--listen", strings.TrimPrefix(c.api, "http://"), "--data", filepath.Join(c.dir, "o"), "--driver", c.driver,
		"--cluster", filepath.Base(c.dir), "--agent-ip", "127.0.0.1", "--local_port_min", itoa(c.servicePorts),
		"--local_port_max", itoa(c.servicePorts+portsEach-1),
		"--dynamic-ports", fmt.Sprintf("%d-%d", c.hostPorts, c.hostPorts+portsEach-1))
	eventually(c.t, 30*time.Second, "orchestrator ready", func() error {
		code, body, err := get(c.api+"/readyz", "")
		if err != nil {
			return err
		}
		return expect(code == 200, "/readyz: %d %s", code, body)
	})
}

func (c *cluster) startMLB() {
	c.t.Helper()
	c.mlb = start(c.t, "mlb", "--marathon", c.api, "--group", "external", "--health-check",
		"--haproxy-config", filepath.Join(c.dir, "l", "haproxy.cfg"),
		"--http-port", itoa(c.httpPort), "--https-port", itoa(c.httpsPort),
		"--stats-port", itoa(c.statsPort), "--appid-port", itoa(c.appIDPort))
	eventually(c.t, 30*time.Second, "HAProxy serves", func() error {
		code, _, err := get(c.stats("/_haproxy_health_check"), "")
		if err != nil {
			return err
		}
		return expect(code == 200, "health check: %d", code)
	})
}

func (c *cluster) stats(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", c.statsPort, path)
}
func (c *cluster) front(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", c.httpPort, path)
}
func (c *cluster) port(n int) string { return fmt.Sprintf("http://127.0.0.1:%d/", n) }

// app is the JSON of an app, as a user writes it.
type app map[string]any

// hello is an app that runs berth hello as a process on the port it is given.
func hello(id string, instances int, labels map[string]string, more app) app {
	a := app{
		"id": id, "instances": instances, "cpus": 0.01, "mem": 16, "labels": labels,
		"cmd":          "exec " + bin + "/berth hello --port $PORT0",
		"healthChecks": []app{{"protocol": "HTTP", "path": "/health", "gracePeriodSeconds": 10, "intervalSeconds": 1, "timeoutSeconds": 2}},
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

// call sends a JSON request to the API and returns status and body.
func (c *cluster) call(method, path string, body any) (int, []byte) {
	c.t.Helper()
	var r io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			c.t.Fatal(err)
		}
		r = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, c.api+path, r)
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, data
}

func (c *cluster) must(method, path string, body any) []byte {
	c.t.Helper()
	code, data := c.call(method, path, body)
	if code/100 != 2 {
		c.t.Fatalf("%s %s: %d %s", method, path, code, data)
	}
	return data
}

// deploy posts apps and waits until all of their instances are healthy.
func (c *cluster) deploy(apps ...app) {
	c.t.Helper()
	for _, a := range apps {
		c.must("POST", "/v2/apps", a)
	}
	for _, a := range apps {
		c.settled(a["id"].(string), a["instances"].(int))
	}
}

type appView struct {
	ID             string
	Instances      int
	TasksRunning   int
	TasksHealthy   int
	Deployments    []any
	Tasks          []taskView
	LastFailure    *struct{ Message string } `json:"lastTaskFailure"`
	Container      *struct{ PortMappings []struct{ ServicePort int } }
	PortDefinition []struct{ Port int } `json:"portDefinitions"`
}

type taskView struct {
	ID    string
	Host  string
	Ports []int
	State string
}

func (a appView) servicePort() int {
	if a.Container != nil && len(a.Container.PortMappings) > 0 {
		return a.Container.PortMappings[0].ServicePort
	}
	if len(a.PortDefinition) > 0 {
		return a.PortDefinition[0].Port
	}
	return 0
}

func (a appView) taskIDs() map[string]bool {
	ids := map[string]bool{}
	for _, t := range a.Tasks {
		ids[t.ID] = true
	}
	return ids
}

func (c *cluster) app(id string) (appView, error) {
	c.t.Helper()
	code, data := c.call("GET", "/v2/apps"+id, nil)
	if code != 200 {
		return appView{}, fmt.Errorf("app %s: %d %s", id, code, data)
	}
	var doc struct{ App appView }
	if err := json.Unmarshal(data, &doc); err != nil {
		return appView{}, err
	}
	return doc.App, nil
}

// settled waits until exactly n tasks of the app run and are healthy and no deployment is left.
func (c *cluster) settled(id string, n int) appView {
	c.t.Helper()
	var a appView
	eventually(c.t, 60*time.Second, id+" at its target", func() (err error) {
		if a, err = c.app(id); err != nil {
			return err
		}
		why := ""
		if a.LastFailure != nil {
			why = a.LastFailure.Message
		}
		if a.Instances == n && a.TasksHealthy == n && len(a.Tasks) == n && len(a.Deployments) == 0 {
			return nil
		}
		_, queue := c.call("GET", "/v2/queue", nil)
		return fmt.Errorf("%d instances, %d tasks, %d healthy, %d deployments; last failure: %s; queue: %.1000s",
			a.Instances, len(a.Tasks), a.TasksHealthy, len(a.Deployments), why, queue)
	})
	return a
}

// removeAll deletes every app and waits until no task is left, so that nothing outlives the test.
func (c *cluster) removeAll() {
	select {
	case <-c.orchestrator.done: // the test ended with a dead orchestrator: only a living one can stop tasks
		c.startOrchestrator()
	default:
	}
	var list struct{ Apps []struct{ ID string } }
	_, data := c.call("GET", "/v2/apps", nil)
	_ = json.Unmarshal(data, &list)
	for _, a := range list.Apps {
		c.call("DELETE", "/v2/apps"+a.ID, nil)
	}
	err := waitFor(30*time.Second, func() error {
		_, data := c.call("GET", "/v2/deployments", nil) // the tasks of an app that is gone are listed no more
		return expect(strings.TrimSpace(string(data)) == "[]", "deployments left: %.500s", data)
	})
	if err != nil {
		c.t.Errorf("clean up: %v", err)
	}
}

var plain = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// get asks url with the given Host header ("" for the url's own) on a connection of its own.
func get(url, host string, headers ...string) (int, string, error) {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return 0, "", err
	}
	if host != "" {
		req.Host = host
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := plain.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// answers waits until url answers 200 with a body that contains want.
func (c *cluster) answers(url, host, want string, headers ...string) string {
	c.t.Helper()
	var body string
	eventually(c.t, 30*time.Second, url+" "+host+" answers", func() error {
		code, b, err := get(url, host, headers...)
		if err != nil {
			return err
		}
		body = b
		return expect(code == 200 && strings.Contains(b, want), "%d without %q: %.200s", code, want, b)
	})
	return body
}
