package orchestratord

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/api"
)

// TestDaemonRunsAnApp goes the whole way once, with real state and real processes: deploy, run, read its output, end.
func TestDaemonRunsAnApp(t *testing.T) {
	c := testConfig(t)
	c.Driver, c.Cluster = DriverProcess, "test-"+strings.ToLower(t.Name())
	c.DrainSeconds = 0
	ctx, cancel := context.WithCancel(context.Background())
	urls, result := make(chan string, 1), make(chan error, 1)
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	go func() { result <- Run(ctx, c, Options{Log: log, Started: func(url string) { urls <- url }}) }()
	defer func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("stop: %v", err)
		}
	}()
	var url string
	select {
	case url = <-urls:
	case err := <-result:
		result <- nil
		t.Fatalf("start: %v", err)
	}
	request(t, "POST", url+"/v2/apps", `{"id":"/hello","cmd":"echo hello; exec sleep 60","cpus":0.01,"mem":16,
		"portDefinitions":[]}`)
	var got struct{ App api.AppInfo }
	wait(t, "a running task", func() bool {
		decode(t, request(t, "GET", url+"/v2/apps/hello", ""), &got)
		return *got.App.TasksRunning == 1
	})
	task := got.App.Tasks[0]
	wait(t, "the task's output", func() bool {
		return string(request(t, "GET", url+"/v2/tasks/"+task.ID+"/logs", "")) == "hello\n"
	})
	request(t, "DELETE", url+"/v2/apps/hello", "")
	wait(t, "no deployment and no task", func() bool {
		var list []api.Deployment
		var tasks struct{ Tasks []api.Task }
		decode(t, request(t, "GET", url+"/v2/deployments", ""), &list)
		decode(t, request(t, "GET", url+"/v2/tasks", ""), &tasks)
		return len(list) == 0 && len(tasks.Tasks) == 0
	})
}

func request(t *testing.T, method, url, body string) []byte {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr, Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, url, resp.Status, data, err)
	}
	return data
}

func decode(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(v); err != nil {
		t.Fatal(fmt.Errorf("%w in %s", err, data))
	}
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
