package mlbd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/porttest"
)

const explained = `{"apps": [
  {"id": "/web", "instances": 2, "labels": {"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": "web.test"},
   "portDefinitions": [{"port": 10001}], "healthChecks": [{"protocol": "HTTP"}],
   "tasks": [{"id": "web.1", "host": "10.0.0.1", "ports": [31001], "state": "TASK_RUNNING", "healthCheckResults": [{"alive": true}]},
             {"id": "web.2", "host": "10.0.0.1", "ports": [31002], "state": "TASK_RUNNING", "healthCheckResults": [{"alive": false}]},
             {"id": "web.3", "host": "10.0.0.1", "ports": [31003], "state": "TASK_STAGING"}]},
  {"id": "/api", "labels": {"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": "web.test", "HAPROXY_0_PATH": "/api"},
   "portDefinitions": [{"port": 10002}],
   "tasks": [{"id": "api.1", "host": "10.0.0.1", "ports": [31004], "state": "TASK_RUNNING"}]}
]}`

// runExplain runs "mlb explain".
func runExplain(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := Command()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{"explain"}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestExplainOffline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "apps.json")
	if err := os.WriteFile(file, []byte(explained), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := runExplain(t, "--apps", file, "--group", "external", "--health-check", "--url", "http://web.test/home")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"rule      host web.test (domain2backend.map)", "backend   web_10001", "10.0.0.1:31001 task web.1: requests",
		"task web.2: nothing: it fails its health check", "task web.3: nothing: its state is TASK_STAGING",
		"not       api_10002 (/api, web.test/api): its path does not match",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	out, err = runExplain(t, "--apps", file, "--group", "external", "--url", "http://x/", "--header", "Host=web.test", "-o", "json")
	var a struct{ Backend string }
	if err != nil || json.Unmarshal([]byte(out), &a) != nil || a.Backend != "web_10001" {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := runExplain(t, "--apps", file, "--group", "external", "--url", "nonsense://"); err == nil {
		t.Errorf("a wrong URL gives\n%s", out)
	}
}

func TestExplainAsksTheRunningOne(t *testing.T) {
	l := newLab(t)
	port := porttest.Free(t)
	l.cluster.SetApp(app("/web", port, map[string]string{"HAPROXY_0_VHOST": "web.test"}, l.task("one")))
	l.up()
	out, err := runExplain(t, "--stats-port", fmt.Sprint(l.c.StatsPort), "--url", fmt.Sprintf("http://web.test:%d/", l.c.HTTPPort))
	if err != nil || !strings.Contains(out, fmt.Sprintf("backend   web_%d\n", port)) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := Ask(t.Context(), fmt.Sprintf("http://127.0.0.1:%d", l.c.StatsPort), Question{URL: "http://a b"}); err == nil {
		t.Error("a wrong URL is taken")
	}
}
