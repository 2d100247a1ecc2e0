package drivertest

import (
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
)

func startedIsListed(s *suite) {
	before := time.Now().Add(-time.Second)
	id := s.start("group_web", running)
	s.await(id, "running", func(st driver.Status) bool { return st.State == api.TaskRunning })
	st, ok := s.listed(id)
	if !ok {
		s.Fatal("the task is not listed")
	}
	if st.StartedAt.Before(before) || st.StartedAt.After(time.Now().Add(time.Second)) {
		s.Errorf("started at %s", st.StartedAt)
	}
	st.StartedAt, st.Addresses, st.Ports = time.Time{}, nil, nil
	want := driver.Status{TaskID: id, AppID: "/group/web", Version: version, State: api.TaskRunning, Kind: s.d.Kind()}
	if diff := cmp.Diff(want, st); diff != "" {
		s.Errorf("status (-want +got):\n%s", diff)
	}
}

func exitZero(s *suite) {
	id := s.start("a", program.Program{Stdout: "done"})
	s.expectState(s.final(id), api.TaskFinished, 0)
}

func exitThree(s *suite) {
	id := s.start("a", program.Program{Stderr: "cannot open the database", Exit: 3})
	st := s.final(id)
	s.expectState(st, api.TaskFailed, 3)
	for _, want := range []string{"exit code 3", "cannot open the database"} {
		if !strings.Contains(st.Message, want) {
			s.Errorf("message %q does not say %q", st.Message, want)
		}
	}
}

func crash(s *suite) {
	id := s.start("a", program.Program{Crash: true})
	st := s.final(id)
	s.expectState(st, api.TaskFailed, 137)
	if !strings.Contains(st.Message, "SIGKILL") {
		s.Errorf("message %q does not name the signal", st.Message)
	}
}

func broken(s *suite) {
	app, reason := s.h.Broken()
	spec := s.spec("a", app)
	err := s.d.Start(s.ctx(), spec)
	if err == nil || !strings.Contains(err.Error(), reason) {
		s.Errorf("start: %v; want an error with %q", err, reason)
	}
	if st, ok := s.listed(spec.TaskID); ok {
		s.Errorf("a task is left: %+v", st)
	}
	// The id is free again.
	spec.App = s.h.App(running)
	spec.App.ID, spec.App.Version = app.ID, version
	if err := s.d.Start(s.ctx(), spec); err != nil {
		s.Errorf("start after the mistake is mended: %v", err)
	}
}

func doubleStart(s *suite) {
	app := s.h.App(running)
	spec := s.spec("a", app)
	if err := s.d.Start(s.ctx(), spec); err != nil {
		s.Fatal(err)
	}
	if err := s.d.Start(s.ctx(), spec); err == nil {
		s.Error("the second start succeeded")
	}
	if st, ok := s.listed(spec.TaskID); !ok || st.State != api.TaskRunning {
		s.Errorf("the first task is %+v", st)
	}
}

func twoTasks(s *suite) {
	a, b := s.start("a", running), s.start("b", running)
	s.stop(a, time.Second)
	if st, ok := s.listed(b); !ok || st.State != api.TaskRunning {
		s.Errorf("stopping one made the other %+v", st)
	}
	s.stop(b, time.Second)
}

func environment(s *suite) {
	app := s.h.App(running)
	spec := s.spec("a", app)
	if err := s.d.Start(s.ctx(), spec); err != nil {
		s.Fatal(err)
	}
	res, err := s.d.Exec(s.ctx(), spec.TaskID, "env")
	if err != nil {
		s.Fatal(err)
	}
	for _, want := range spec.Env {
		if !strings.Contains("\n"+string(res.Output), "\n"+want+"\n") {
			s.Errorf("the task's environment has no %s:\n%s", want, res.Output)
		}
	}
}
