package process

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/api"
)

func TestFailuresAreSaidInWords(t *testing.T) {
	d := open(t, t.TempDir())
	for name, c := range map[string]struct {
		app  *api.App
		want string
	}{
		"shell: unknown command": {shellApp("no-such-command"), "exit code 127: command not found; stderr ends with:\n"},
		"shell: not executable":  {shellApp("/etc/passwd"), "exit code 126: the command cannot be executed"},
		"shell: last ten lines": {
			shellApp("seq 20 >&2; exit 9"), "exit code 9; stderr ends with:\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20",
		},
		"shell: killed by signal": {shellApp("kill -SEGV $$"), "exit code 139 (SIGSEGV)"},
	} {
		t.Run(name, func(t *testing.T) {
			st := end(t, start(t, d, specOf(strings.ReplaceAll(name, " ", "-"), c.app)))
			if st.State != api.TaskFailed || !strings.HasPrefix(st.Message, c.want) {
				t.Errorf("%s %q, want %q", st.State, st.Message, c.want)
			}
		})
	}
}

func TestWhatCannotStartIsRefused(t *testing.T) {
	d := open(t, t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for name, c := range map[string]struct {
		app   *api.App
		ports []int
		want  string
	}{
		"nothing to run":  {&api.App{}, nil, "neither cmd nor args"},
		"unknown program": {&api.App{Args: []string{"no-such"}}, nil, `command "no-such" not found in PATH`},
		"not executable":  {&api.App{Args: []string{"/etc/passwd"}}, nil, "permission denied"},
		"unknown user":    {&api.App{Cmd: "true", User: "no-such-user"}, nil, `run as user "no-such-user": no such user`},
		"fetch of nothing": {
			&api.App{Cmd: "true", Fetch: []api.Fetch{{URI: "file:///no/such"}}}, nil, "fetch file:///no/such",
		},
		"stranger has port": {
			&api.App{Cmd: "true", PortDefinitions: make([]api.PortDefinition, 1)}, []int{port}, fmt.Sprintf("port %d is bound by another process on this host", port),
		},
		"too few ports": {
			&api.App{Cmd: "true", PortDefinitions: make([]api.PortDefinition, 2)}, []int{1}, "asks for 2 host ports, 1 were chosen",
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := specOf("x.1", c.app)
			spec.Ports = c.ports
			if err := d.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("start: %v, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(d.root); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestAnArgumentIsNeverABuiltin(t *testing.T) {
	d := open(t, t.TempDir())
	st := end(t, start(t, d, specOf("x.1", &api.App{Args: []string{"sh", "-c", `test "$0" = "$(command -v sh)" || exit 4; exit 6`}})))
	if st.ExitCode != 4 && st.ExitCode != 6 {
		t.Errorf("exit code %d", st.ExitCode)
	}
	if err := d.Start(t.Context(), specOf("x.2", &api.App{Args: []string{"exit", "0"}})); err == nil {
		t.Error("the shell's exit was taken for a program")
	}
}

func TestTheSandboxIsTheWorkingDirectory(t *testing.T) {
	d := open(t, t.TempDir())
	tk := start(t, d, specOf("x.1", shellApp(`echo "pwd $(pwd)"; echo "box $MESOS_SANDBOX"; echo "path $PATH"; sleep 60`)))
	if got := line(t, d, "x.1", "pwd "); got != tk.work() {
		t.Errorf("working directory %s", got)
	}
	if got := line(t, d, "x.1", "box "); got != tk.work() {
		t.Errorf("MESOS_SANDBOX %s", got)
	}
	if got := line(t, d, "x.1", "path "); got != defaultPath {
		t.Errorf("PATH %s", got)
	}
}

func TestATaskRunsAsItsUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	// The user must be able to reach the directory; t.TempDir is private to root.
	data, err := os.MkdirTemp("", "berth-user-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(data)
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	d := open(t, data)
	app := shellApp("echo user $(id -un); touch file && echo fetched $(cat data); echo x >> /dev/stdout; exec sleep 100")
	src := filepath.Join(data, "data")
	if err := os.WriteFile(src, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	app.User, app.Fetch = "nobody", []api.Fetch{{URI: "file://" + src}}
	tk := start(t, d, specOf("x.1", app))
	if got := line(t, d, "x.1", "user "); got != "nobody" {
		t.Errorf("user %s", got)
	}
	if got := line(t, d, "x.1", "fetched "); got != "content" {
		t.Errorf("fetched %s", got)
	}
	line(t, d, "x.1", "x")
	if res, err := d.Exec(t.Context(), "x.1", "id -un"); err != nil || string(res.Output) != "nobody\n" {
		t.Errorf("exec: %+v, %v", res, err)
	}
	if err := d.Stop(t.Context(), "x.1", time.Second); err != nil || tk.snapshot().ExitCode != 143 {
		t.Errorf("stop: %v, %+v", err, tk.snapshot())
	}
}
