package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver/drivertest/program"
)

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

// TestAStopRightAfterTheStartIsHeeded: SIGTERM has to find the command, not the shell that is about to start it.
func TestAStopRightAfterTheStartIsHeeded(t *testing.T) {
	d := open(t, t.TempDir())
	for i := range 40 {
		id := "x." + strconv.Itoa(i)
		tk := start(t, d, specOf(id, shellApp("exec sleep 600")))
		began := time.Now()
		if err := d.Stop(t.Context(), id, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Fatalf("the stop of task %d took %s", i, took)
		}
		if st := end(t, tk); st.State != api.TaskKilled {
			t.Fatalf("%+v", st)
		}
	}
}
