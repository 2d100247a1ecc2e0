package drivertest

import (
	"strconv"
	"strings"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
)

func stopPolite(s *suite) {
	id := s.start("a", program.Program{Run: true, Stdout: "up", Drain: time.Millisecond})
	s.awaitLine(id, "up")
	if took := s.stop(id, 20*time.Second); took > 10*time.Second {
		s.Errorf("stop took %s", took)
	}
	if st := s.final(id); st.State != api.TaskKilled {
		s.Errorf("stopped task is %+v", st)
	}
}

func stopDrains(s *suite) {
	id := s.start("a", program.Program{Run: true, Stdout: "up", Drain: 300 * time.Millisecond})
	s.awaitLine(id, "up")
	if took := s.stop(id, 20*time.Second); took < 300*time.Millisecond {
		s.Errorf("stop took %s, less than the task needs", took)
	}
	s.expectState(s.final(id), api.TaskKilled, 0)
	if out := s.logs(id, driver.LogOptions{Stream: driver.Stdout, Lines: -1}); !strings.HasSuffix(out, "draining\ndrained\n") {
		s.Errorf("the task did not drain to the end: %q", out)
	}
}

func stopKills(s *suite) {
	id := s.start("a", program.Program{Run: true, Stdout: "up", IgnoreTerm: true})
	s.awaitLine(id, "up")
	if took := s.stop(id, time.Second); took < 900*time.Millisecond || took > 15*time.Second {
		s.Errorf("stop took %s with a grace time of 1s", took)
	}
	s.expectState(s.final(id), api.TaskKilled, 137)
}

func stopEnded(s *suite) {
	id := s.start("a", program.Program{Exit: 3})
	s.expectState(s.final(id), api.TaskFailed, 3)
	s.stop(id, time.Second)
	if st, _ := s.listed(id); st.State != api.TaskFailed {
		s.Errorf("stop changed an ended task: %+v", st)
	}
}

// stray starts a program that leaves a process behind and returns that one's pid.
func (s *suite) stray(p program.Program) (id string, pid int) {
	s.Helper()
	if s.h.Alive == nil {
		s.Skip("tasks of this driver cannot leave anything behind")
	}
	p.Stray = true
	id = s.start("a", p)
	pid, err := strconv.Atoi(s.awaitLine(id, "stray "))
	if err != nil {
		s.Fatal(err)
	}
	return id, pid
}

func stopStrays(s *suite) {
	id, pid := s.stray(running)
	if !s.h.Alive(pid) {
		s.Fatalf("stray %d is not there", pid)
	}
	s.stop(id, 200*time.Millisecond)
	if s.h.Alive(pid) {
		s.Errorf("process %d outlived its task", pid)
	}
}

func endStrays(s *suite) {
	id, pid := s.stray(program.Program{Exit: 3})
	s.expectState(s.final(id), api.TaskFailed, 3)
	if s.h.Alive(pid) {
		s.Errorf("process %d outlived its task", pid)
	}
}
