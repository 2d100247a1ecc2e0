package process

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

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
		"start was interrupted": {func(r *record) { r.PID = 0 }, "", true, api.TaskFailed, "before the task was started"},
		"host was restarted":    {func(r *record) { r.Boot = "other" }, "", true, api.TaskFailed, "the host was restarted"},
		"ended before that":     {func(r *record) { r.Boot = "other" }, "0\n", true, api.TaskFinished, "exit code 0"},
		"exit code half written": {
			func(r *record) { r.Boot = "other" }, "13", true, api.TaskFailed, "the host was restarted",
		},
		"another cluster's": {func(r *record) { r.Cluster = "other" }, "", false, "", ""},
		"not a process":     {func(r *record) { r.Kind = driver.KindDocker }, "", false, "", ""},
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
