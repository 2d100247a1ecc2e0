package process

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/driver"
)

// sessionOf opens a session that is closed with the test.
func sessionOf(t *testing.T, d *Driver, id string, opt driver.SessionOptions, words ...string) driver.Session {
	t.Helper()
	opt.Command = words
	s, err := d.Open(t.Context(), id, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestATerminalHasASize(t *testing.T) {
	d := open(t, t.TempDir())
	start(t, d, specOf("x.1", shellApp("exec sleep 600")))
	s := sessionOf(t, d, "x.1", driver.SessionOptions{TTY: true, Stdin: true, Width: 100, Height: 30},
		"sh", "-c", "stty -echo; stty size; read x; stty size; tty")
	lines := bufio.NewReader(s.Stdout())
	next := func() string {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	if got := next(); got != "30 100" {
		t.Errorf("size at the start: %q", got)
	}
	if err := s.Resize(t.Context(), 50, 20); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(s, "\n"); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "20 50" {
		t.Errorf("size after the change: %q", got)
	}
	if got := next(); !strings.HasPrefix(got, "/dev/pts/") {
		t.Errorf("terminal: %q", got)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Error(err)
	}
	if code, err := s.Wait(t.Context()); err != nil || code != 0 {
		t.Errorf("code %d, %v", code, err)
	}
	if err := sessionOf(t, d, "x.1", driver.SessionOptions{}, "true").Resize(t.Context(), 1, 1); err == nil {
		t.Error("a command without a terminal has a size")
	}
}

// TestACommandIsWhereTheTaskIs: directory, environment, and PATH of the task.
func TestACommandIsWhereTheTaskIs(t *testing.T) {
	d := open(t, t.TempDir())
	spec := specOf("x.1", shellApp("exec sleep 600"))
	spec.Env = []string{"COLOUR=red"}
	tk := start(t, d, spec)
	out, err := io.ReadAll(sessionOf(t, d, "x.1", driver.SessionOptions{}, "sh", "-c", "pwd; echo $COLOUR").Stdout())
	if want := tk.work() + "\nred\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	_, err = d.Open(t.Context(), "x.1", driver.SessionOptions{Command: []string{"nosuch"}})
	if err == nil || !strings.Contains(err.Error(), `command "nosuch" not found in PATH`) {
		t.Errorf("a command that is not there: %v", err)
	}
}

func TestACommandEndsWithItsTask(t *testing.T) {
	d := open(t, t.TempDir())
	start(t, d, specOf("x.1", shellApp("exec sleep 600")))
	s := sessionOf(t, d, "x.1", driver.SessionOptions{}, "sh", "-c", "trap '' TERM; echo up; exec sleep 600")
	if line, err := bufio.NewReader(s.Stdout()).ReadString('\n'); err != nil || line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if err := d.Stop(t.Context(), "x.1", 100*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Wait(t.Context()); err != nil || code != 128+9 {
		t.Errorf("code %d, %v", code, err)
	}
}

func TestACommandThatIsGivenUpIsKilled(t *testing.T) {
	d := open(t, t.TempDir())
	start(t, d, specOf("x.1", shellApp("exec sleep 600")))
	for _, tty := range []bool{false, true} {
		s := sessionOf(t, d, "x.1", driver.SessionOptions{TTY: tty}, "sh", "-c", "echo $$; exec sleep 600")
		line, err := bufio.NewReader(s.Stdout()).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pid := number(t, strings.TrimSpace(line))
		if !exists(pid) {
			t.Fatal("the command is not there")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if exists(pid) {
			t.Errorf("terminal %t: process %d lives", tty, pid)
		}
	}
}

func TestACommandEndsWithTheDriver(t *testing.T) {
	data := t.TempDir()
	d := open(t, data)
	start(t, d, specOf("x.1", shellApp("exec sleep 600")))
	s := sessionOf(t, d, "x.1", driver.SessionOptions{}, "sh", "-c", "echo up; exec sleep 600")
	if _, err := bufio.NewReader(s.Stdout()).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if code, err := s.Wait(t.Context()); err != nil || code != 128+9 {
		t.Errorf("code %d, %v", code, err)
	}
	again := open(t, data) // so that the task can be ended
	if err := again.Stop(t.Context(), "x.1", 0); err != nil {
		t.Error(err)
	}
}
