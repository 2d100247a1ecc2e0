package process

import (
	"bufio"
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

const patience = 30 * time.Second

func specOf(id string, app *api.App) driver.Spec {
	app.ID = "/app"
	return driver.Spec{TaskID: id, App: app, Host: "localhost", AgentIP: "127.0.0.1"}
}

func shellApp(cmd string) *api.App { return &api.App{Cmd: cmd} }

// start starts a task that is ended with the test.
func start(t *testing.T, d *Driver, spec driver.Spec) *task {
	t.Helper()
	if err := d.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	tk, err := d.task(spec.TaskID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background(), spec.TaskID, 0); err != nil && !errors.Is(err, errClosed) {
			t.Errorf("stop at the end: %v", err)
		}
	})
	return tk
}

func end(t *testing.T, tk *task) driver.Status {
	t.Helper()
	select {
	case <-tk.done:
		return tk.snapshot()
	case <-time.After(patience):
		t.Fatalf("task %s does not end: %+v", tk.rec.TaskID, tk.snapshot())
		return driver.Status{}
	}
}

// line waits for a line on a task's stdout that begins with prefix, and returns the rest.
func line(t *testing.T, d *Driver, id, prefix string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := d.Logs(ctx, id, driver.LogOptions{Stream: driver.Stdout, Lines: -1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := bufio.NewScanner(r)
	for s.Scan() {
		if rest, ok := strings.CutPrefix(s.Text(), prefix); ok {
			return rest
		}
	}
	t.Fatalf("no line %q on stdout: %v", prefix, s.Err())
	return ""
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func exists(pid int) bool {
	p, err := readProc(pid)
	return err == nil && !p.zombie
}
