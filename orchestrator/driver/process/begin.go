package process

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// beginTime bounds the wait for a task's command to begin. It takes milliseconds, more on a machine without a free CPU.
const beginTime = 5 * time.Second

// awaitCommand waits until the task's command has begun, has ended, or the shell that starts it is gone; at most for
// limit. A SIGTERM before that could get lost: it finds only the shell, which heeds none, or the shell's copy on its way
// to the command, whose handler still counts.
func (t *task) awaitCommand(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, min(limit, beginTime))
	defer cancel()
	for wait := time.Millisecond; !t.begun(); wait = min(2*wait, 20*time.Millisecond) {
		select {
		case <-time.After(wait):
		case <-t.done:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil // SIGKILL follows at the end of the grace time
			}
			return ctx.Err()
		}
	}
	return nil
}

// begun reports whether the supervising shell has got past starting the command. A copy of the shell has its command line
// until execve(2) replaces it.
func (t *task) begun() bool {
	shell := cmdline(t.rec.PID)
	if len(shell) == 0 || !t.leaderPresent() {
		return true
	}
	kids, ok := children(t.rec.PID)
	if !ok {
		return true // not to be known here
	}
	for _, pid := range kids {
		line := cmdline(pid)
		if len(line) > 0 && !bytes.Equal(line, shell) {
			return true
		}
		if p, err := readProc(pid); err == nil && p.zombie {
			return true
		}
	}
	info, err := os.Stat(filepath.Join(t.dir, exitFile))
	return err != nil || info.Size() > 0
}

// cmdline returns the arguments of a process, each ended by a NUL; nothing for one that has ended.
func cmdline(pid int) []byte {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil
	}
	return data
}

// children lists the processes whose parent is pid, also those that have ended. Not ok: the shell has just ended, or the
// kernel was built without CONFIG_PROC_CHILDREN (proc(5), /proc/pid/task/tid/children).
func children(pid int) (pids []int, ok bool) {
	n := strconv.Itoa(pid)
	data, err := os.ReadFile("/proc/" + n + "/task/" + n + "/children")
	if err != nil {
		return nil, false
	}
	for _, f := range strings.Fields(string(data)) {
		if c, err := strconv.Atoi(f); err == nil {
			pids = append(pids, c)
		}
	}
	return pids, true
}
