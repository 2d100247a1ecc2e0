package orchestratord

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/cmd/internal/cli"
	"berth/orchestrator"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// daemonOf runs a real daemon and returns its URL, once the API serves, and how to end it.
func daemonOf(t *testing.T, c Config, log io.Writer) (url <-chan string, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	urls, result := make(chan string, 1), make(chan error, 1)
	opt := Options{Log: slog.New(slog.NewTextHandler(log, nil)), AwaitRepair: true, Started: func(url string) { urls <- url }}
	go func() { result <- Run(ctx, c, opt) }()
	ended := false
	end = func() {
		cancel()
		if !ended {
			ended = true
			if err := <-result; err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	}
	t.Cleanup(end)
	return urls, end
}

func apps(t *testing.T, url string) string {
	t.Helper()
	var ids []string
	var got struct{ Apps []api.AppInfo }
	decode(t, request(t, "GET", url+"/v2/apps", ""), &got)
	for _, a := range got.Apps {
		ids = append(ids, a.ID)
	}
	return strings.Join(ids, " ")
}

// TestBackupDamageRestore goes the whole way: back up while running, lose the state, be told so instead of ending, restore,
// and go on with the same tasks.
func TestBackupDamageRestore(t *testing.T) {
	c := testConfig(t)
	c.Driver, c.DrainSeconds = DriverProcess, 0
	urls, end := daemonOf(t, c, t.Output())
	url := <-urls
	request(t, "POST", url+"/v2/apps", `{"id":"/kept","cmd":"exec sleep 600","cpus":0.01,"mem":16,"portDefinitions":[]}`)
	var got struct{ App api.AppInfo }
	wait(t, "a running task", func() bool {
		decode(t, request(t, "GET", url+"/v2/apps/kept", ""), &got)
		return *got.App.TasksRunning == 1
	})
	task := got.App.Tasks[0].ID

	backup := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(backup)
	if err != nil {
		t.Fatal(err)
	}
	b, err := newClient(t, client.Options{URLs: []string{url}}).Backup(t.Context(), f)
	if err != nil || b.Size == 0 || b.Index == 0 {
		t.Fatalf("backup: %+v, %v", b, err)
	}
	f.Close()
	request(t, "POST", url+"/v2/apps", `{"id":"/later","cmd":"exec sleep 600","instances":0,"portDefinitions":[]}`)
	end()

	// The disk loses the state.
	state := filepath.Join(c.Data, orchestrator.StateFile)
	if err := os.WriteFile(state, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Listen = strings.TrimPrefix(url, "http://")
	var log safeBuffer
	urls, end = daemonOf(t, c, io.MultiWriter(&log, t.Output()))
	wait(t, "an answer that says what is the matter", func() bool {
		resp, err := http.Get(url + "/v2/apps")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var body struct{ Message string }
		return resp.StatusCode == http.StatusServiceUnavailable && json.NewDecoder(resp.Body).Decode(&body) == nil &&
			body.Message == repairState
	})
	if got := string(request(t, "GET", url+"/healthz", "")); !strings.HasPrefix(got, "alive") {
		t.Errorf("healthz: %s", got)
	}
	for _, part := range []string{state, "orchestrator restore"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log does not name %s: %s", part, log.String())
		}
	}

	var out bytes.Buffer
	if code := cli.Run(Command(), []string{"restore", "--check", backup}, &out, &out); code != 0 ||
		!strings.Contains(out.String(), "1 apps, 1 tasks") {
		t.Fatalf("check: exit code %d: %s", code, out.String())
	}
	out.Reset()
	if code := cli.Run(Command(), []string{"restore", "--data", c.Data, backup}, &out, &out); code != 0 ||
		!strings.Contains(out.String(), state+".before-") {
		t.Fatalf("restore: exit code %d: %s", code, out.String())
	}
	if again := <-urls; again != url {
		t.Errorf("it listens at %s, formerly at %s", again, url)
	}
	if got := apps(t, url); got != "/kept" {
		t.Errorf("apps after the restore: %s", got)
	}
	wait(t, "the task of before", func() bool {
		decode(t, request(t, "GET", url+"/v2/apps/kept", ""), &got)
		return *got.App.TasksRunning == 1 && len(got.App.Tasks) == 1 && got.App.Tasks[0].ID == task
	})
	if code := cli.Run(Command(), []string{"restore", "--data", c.Data, backup}, &out, &out); code != cli.ExitFailed ||
		!strings.Contains(out.String(), "stop it first") {
		t.Errorf("restore under a running daemon: exit code %d: %s", code, out.String())
	}
	request(t, "DELETE", url+"/v2/apps/kept", "")
	wait(t, "no task", func() bool {
		var tasks struct{ Tasks []api.Task }
		decode(t, request(t, "GET", url+"/v2/tasks", ""), &tasks)
		return len(tasks.Tasks) == 0
	})
	end()
}

func TestWithoutAwaitRepairDamageIsAnError(t *testing.T) {
	c := testConfig(t)
	c.Driver = DriverProcess
	if err := os.WriteFile(filepath.Join(c.Data, orchestrator.StateFile), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("error: %v", err)
	}
}

func TestAWaitForRepairEndsInOrder(t *testing.T) {
	c := testConfig(t)
	c.Driver = DriverProcess
	if err := os.WriteFile(filepath.Join(c.Data, orchestrator.StateFile), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log safeBuffer
	_, end := daemonOf(t, c, &log)
	wait(t, "the wait", func() bool { return strings.Contains(log.String(), "waiting for the file") })
	end()
}

func TestTheClusterComesWithTheBackup(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	var out bytes.Buffer
	if err := restoreCluster(&out, dir, "berth-1"); err != nil {
		t.Fatal(err)
	}
	c, err := Config{Data: dir}.named()
	if err != nil || c.Cluster != "berth-1" {
		t.Errorf("cluster %q, %v", c.Cluster, err)
	}
	if err := os.WriteFile(filepath.Join(other, clusterFile), []byte("berth-2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := restoreCluster(&out, other, "berth-1"); err != nil || !strings.Contains(out.String(), "are not taken over") {
		t.Errorf("%v: %s", err, out.String())
	}
	if c, err := (Config{Data: other}).named(); err != nil || c.Cluster != "berth-2" {
		t.Errorf("cluster %q, %v", c.Cluster, err)
	}
}

func TestRestoreSaysWhatItNeeds(t *testing.T) {
	for _, args := range [][]string{{"restore"}, {"restore", "a", "b"}} {
		var out bytes.Buffer
		if code := cli.Run(Command(), args, &out, &out); code != cli.ExitUsage {
			t.Errorf("%v: exit code %d: %s", args, code, out.String())
		}
	}
}
