package drivertest

import (
	"testing"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
)

// Run runs the suite on one driver.
func Run(t *testing.T, h Harness) {
	h.run(t, "a started task is listed as running, with who it is", startedIsListed)
	h.run(t, "exit code 0 is finished", exitZero)
	h.run(t, "another exit code is failed, with the end of stderr", exitThree)
	h.run(t, "a crash is failed, with the signal", crash)
	h.run(t, "what cannot start says why and leaves nothing", broken)
	h.run(t, "a second start of an id is refused", doubleStart)
	h.run(t, "two tasks do not disturb each other", twoTasks)
	h.run(t, "the environment is the spec's", environment)

	h.run(t, "stop ends a task at once that heeds SIGTERM", stopPolite)
	h.run(t, "stop waits for a task that drains", stopDrains)
	h.run(t, "stop kills after the grace time", stopKills)
	h.run(t, "stop of an ended task is no error", stopEnded)
	h.run(t, "stop leaves no strays", stopStrays)
	h.run(t, "an end by itself leaves no strays", endStrays)

	h.run(t, "a running task is adopted and its end is seen", adoptRunning)
	h.run(t, "the end of a task while nobody watched is known", adoptEnded)
	h.run(t, "an adopted task can be stopped", adoptStop)
	h.run(t, "an id adopted cannot be started again", adoptDouble)

	h.run(t, "logs: the last lines", logsTail)
	h.run(t, "logs: follow until the end", logsFollow)
	h.run(t, "logs: after the end and after adoption", logsAfterEnd)
	h.run(t, "logs: close ends a reader that waits", logsClose)

	h.run(t, "exec gives code and output", execute)
	h.run(t, "session: output and exit code", sessions)
	h.run(t, "session: stdin until its end", sessionStdin)
	h.run(t, "session: close ends a reader that waits", sessionClose)
	h.run(t, "session: not in tasks that do not run", sessionRefused)
	h.run(t, "remove deletes an ended task only", remove)
	h.run(t, "unknown ids", unknown)
	h.run(t, "a watch ends with its context", watchEnds)
}

// running is a task that does nothing until it is stopped.
var running = program.Program{Run: true}

func (s *suite) expectState(st driver.Status, state api.TaskState, code int) {
	s.Helper()
	if st.State != state || st.ExitCode != code {
		s.Errorf("state %s, exit code %d, message %q; want %s, %d", st.State, st.ExitCode, st.Message, state, code)
	}
}
