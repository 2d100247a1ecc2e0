package orchestratord

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/orchestrator/execstream"
	"berth/orchestrator/httpapi"
)

// execWorld is a daemon, over TLS and with credentials, with a process that runs.
type execWorld struct {
	t    *testing.T
	c    Config
	cli  *client.Client
	task string
	end  func()
}

func newExecWorld(t *testing.T) *execWorld {
	t.Helper()
	ca := newAuthority(t)
	dir := t.TempDir()
	w := &execWorld{t: t, c: testConfig(t)}
	w.c.Driver, w.c.DrainSeconds = DriverProcess, 0
	w.c.TLSCert, w.c.TLSKey = filepath.Join(dir, "api.pem"), filepath.Join(dir, "api.key")
	w.c.AuditLog = filepath.Join(dir, "audit.log")
	w.c.Credentials = []string{"ann:secret"}
	ca.issue("api", w.c.TLSCert, w.c.TLSKey)
	urls, end := daemonOf(t, w.c, t.Output())
	url := <-urls
	w.end = end
	w.cli = newClient(t, client.Options{URLs: []string{url}, CAFile: ca.file, User: "ann", Password: "secret"})
	doc := `{"id":"/shell","cmd":"exec sleep 600","cpus":0.01,"mem":16,"portDefinitions":[]}`
	if _, err := w.cli.CreateApp(t.Context(), []byte(doc), client.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	wait(t, "a running task", func() bool {
		tasks, err := w.cli.Tasks(t.Context(), "/shell")
		if err != nil || len(tasks) != 1 || tasks[0].State != api.TaskRunning {
			return false
		}
		w.task = tasks[0].ID
		return true
	})
	t.Cleanup(func() { w.stopTask() })
	return w
}

// stopTask ends what the daemon's end leaves running.
func (w *execWorld) stopTask() {
	w.end()
	if err := StopTasks(context.Background(), w.c, nil); err != nil {
		w.t.Errorf("stop the tasks: %v", err)
	}
}

func (w *execWorld) records() []httpapi.AuditRecord {
	w.t.Helper()
	data, err := os.ReadFile(w.c.AuditLog)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []httpapi.AuditRecord
	for line := range strings.Lines(string(data)) {
		var r httpapi.AuditRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestExecOverTheAPI(t *testing.T) {
	w := newExecWorld(t)
	for _, tc := range []struct {
		rule           string
		command        []string
		stdin          string
		tty            bool
		stdout, stderr string
		code           int
	}{
		{"output and code", []string{"sh", "-c", "echo out; echo err >&2; exit 7"}, "", false, "out\n", "err\n", 7},
		{"arguments stay as they are", []string{"printf", "%s|", "a b", "", "ü&=?"}, "", false, "a b||ü&=?|", "", 0},
		{"stdin until its end", []string{"wc", "-c"}, strings.Repeat("x", 1_000_000), false, "1000000\n", "", 0},
		{"without stdin there is nothing to read", []string{"cat"}, "", false, "", "", 0},
		{"a terminal", []string{"sh", "-c", "stty size; test -t 1"}, "", true, "24 80\r\n", "", 0},
		{"an end by a signal", []string{"sh", "-c", "kill -9 $$"}, "", false, "", "", 137},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			var out, errs bytes.Buffer
			opt := client.ExecOptions{Command: tc.command, Stdout: &out, Stderr: &errs, TTY: tc.tty, Width: 80, Height: 24}
			if tc.stdin != "" {
				opt.Stdin = strings.NewReader(tc.stdin)
			}
			code, err := w.cli.Exec(t.Context(), w.task, opt)
			if err != nil || code != tc.code || out.String() != tc.stdout || errs.String() != tc.stderr {
				t.Errorf("code %d, error %v, stdout %q, stderr %q", code, err, out.String(), errs.String())
			}
		})
	}
	_, err := w.cli.Exec(t.Context(), w.task, client.ExecOptions{Command: []string{"nosuch"}, Stdout: io.Discard, Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), `"nosuch" not found`) {
		t.Errorf("a command that is not there: %v", err)
	}
	_, err = w.cli.Exec(t.Context(), "shell.nobody", client.ExecOptions{Command: []string{"true"}, Stdout: io.Discard, Stderr: io.Discard})
	if api.CodeOf(err) != api.CodeNotFound {
		t.Errorf("an unknown task: %v", err)
	}
	begins, ends := 0, 0
	wait(t, "the audit records", func() bool {
		begins, ends = 0, 0
		for _, r := range w.records() {
			if r.Route != "/v2/tasks/{task}/exec" || r.User != "ann" || r.Status != http.StatusSwitchingProtocols {
				continue
			}
			if r.Detail == "begins" {
				begins++
			} else if strings.HasPrefix(r.Detail, "exit code ") {
				ends++
			}
		}
		return begins == 6 && ends == 6
	})
}

func TestATerminalOverTheAPIIsResized(t *testing.T) {
	w := newExecWorld(t)
	sizes := make(chan execstream.Size, 1)
	out, shown := io.Pipe()
	result := make(chan error, 1)
	const script = `stty size; n=0; until [ "$(stty size)" = "50 132" ] || [ $n = 400 ]; do n=$((n+1)); sleep 0.05; done; stty size`
	go func() {
		_, err := w.cli.Exec(t.Context(), w.task, client.ExecOptions{
			Command: []string{"sh", "-c", script}, Stdout: shown, Stderr: shown, TTY: true, Width: 80, Height: 24, Resize: sizes,
		})
		shown.Close()
		result <- err
	}()
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "24 80" {
		t.Fatalf("%q, %v", lines.Text(), lines.Err())
	}
	sizes <- execstream.Size{Width: 132, Height: 50}
	if !lines.Scan() || lines.Text() != "50 132" {
		t.Errorf("%q, %v", lines.Text(), lines.Err())
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// TestAClientThatLeavesTakesItsCommandWithIt, and so does the daemon's end.
func TestAClientThatLeavesTakesItsCommandWithIt(t *testing.T) {
	w := newExecWorld(t)
	for _, how := range []string{"client", "daemon"} {
		ctx, leave := context.WithCancel(t.Context())
		out, shown := io.Pipe()
		result := make(chan error, 1)
		go func() {
			_, err := w.cli.Exec(ctx, w.task, client.ExecOptions{
				Command: []string{"sh", "-c", "echo $$; trap '' HUP TERM; while :; do sleep 1; done"}, Stdout: shown, Stderr: shown,
			})
			result <- err
		}()
		buf := make([]byte, 100)
		n, err := out.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
		if err != nil {
			t.Fatal(err)
		}
		if how == "client" {
			leave()
		} else {
			w.end()
		}
		if err := <-result; err == nil {
			t.Errorf("%s: the command ended in order", how)
		}
		wait(t, "the end of the command", func() bool { return syscall.Kill(pid, 0) != nil })
		leave()
	}
}
