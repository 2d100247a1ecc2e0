// Package exitcode puts the exit code of a task in words, the same in every driver.
package exitcode

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Killed is the code of a process that SIGKILL ended, and what is reported when nobody was left to note the code.
const Killed = 128 + int(syscall.SIGKILL)

// Describe names the code and what it commonly means. A shell reports a death by signal n as 128+n, a command it cannot
// execute as 126 and one it cannot find as 127 (POSIX, Shell Command Language, 2.8.2); Docker does the same.
func Describe(code int) string {
	switch {
	case code == 126:
		return "exit code 126: the command cannot be executed (permission denied, or not a program)"
	case code == 127:
		return "exit code 127: command not found"
	case code > 128:
		if name := unix.SignalName(syscall.Signal(code - 128)); name != "" {
			return fmt.Sprintf("exit code %d (%s)", code, name)
		}
	}
	return fmt.Sprintf("exit code %d", code)
}
