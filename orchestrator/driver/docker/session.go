package docker

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"berth/orchestrator/driver"
)

var _ driver.Interactive = (*Driver)(nil)

// Open implements driver.Interactive, as docker exec does.
func (d *Driver) Open(ctx context.Context, taskID string, opt driver.SessionOptions) (driver.Session, error) {
	c, err := d.inspect(ctx, taskID)
	if err != nil {
		return nil, fmt.Errorf("run command: %w", err)
	}
	if c.State == nil || !c.State.Running {
		return nil, fmt.Errorf("run command in task %s: the task does not run", taskID)
	}
	s, err := d.openSession(ctx, c.ID, opt)
	if err != nil {
		return nil, fmt.Errorf("run command in task %s: %w", taskID, d.explain(err))
	}
	return s, nil
}

func (d *Driver) openSession(ctx context.Context, id string, opt driver.SessionOptions) (*session, error) {
	var size *[2]uint
	if opt.TTY && opt.Width > 0 && opt.Height > 0 {
		size = &[2]uint{uint(opt.Height), uint(opt.Width)}
	}
	made, err := d.cli.ContainerExecCreate(ctx, id, container.ExecOptions{
		AttachStdin: opt.Stdin, AttachStdout: true, AttachStderr: true, Tty: opt.TTY, ConsoleSize: size, Cmd: opt.Command,
	})
	if err != nil {
		return nil, err
	}
	conn, err := d.cli.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: opt.TTY, ConsoleSize: size})
	if err != nil {
		return nil, err
	}
	s := &session{d: d, id: made.ID, conn: conn, stdout: conn.Reader, stderr: strings.NewReader("")}
	if !opt.TTY {
		s.demux()
	}
	if size != nil { // engines before API 1.42 take no size at the start
		_ = s.Resize(ctx, opt.Width, opt.Height)
	}
	return s, nil
}

// session is an exec of the engine.
type session struct {
	d              *Driver
	id             string
	conn           types.HijackedResponse
	stdout, stderr io.Reader
	pipes          []*io.PipeReader
	work           sync.WaitGroup
}

// demux takes the streams apart, which come in frames on one connection.
func (s *session) demux() {
	out, toOut := io.Pipe()
	errs, toErr := io.Pipe()
	s.stdout, s.stderr, s.pipes = out, errs, []*io.PipeReader{out, errs}
	s.work.Go(func() {
		_, err := stdcopy.StdCopy(toOut, toErr, s.conn.Reader)
		toOut.CloseWithError(err)
		toErr.CloseWithError(err)
	})
}

func (s *session) Write(p []byte) (int, error) { return s.conn.Conn.Write(p) }
func (s *session) CloseWrite() error           { return s.conn.CloseWrite() }
func (s *session) Stdout() io.Reader           { return s.stdout }
func (s *session) Stderr() io.Reader           { return s.stderr }

func (s *session) Resize(ctx context.Context, width, height int) error {
	return s.d.cli.ContainerExecResize(ctx, s.id, container.ResizeOptions{Width: uint(width), Height: uint(height)})
}

func (s *session) Wait(ctx context.Context) (int, error) { return s.d.execCode(ctx, s.id) }

func (s *session) Close() error {
	s.conn.Close()
	for _, p := range s.pipes {
		_ = p.Close() // never fails
	}
	s.work.Wait()
	return nil
}
