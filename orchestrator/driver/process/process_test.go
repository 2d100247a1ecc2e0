package process

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
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

func TestFailuresAreSaidInWords(t *testing.T) {
	d := open(t, t.TempDir())
	for name, c := range map[string]struct {
		app  *api.App
		want string
	}{
		"shell: unknown command":  {shellApp("no-such-command"), "exit code 127: command not found; stderr ends with:\n"},
		"shell: not executable":   {shellApp("/etc/passwd"), "exit code 126: the command cannot be executed"},
		"shell: last ten lines":   {shellApp("seq 20 >&2; exit 9"), "exit code 9; stderr ends with:\n11\n12\n13\n14\n15\n16\n17\n18\n19\n20"},
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
		"nothing to run":    {&api.App{}, nil, "neither cmd nor args"},
		"unknown program":   {&api.App{Args: []string{"no-such"}}, nil, `command "no-such" not found in PATH`},
		"not executable":    {&api.App{Args: []string{"/etc/passwd"}}, nil, "permission denied"},
		"unknown user":      {&api.App{Cmd: "true", User: "no-such-user"}, nil, `run as user "no-such-user": no such user`},
		"fetch of nothing":  {&api.App{Cmd: "true", Fetch: []api.Fetch{{URI: "file:///no/such"}}}, nil, "fetch file:///no/such"},
		"stranger has port": {&api.App{Cmd: "true", PortDefinitions: make([]api.PortDefinition, 1)}, []int{port}, fmt.Sprintf("port %d is bound by another process on this host", port)},
		"too few ports":     {&api.App{Cmd: "true", PortDefinitions: make([]api.PortDefinition, 2)}, []int{1}, "asks for 2 host ports, 1 were chosen"},
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

func TestAShellThatEndsFirstDoesNotCutTheGraceShort(t *testing.T) {
	d := open(t, t.TempDir())
	p := program.Program{Run: true, Stdout: "up", Drain: 300 * time.Millisecond}
	tk := start(t, d, specOf("x.1", shellApp(testTask+" "+strings.Join(quoteAll(p.Args()), " ")+"; true")))
	line(t, d, "x.1", "up")
	if err := d.Stop(t.Context(), "x.1", 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if st := end(t, tk); st.State != api.TaskKilled {
		t.Errorf("%+v", st)
	}
	line(t, d, "x.1", "drained")
}

func quoteAll(args []string) []string {
	var out []string
	for _, a := range args {
		out = append(out, "'"+a+"'")
	}
	return out
}

func TestStraysAreFoundByAnyOneMark(t *testing.T) {
	for name, c := range map[string]struct {
		bare   bool
		cgroup func() string
	}{
		"environment alone": {false, func() string { return "" }},
		"cgroup alone":      {true, ownCgroup},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, t.TempDir())
			d.cgroup = c.cgroup
			tk := start(t, d, specOf("x.1", appOf(program.Program{Run: true, Stray: true, Bare: c.bare})))
			if c.bare && tk.rec.Cgroup == "" {
				t.Skip("this host has no cgroup hierarchy that may be written to")
			}
			pid := number(t, line(t, d, "x.1", "stray "))
			if !exists(pid) {
				t.Fatal("the stray is not there")
			}
			if err := d.Stop(t.Context(), "x.1", 100*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if exists(pid) {
				t.Errorf("process %d outlived its task", pid)
			}
			if _, err := os.Stat(tk.rec.Cgroup); tk.rec.Cgroup != "" && err == nil {
				t.Error("the cgroup is left")
			}
		})
	}
}

func TestAKilledWrapperIsAFailureAndTakesTheTaskAlong(t *testing.T) {
	d := open(t, t.TempDir())
	tk := start(t, d, specOf("x.1", shellApp("echo pid $$; exec sleep 100")))
	pid := number(t, line(t, d, "x.1", "pid "))
	if err := syscall.Kill(tk.rec.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	st := end(t, tk)
	if st.State != api.TaskFailed || !strings.Contains(st.Message, "supervised the process was killed") {
		t.Errorf("%+v", st)
	}
	if exists(pid) {
		t.Errorf("process %d is left", pid)
	}
}

func TestAKilledWrapperIsFoundAfterARestart(t *testing.T) {
	data := t.TempDir()
	d := open(t, data)
	tk := start(t, d, specOf("x.1", shellApp("echo pid $$; exec sleep 100")))
	pid := number(t, line(t, d, "x.1", "pid "))
	d.Close()
	if err := syscall.Kill(tk.rec.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d = open(t, data)
	tk, err := d.task("x.1")
	if err != nil {
		t.Fatal(err)
	}
	if st := end(t, tk); st.State != api.TaskFailed || exists(pid) {
		t.Errorf("%+v, child alive: %t", st, exists(pid))
	}
}

// victim is an orchestrator in a process of its own: it starts a task and waits to be killed.
func victim(data string) {
	d, err := New(Options{Cluster: "test", Data: data})
	if err == nil {
		err = d.Start(context.Background(), specOf("x.1", shellApp("mkfifo go; echo pid $$; read -r x < go; exit 7")))
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("started")
	select {}
}

func TestATaskOutlivesKillNine(t *testing.T) {
	data := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BERTH_TEST_ORCHESTRATOR="+data)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if text, _ := bufio.NewReader(out).ReadString('\n'); text != "started\n" {
		t.Errorf("the orchestrator said %q", text)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	d := open(t, data)
	tk, err := d.task("x.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Stop(context.Background(), "x.1", 0) })
	if st := tk.snapshot(); st.State != api.TaskRunning || st.AppID != "/app" {
		t.Errorf("adopted as %+v", st)
	}
	pid := number(t, line(t, d, "x.1", "pid "))
	if !exists(pid) {
		t.Error("the task is not the same process any more")
	}
	// The task ends only now, and its code is known although nobody is its parent.
	if err := os.WriteFile(filepath.Join(tk.work(), "go"), []byte("x\n"), 0); err != nil {
		t.Fatal(err)
	}
	if st := end(t, tk); st.ExitCode != 7 || st.State != api.TaskFailed {
		t.Errorf("%+v", st)
	}
}

func TestARecycledPidIsNobodys(t *testing.T) {
	data := t.TempDir()
	stranger := exec.Command("sleep", "100")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	pid := stranger.Process.Pid
	p, err := readProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(data, "sandboxes", "x.1")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r := record{
		Cluster: "test", TaskID: "x.1", Kind: driver.KindProcess, Boot: bootID(), PID: pid, StartTime: p.start - 1,
	}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	d := open(t, data)
	tk, err := d.task("x.1")
	if err != nil {
		t.Fatal(err)
	}
	if st := end(t, tk); st.State != api.TaskFailed {
		t.Errorf("%+v", st)
	}
	if err := d.Stop(t.Context(), "x.1", 0); err != nil {
		t.Error(err)
	}
	if !exists(pid) {
		t.Error("a stranger was killed")
	}
}

func TestWhatANewInstanceMakesOfItsDirectory(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *record)
		exit   string
		listed bool
		state  api.TaskState
		want   string
	}{
		"start was interrupted":  {func(r *record) { r.PID = 0 }, "", true, api.TaskFailed, "before the task was started"},
		"host was restarted":     {func(r *record) { r.Boot = "other" }, "", true, api.TaskFailed, "the host was restarted"},
		"ended before that":      {func(r *record) { r.Boot = "other" }, "0\n", true, api.TaskFinished, "exit code 0"},
		"exit code half written": {func(r *record) { r.Boot = "other" }, "13", true, api.TaskFailed, "the host was restarted"},
		"another cluster's":      {func(r *record) { r.Cluster = "other" }, "", false, "", ""},
		"not a process":          {func(r *record) { r.Kind = driver.KindDocker }, "", false, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			data := t.TempDir()
			dir := filepath.Join(data, "sandboxes", "x.1")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			r := record{Cluster: "test", TaskID: "x.1", Kind: driver.KindProcess, Boot: bootID(), PID: 1 << 30, StartTime: 1}
			c.change(&r)
			if err := r.write(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, exitFile), []byte(c.exit), 0o600); err != nil {
				t.Fatal(err)
			}
			list, err := open(t, data).List(t.Context())
			if err != nil || len(list) > 0 != c.listed {
				t.Fatalf("list: %+v, %v", list, err)
			}
			if c.listed && (list[0].State != c.state || !strings.Contains(list[0].Message, c.want)) {
				t.Errorf("%+v", list[0])
			}
		})
	}
}

func TestADirectoryWithoutIdentityIsLeftAlone(t *testing.T) {
	data := t.TempDir()
	for name, text := range map[string]string{"notes": "", "broken": "{", "empty": "{}"} {
		dir := filepath.Join(data, "sandboxes", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if name != "notes" {
			if err := os.WriteFile(filepath.Join(dir, specFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if list, err := open(t, data).List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("list: %+v, %v", list, err)
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

func TestExecIsEndedWithItsContext(t *testing.T) {
	d := open(t, t.TempDir())
	start(t, d, specOf("x.1", shellApp("exec sleep 100")))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	res, err := d.Exec(ctx, "x.1", "echo begun; sleep 50 & sleep 50")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
	if string(res.Output) != "begun\n" {
		t.Errorf("output %q", res.Output)
	}
	res, err = d.Exec(t.Context(), "x.1", "head -c 100000 /dev/zero; exit 4")
	if err != nil || res.ExitCode != 4 || len(res.Output) != execLimit {
		t.Errorf("code %d, %d bytes, %v", res.ExitCode, len(res.Output), err)
	}
}

func TestAFollowerReadsOnOverARotation(t *testing.T) {
	d := open(t, t.TempDir())
	d.opt.LogLimit = 200
	tk := start(t, d, specOf("x.1", shellApp("mkfifo next; for i in 1 2 3; do seq ${i}000 ${i}049; read -r x < next; done")))
	follow := func(n int) io.ReadCloser {
		r, err := d.Logs(t.Context(), "x.1", driver.LogOptions{Stream: driver.Stdout, Lines: n, Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r
	}
	ahead := follow(-1)
	var seen strings.Builder
	for i := 1; i <= 3; i++ {
		for last := fmt.Sprintf("%d049\n", i); !strings.HasSuffix(seen.String(), last); {
			buf := make([]byte, 64)
			n, err := ahead.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			seen.Write(buf[:n])
		}
		d.rotateAll()
		parts := outputParts(tk.dir, driver.Stdout)
		if size(t, parts[1]) != 0 || size(t, parts[0]) != 250 {
			t.Errorf("after rotation: %d and %d bytes", size(t, parts[0]), size(t, parts[1]))
		}
		if err := os.WriteFile(filepath.Join(tk.work(), "next"), []byte("x\n"), 0); err != nil {
			t.Fatal(err)
		}
	}
	end(t, tk)
	rest, err := io.ReadAll(ahead)
	if err != nil || len(rest) > 0 || strings.Count(seen.String(), "\n") != 150 || !strings.HasPrefix(seen.String(), "1000\n") {
		t.Errorf("the follower read %d lines and %q, %v", strings.Count(seen.String(), "\n"), rest, err)
	}
	if text, err := io.ReadAll(follow(2)); string(text) != "3048\n3049\n" || err != nil {
		t.Errorf("the last two lines: %q, %v", text, err)
	}
}

func size(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestWaitingWithoutPidfds(t *testing.T) {
	cmd := exec.Command("sleep", "0.4")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, err := readProc(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	h := &handle{pid: p.pid, start: p.start}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := h.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait with a deadline: %v", err)
	}
	if err := h.wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := h.signal(syscall.SIGTERM); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("signal to an ended process: %v", err)
	}
	_ = cmd.Wait()
}
