//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// object reads the way scripts do: members that are null are taken away first, what is indexed then has to be there.
type object map[string]any

// at follows names and positions, and fails the test at the first that is missing.
func (o object) at(t *testing.T, path ...any) any {
	t.Helper()
	var v any = map[string]any(o)
	for i, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if v, ok = m[p], ok && m[p] != nil; !ok {
				t.Fatalf("no %v in %v", path[:i+1], o)
			}
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				t.Fatalf("no %v in %v", path[:i+1], o)
			}
			v = l[p]
		}
	}
	return v
}

func (o object) list(t *testing.T, path ...any) []object {
	t.Helper()
	l, ok := o.at(t, path...).([]any)
	if !ok {
		t.Fatalf("%v is no list in %v", path, o)
	}
	out := make([]object, len(l))
	for i, e := range l {
		out[i], _ = e.(map[string]any)
	}
	return out
}

// read asks for a document as a program that polls does.
func (c *cluster) read(path string) object {
	c.t.Helper()
	code, body, err := get(c.api+path, "")
	if err != nil || code != 200 {
		c.t.Fatalf("%s: %d %.300s %v", path, code, body, err)
	}
	noNulls(c.t, path, []byte(body))
	var o object
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		c.t.Fatalf("%s: %v in %.300s", path, err, body)
	}
	return o
}

// portsByApp is what a balancer makes of the list of apps: for each of its apps the service port and the tasks behind it.
func (c *cluster) portsByApp(group string) map[string]map[int][]string {
	c.t.Helper()
	t := c.t
	out := map[string]map[int][]string{}
	for _, a := range c.read("/v2/apps?embed=apps.tasks").list(t, "apps") {
		id := a.at(t, "id").(string)
		labels := a.at(t, "labels").(map[string]any) // indexed without asking whether it is there
		if labels["HAPROXY_GROUP"] != group {
			continue
		}
		a.at(t, "instances")
		a.at(t, "deployments")
		a.at(t, "versionInfo", "lastScalingAt")
		mode := a.at(t, "networks", 0, "mode").(string)
		if mode != "host" {
			t.Fatalf("%s: mode %s", id, mode)
		}
		port := int(a.at(t, "portDefinitions", 0, "port").(float64))
		checks, _ := a["healthChecks"].([]any)
		out[id] = map[int][]string{port: {}}
		for _, task := range a.list(t, "tasks") {
			task.at(t, "ipAddresses")
			if task.at(t, "state") != "TASK_RUNNING" || !allAlive(task, len(checks)) {
				continue
			}
			host := task.at(t, "host").(string)
			if _, err := net.LookupHost(host); err != nil {
				t.Errorf("%s: host %s does not resolve: %v", id, host, err)
			}
			out[id][port] = append(out[id][port], fmt.Sprintf("%s:%v", host, task.at(t, "ports", 0)))
		}
		slices.Sort(out[id][port])
	}
	return out
}

func allAlive(task object, checks int) bool {
	results, _ := task["healthCheckResults"].([]any)
	if len(results) < checks {
		return false
	}
	for _, r := range results {
		if m, _ := r.(map[string]any); m["alive"] != true {
			return false
		}
	}
	return true
}

// TestMarathonLBReads follows the events as marathon_lb.py does, and reads all apps again whenever one tells of a change:
// what the event tells of must be there by then.
func TestMarathonLBReads(t *testing.T) {
	c := newOrchestrator(t, "process")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", c.api+"/v2/events?plan-format=light", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if enc := resp.Header.Get("Content-Encoding"); enc != "" {
		t.Errorf("the stream is compressed: %s", enc)
	}
	c.must("POST", "/v2/apps", hello("/lb/web", 2, external(), nil))
	c.must("POST", "/v2/apps", hello("/lb/other", 1, map[string]string{"HAPROXY_GROUP": "internal"}, nil))
	c.must("POST", "/v2/apps", app{"id": "/lb/none", "cmd": "exec sleep 1000", "cpus": 0.01, "mem": 16}) // no labels at all
	lines := bufio.NewReader(resp.Body)
	acted := map[string]bool{"api_post_event": true, "health_status_changed_event": true, "status_update_event": true}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if len(line) < 6 || line[:6] != "data: " {
			continue
		}
		var e object
		if err := json.Unmarshal([]byte(line[6:]), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		if !acted[e.at(t, "eventType").(string)] {
			continue
		}
		c.stateOf(e)
		if now := c.portsByApp("external"); len(now) == 1 && len(now["/lb/web"]) == 1 {
			for _, tasks := range now["/lb/web"] {
				if len(tasks) == 2 {
					return
				}
			}
		}
	}
	t.Fatalf("never two tasks: %v", c.portsByApp("external"))
}

// stateOf holds that the state an event tells of is there when the event is.
func (c *cluster) stateOf(e object) {
	c.t.Helper()
	t := c.t
	switch e["eventType"] {
	case "api_post_event":
		id, version := e.at(t, "appDefinition", "id").(string), e.at(t, "appDefinition", "version").(string)
		if now := c.read("/v2/apps"+id).at(t, "app", "version").(string); now < version {
			t.Errorf("event of %s in version %s, read %s", id, version, now)
		}
	case "status_update_event":
		if e.at(t, "taskStatus") != "TASK_RUNNING" {
			return
		}
		for _, task := range c.read("/v2/apps"+e.at(t, "appId").(string)).list(t, "app", "tasks") {
			if task["id"] == e["taskId"] && task["state"] == "TASK_STAGING" {
				t.Errorf("event says that %v runs, the list that it is staging", e["taskId"])
			}
		}
	}
}

// TestPrometheusReads finds its targets as Prometheus' discovery does; note its slash before the question mark. Each has
// to answer.
func TestPrometheusReads(t *testing.T) {
	c := newOrchestrator(t, "process")
	c.deploy(hello("/prom/web", 2, map[string]string{"metrics": "yes"}, app{
		"portDefinitions": []app{{"port": 0, "name": "http", "labels": app{"scrape": "true"}}},
	}))
	targets := 0
	for _, a := range c.read("/v2/apps/?embed=apps.tasks").list(t, "apps") {
		if a.at(t, "labels", "metrics") != "yes" || a.at(t, "portDefinitions", 0, "labels", "scrape") != "true" {
			t.Errorf("labels of %v", a)
		}
		for _, task := range a.list(t, "tasks") {
			task.at(t, "id")
			for _, port := range task.at(t, "ports").([]any) {
				url := fmt.Sprintf("http://%s/health", net.JoinHostPort(task.at(t, "host").(string), fmt.Sprint(port)))
				code, body, err := get(url, "")
				if err != nil || code != 200 {
					t.Errorf("%s: %d %.200s %v", url, code, body, err)
				}
				targets++
			}
		}
	}
	if targets != 2 {
		t.Errorf("%d targets, want 2", targets)
	}
	code, text, err := get(c.api+"/metrics/prometheus", "")
	if err != nil || code != 200 || !strings.Contains(text, "\nberth_apps 1\n") {
		t.Errorf("metrics: %d %.300s %v", code, text, err)
	}
}

// TestZDDReads makes the calls of zdd.py that are about the API alone; the swap through a balancer is TestZDD's.
func TestZDDReads(t *testing.T) {
	c := newOrchestrator(t, "process")
	port := c.servicePorts + portsEach - 1
	colour := func(name string, n int) app {
		return hello("/zdd-"+name, n, external("HAPROXY_DEPLOYMENT_GROUP", "zdd", "HAPROXY_DEPLOYMENT_COLOUR", name,
			"HAPROXY_APP_ID", "zdd", "HAPROXY_0_PORT", itoa(port)), app{"portDefinitions": []app{{"port": port}}})
	}
	c.deploy(colour("blue", 2))
	c.must("POST", "/v2/apps", colour("green", 1)) // the same service port in both
	c.settled("/zdd-green", 1)
	var ids []string
	for _, a := range c.read("/v2/apps").list(t, "apps") {
		a.at(t, "labels", "HAPROXY_DEPLOYMENT_GROUP")
		a.at(t, "deployments")
		if p := a.at(t, "portDefinitions", 0, "port").(float64); int(p) != port {
			t.Errorf("%v: service port %v, want %d", a["id"], p, port)
		}
	}
	for _, task := range c.read("/v2/apps/zdd-blue").list(t, "app", "tasks") {
		task.at(t, "ports", 0)
		task.at(t, "host")
		ids = append(ids, task.at(t, "id").(string))
	}
	var result struct{ Version, DeploymentID string }
	if err := json.Unmarshal(c.must("POST", "/v2/tasks/delete?scale=true", app{"ids": ids[:1]}), &result); err != nil || result.DeploymentID == "" {
		t.Errorf("kill and scale: %+v, %v", result, err)
	}
	c.settled("/zdd-blue", 1)
	c.must("PUT", "/v2/apps/zdd-green", app{"instances": 2})
	c.must("DELETE", "/v2/apps/zdd-blue", nil)
	c.settled("/zdd-green", 2)
}

// TestOldScriptsRead has the text form of the tasks, cut by tabs as shell scripts do, and the plain answers.
func TestOldScriptsRead(t *testing.T) {
	c := newOrchestrator(t, "process")
	a := hello("/old/web", 2, nil, nil)
	delete(a, "labels")
	c.deploy(a)
	c.must("POST", "/v2/apps", app{"id": "/old/mute", "cmd": "exec sleep 1000", "cpus": 0.01, "mem": 16, "portDefinitions": []app{}})
	eventually(t, 30*time.Second, "/old/mute runs", func() error {
		v, err := c.app("/old/mute")
		if err != nil {
			return err
		}
		return expect(v.TasksRunning == 1, "%d run", v.TasksRunning)
	})
	service := c.settled("/old/web", 2).servicePort()
	for path, lines := range map[string]int{"/v2/tasks": 2, "/v2/apps/old/web/tasks": 1} {
		code, text, err := get(c.api+path, "", "Accept", "text/plain")
		if err != nil || code != 200 {
			t.Fatalf("%s: %d %v", path, code, err)
		}
		got := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(got) != lines {
			t.Fatalf("%s: %q, want %d lines", path, text, lines)
		}
		cells := strings.Split(got[lines-1], "\t") // sorted by id: mute, web
		if len(cells) != 5 || cells[0] != "old_web" || cells[1] != itoa(service) || cells[4] != "" || !strings.HasPrefix(cells[2], "127.0.0.1:") {
			t.Errorf("%s: cells %q", path, cells)
		}
		if lines == 2 && got[0] != "old_mute\t \t127.0.0.1\t" {
			t.Errorf("an app without ports: %q", got[0])
		}
	}
	if _, body, err := get(c.api+"/ping", ""); err != nil || body != "pong" {
		t.Errorf("ping: %q, %v", body, err)
	}
	// curl without a type sends a form; that is refused, and says so in JSON.
	resp, err := http.Post(c.api+"/v2/apps", "application/x-www-form-urlencoded", strings.NewReader(`{"id":"/x","cmd":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 415 || !strings.Contains(string(body), `"message"`) {
		t.Errorf("a form: %d %s %v", resp.StatusCode, body, err)
	}
}

// TestMesosDNSReads makes the names that the original Mesos-DNS would make of what it reads, and asks where they lead.
func TestMesosDNSReads(t *testing.T) {
	c := newOrchestrator(t, "process")
	c.deploy(hello("/prod/web", 2, nil, app{"portDefinitions": []app{{"port": 0, "name": "http"}}, "labels": app{"a": "b"}}))
	state := c.read("/master/state")
	if leader := state.at(t, "leader").(string); leader != "master@"+strings.TrimPrefix(c.api, "http://") {
		t.Errorf("leader %s", leader)
	}
	agents := map[string]string{} // by id, the host of its process
	for _, s := range state.list(t, "slaves") {
		name, address, ok := strings.Cut(s.at(t, "pid").(string), "@")
		host, _, err := net.SplitHostPort(address)
		if !ok || name != "slave(1)" || err != nil {
			t.Fatalf("pid of %v: %v", s, err)
		}
		s.at(t, "hostname")
		agents[s.at(t, "id").(string)] = host
	}
	found := 0
	for _, f := range state.list(t, "frameworks") {
		if f.at(t, "name") != "marathon" || f.at(t, "active") != true {
			t.Errorf("framework %v", f)
		}
		for _, task := range f.list(t, "tasks") {
			host := agents[task.at(t, "slave_id").(string)]
			if task.at(t, "name") != "web.prod" || task.at(t, "state") != "TASK_RUNNING" || host == "" {
				t.Errorf("task %v on %q", task, host)
			}
			ip := task.at(t, "statuses", 0, "container_status", "network_infos", 0, "ip_addresses", 0, "ip_address").(string)
			port := task.at(t, "discovery", "ports", "ports", 0)
			if p := object(port.(map[string]any)); p.at(t, "protocol") != "tcp" || p.at(t, "name") != "http" {
				t.Errorf("port %v", p)
			}
			number := fmt.Sprint(object(port.(map[string]any)).at(t, "number"))
			if task.at(t, "resources", "ports") != "["+number+"-"+number+"]" {
				t.Errorf("resources of %v", task)
			}
			url := "http://" + net.JoinHostPort(ip, number) + "/health"
			if code, body, err := get(url, ""); err != nil || code != 200 {
				t.Errorf("%s: %d %.200s %v", url, code, body, err)
			}
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d tasks, want 2", found)
	}
}
