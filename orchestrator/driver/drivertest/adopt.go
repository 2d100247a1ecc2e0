package drivertest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver/drivertest/program"
)

func adoptRunning(s *suite) {
	id := s.start("group_web", program.Program{Ticks: 1, TickEvery: 1500 * time.Millisecond, Exit: 4, Stderr: "oops"})
	before, _ := s.listed(id)
	s.reopen()
	after, ok := s.listed(id)
	if !ok {
		s.Fatal("the task was not adopted")
	}
	if diff := cmp.Diff(before, after); diff != "" {
		s.Errorf("status after adoption (-before +after):\n%s", diff)
	}
	s.expectState(s.final(id), api.TaskFailed, 4)
}

func adoptEnded(s *suite) {
	id := s.start("a", program.Program{Ticks: 1, TickEvery: 200 * time.Millisecond, Exit: 5})
	s.close()
	time.Sleep(700 * time.Millisecond) // nothing may look at the task meanwhile, so there is nothing to wait for
	s.open()
	st, ok := s.listed(id)
	if !ok {
		s.Fatal("the task was not adopted")
	}
	if !st.State.Final() {
		st = s.final(id)
	}
	s.expectState(st, api.TaskFailed, 5)
}

func adoptStop(s *suite) {
	id := s.start("a", program.Program{Run: true, Stdout: "up", Drain: 100 * time.Millisecond})
	s.awaitLine(id, "up")
	s.reopen()
	s.stop(id, 20*time.Second)
	s.expectState(s.final(id), api.TaskKilled, 0)
}

func adoptDouble(s *suite) {
	spec := s.spec("a", s.h.App(running))
	if err := s.d.Start(s.ctx(), spec); err != nil {
		s.Fatal(err)
	}
	s.reopen()
	if err := s.d.Start(s.ctx(), spec); err == nil {
		s.Error("a second start succeeded after adoption")
	}
	if st, ok := s.listed(spec.TaskID); !ok || st.State != api.TaskRunning {
		s.Errorf("the first task is %+v", st)
	}
}
