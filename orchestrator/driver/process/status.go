package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/exitcode"
	"berth/orchestrator/driver/tail"
)

// What of stderr is quoted when a task fails.
const (
	quoteLines = 10
	quoteBytes = 2 << 10
)

// final is the status of a task whose processes have all ended. The caller holds t.mu, or is alone with t.
func (t *task) final(s driver.Status) driver.Status {
	code, known := readExit(filepath.Join(t.dir, exitFile))
	if !known {
		code = exitcode.Killed
	}
	s.ExitCode = code
	switch {
	case t.stopping && !known:
		s.State, s.Message = api.TaskKilled, "killed: it did not end in the grace time after SIGTERM"
		if t.waits {
			s.Message = fmt.Sprintf("killed: it did not end within %s of SIGTERM", t.grace)
		}
	case t.stopping:
		s.State, s.Message = api.TaskKilled, "stopped: "+exitcode.Describe(code)
	case !known:
		s.State = api.TaskFailed
		s.Message = t.quote("the shell that supervised the process was killed; its exit code is unknown")
	case code == 0:
		s.State, s.Message = api.TaskFinished, exitcode.Describe(code)
	default:
		s.State, s.Message = api.TaskFailed, t.quote(exitcode.Describe(code))
	}
	return s
}

// quote adds the end of the task's stderr to a message.
func (t *task) quote(message string) string {
	return message + tail.Quote(t.outputs[driver.Stderr].parts(), quoteLines, quoteBytes)
}

// readExit reads the exit file. Its content counts once the newline is there.
func readExit(name string) (code int, known bool) {
	data, err := os.ReadFile(name)
	if err != nil {
		return 0, false
	}
	text, complete := strings.CutSuffix(string(data), "\n")
	code, err = strconv.Atoi(text)
	return code, complete && err == nil && code >= 0 && code <= 255
}
