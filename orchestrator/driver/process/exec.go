package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"berth/orchestrator/driver"
	"berth/orchestrator/driver/tail"
)

// execLimit is the most output of a command that is kept, in bytes, by the contract of driver.ExecResult.
const execLimit = 64 << 10

// Exec implements driver.Driver: the command runs by /bin/sh in the task's directory, as its user and with its
// environment. When ctx ends first, it and what it started are killed, and the error is the context's.
func (d *Driver) Exec(ctx context.Context, taskID, command string) (driver.ExecResult, error) {
	t, err := d.task(taskID)
	if err != nil {
		return driver.ExecResult{}, err
	}
	res, err := t.exec(ctx, command)
	if err != nil {
		return res, fmt.Errorf("run command in task %s: %w", taskID, err)
	}
	return res, nil
}

func (t *task) exec(ctx context.Context, command string) (driver.ExecResult, error) {
	env := environ(t.rec.PID)
	if t.ended() || env == nil || !alive(t.rec.PID, t.rec.StartTime) {
		return driver.ExecResult{}, errors.New("the task does not run")
	}
	cred, err := lookupUser(t.rec.User)
	if err != nil {
		return driver.ExecResult{}, err
	}
	out := tail.NewHead(execLimit)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.work(), env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: cred.sys()}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // for output held open by what it left in the background
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return driver.ExecResult{Output: out.Bytes()}, ctx.Err()
	case errors.As(err, &exit):
		return driver.ExecResult{ExitCode: exitCode(exit), Output: out.Bytes()}, nil
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return driver.ExecResult{}, err
	}
	return driver.ExecResult{Output: out.Bytes()}, nil
}

func exitCode(e *exec.ExitError) int {
	if ws, ok := e.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return e.ExitCode()
}
