package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"berth/orchestrator/driver"
	"berth/orchestrator/driver/tail"
)

// execLimit is the most output of a command that is kept, in bytes, by the contract of driver.ExecResult.
const execLimit = 64 << 10

// Exec implements driver.Driver: the command runs by the container's own /bin/sh. The engine has no way to end a command
// that outlives ctx; it goes on inside the container.
func (d *Driver) Exec(ctx context.Context, taskID, command string) (driver.ExecResult, error) {
	c, err := d.inspect(ctx, taskID)
	if err != nil {
		return driver.ExecResult{}, fmt.Errorf("run command: %w", err)
	}
	if c.State == nil || !c.State.Running {
		return driver.ExecResult{}, fmt.Errorf("run command in task %s: the task does not run", taskID)
	}
	res, err := d.exec(ctx, c.ID, command)
	if err != nil {
		return res, fmt.Errorf("run command in task %s: %w", taskID, d.explain(err))
	}
	return res, nil
}

func (d *Driver) exec(ctx context.Context, id, command string) (driver.ExecResult, error) {
	made, err := d.cli.ContainerExecCreate(ctx, id, container.ExecOptions{
		AttachStdout: true, AttachStderr: true, Cmd: []string{"/bin/sh", "-c", command},
	})
	if err != nil {
		return driver.ExecResult{}, err
	}
	conn, err := d.cli.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return driver.ExecResult{}, err
	}
	defer conn.Close()
	// The connection was taken over from HTTP and knows no context.
	stop := context.AfterFunc(ctx, func() { _ = conn.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	out := tail.NewHead(execLimit)
	if _, err := stdcopy.StdCopy(out, out, conn.Reader); err != nil {
		return driver.ExecResult{Output: out.Bytes()}, errors.Join(ctx.Err(), err)
	}
	code, err := d.execCode(ctx, made.ID)
	return driver.ExecResult{ExitCode: code, Output: out.Bytes()}, err
}

// execCode asks for the exit code. The engine notes it a moment after the output has ended; a command that has closed its
// output and goes on is waited for as long as ctx lasts.
func (d *Driver) execCode(ctx context.Context, execID string) (int, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		done, err := d.cli.ContainerExecInspect(ctx, execID)
		if err != nil || !done.Running {
			return done.ExitCode, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
