// Package drivertest is the one suite that every driver passes. A driver's test describes itself in a Harness and calls
// Run.
package drivertest

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
)

// Patience bounds every wait of the suite.
const Patience = 30 * time.Second

// Harness is what the suite needs to know of a driver.
type Harness struct {
	// Open returns another instance on the same tasks, as after a restart of the orchestrator.
	Open func(t *testing.T) driver.Driver
	// Close ends an instance; the tasks go on. Nil if there is nothing to end.
	Close func(driver.Driver)
	// App returns an app whose tasks run p. The suite fills in id and version.
	App func(p program.Program) *api.App
	// Broken returns an app that cannot be started, and a part of the reason that Start must give.
	Broken func() (*api.App, string)
	// Alive reports whether a process that a task started still lives. Nil where tasks cannot leave anything behind.
	Alive func(pid int) bool
}

// suite is one test's view of one driver instance.
type suite struct {
	*testing.T
	h     Harness
	d     driver.Driver
	watch <-chan driver.Status
	seen  map[string][]driver.Status
	ids   map[string]bool
}

const version = api.Timestamp(1700000000123)

func (h Harness) run(t *testing.T, name string, test func(s *suite)) {
	t.Run(name, func(t *testing.T) {
		s := &suite{T: t, h: h, seen: map[string][]driver.Status{}, ids: map[string]bool{}}
		s.open()
		t.Cleanup(s.clean)
		test(s)
	})
}

// open makes s speak to a new instance.
func (s *suite) open() {
	s.Helper()
	s.d = s.h.Open(s.T)
	ctx, cancel := context.WithCancel(context.Background())
	s.Cleanup(cancel)
	var err error
	if s.watch, err = s.d.Watch(ctx); err != nil {
		s.Fatalf("watch: %v", err)
	}
}

func (s *suite) reopen() {
	s.Helper()
	s.close()
	s.open()
}

func (s *suite) close() {
	if s.h.Close != nil {
		s.h.Close(s.d)
	}
}

// clean leaves nothing behind, whatever the test did.
func (s *suite) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	list, err := s.d.List(ctx)
	if err != nil {
		s.Errorf("list at the end: %v", err)
	}
	for _, st := range list {
		if !s.ids[st.TaskID] {
			continue
		}
		if err := s.d.Stop(ctx, st.TaskID, 0); err != nil {
			s.Errorf("stop at the end: %v", err)
		}
		if err := s.d.Remove(ctx, st.TaskID); err != nil {
			s.Errorf("remove at the end: %v", err)
		}
	}
	s.close()
}

func (s *suite) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	s.Cleanup(cancel)
	return ctx
}

// spec names the task after the test, so that those of two runs at a time do not meet.
func (s *suite) spec(name string, app *api.App) driver.Spec {
	id := strings.ToLower(strings.Map(func(r rune) rune {
		if r == '/' || r == ' ' || r == '_' || r == ',' {
			return '-'
		}
		return r
	}, s.Name())) + "." + name
	s.ids[id] = true
	app.ID, app.Version = "/"+strings.ReplaceAll(name, "_", "/"), version
	return driver.Spec{
		TaskID: id, App: app, Host: "localhost", AgentIP: "127.0.0.1",
		Env: []string{"GREETING=hello", "MARATHON_APP_ID=" + app.ID, "MESOS_TASK_ID=" + id},
	}
}

func (s *suite) start(name string, p program.Program) string {
	s.Helper()
	spec := s.spec(name, s.h.App(p))
	if err := s.d.Start(s.ctx(), spec); err != nil {
		s.Fatalf("start %s: %v", spec.TaskID, err)
	}
	return spec.TaskID
}

// await returns the first status of a task that Watch delivers and ok accepts.
func (s *suite) await(id string, what string, ok func(driver.Status) bool) driver.Status {
	s.Helper()
	timeout := time.After(Patience)
	for {
		select {
		case st, open := <-s.watch:
			if !open {
				s.Fatalf("the watch ended while waiting for %s", what)
			}
			s.seen[st.TaskID] = append(s.seen[st.TaskID], st)
			if st.TaskID == id && ok(st) {
				return st
			}
		case <-timeout:
			s.Fatalf("task %s: no %s within %s; watch said %+v; list says %+v", id, what, Patience, s.seen[id], s.all())
		}
	}
}

// final returns the status with which a task ended, and checks that List agrees.
func (s *suite) final(id string) driver.Status {
	s.Helper()
	st := s.await(id, "end", func(st driver.Status) bool { return st.State.Final() })
	if l, ok := s.listed(id); !ok || l.State != st.State || l.ExitCode != st.ExitCode {
		s.Errorf("list says %+v (listed: %t), watch said %+v", l, ok, st)
	}
	return st
}

func (s *suite) all() []driver.Status {
	s.Helper()
	list, err := s.d.List(s.ctx())
	if err != nil {
		s.Fatalf("list: %v", err)
	}
	return list
}

func (s *suite) listed(id string) (driver.Status, bool) {
	s.Helper()
	for _, st := range s.all() {
		if st.TaskID == id {
			return st, true
		}
	}
	return driver.Status{}, false
}

func (s *suite) stop(id string, grace time.Duration) time.Duration {
	s.Helper()
	begin := time.Now()
	if err := s.d.Stop(s.ctx(), id, grace); err != nil {
		s.Fatalf("stop: %v", err)
	}
	return time.Since(begin)
}

func (s *suite) logs(id string, opt driver.LogOptions) string {
	s.Helper()
	r, err := s.d.Logs(s.ctx(), id, opt)
	if err != nil {
		s.Fatalf("logs: %v", err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		s.Fatalf("read logs: %v", err)
	}
	return string(text)
}

// awaitLine follows stdout until a line that begins with prefix, and returns the rest of it.
func (s *suite) awaitLine(id, prefix string) string {
	s.Helper()
	return s.awaitOutput(id, driver.Stdout, prefix)
}

func (s *suite) awaitOutput(id string, stream driver.Stream, prefix string) string {
	s.Helper()
	r, err := s.d.Logs(s.ctx(), id, driver.LogOptions{Stream: stream, Follow: true, Lines: -1})
	if err != nil {
		s.Fatalf("logs: %v", err)
	}
	defer r.Close()
	var text string
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		text += string(buf[:n])
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, prefix); ok && strings.HasSuffix(rest, "\n") {
				return strings.TrimSpace(rest)
			}
		}
		if err != nil {
			s.Fatalf("%s of %s has no line %q before %v: %q", stream, id, prefix, err, text)
		}
	}
}
