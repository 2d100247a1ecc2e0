package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"berth/orchestrator/driver"
)

var _ driver.Interactive = (*Driver)(nil)

// Open implements driver.Interactive: the command runs in the task's directory, as its user and with its environment, and
// ends with the task at the latest.
func (d *Driver) Open(_ context.Context, taskID string, opt driver.SessionOptions) (driver.Session, error) {
	t, err := d.task(taskID)
	if err != nil {
		return nil, err
	}
	s, err := t.open(opt)
	if err != nil {
		return nil, fmt.Errorf("run command in task %s: %w", taskID, err)
	}
	s.wait = sync.OnceValue(func() error {
		defer s.ended.Store(true)
		return s.cmd.Wait()
	})
	s.release = context.AfterFunc(d.ctx, s.kill)
	return s, nil
}

func (t *task) open(opt driver.SessionOptions) (_ *session, err error) {
	env := environ(t.rec.PID)
	if t.ended() || env == nil || !alive(t.rec.PID, t.rec.StartTime) {
		return nil, errors.New("the task does not run")
	}
	cred, err := lookupUser(t.rec.User)
	if err != nil {
		return nil, err
	}
	if opt.TTY {
		env = setEnv(env, "TERM", "xterm")
	}
	if len(opt.Command) == 0 {
		return nil, errors.New("no command is given")
	}
	file, err := lookPath(opt.Command[0], t.work(), env)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: file, Args: opt.Command, Dir: t.work(), Env: env,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: cred.sys()},
	}
	if opt.TTY {
		return startOnTerminal(cmd, opt, cred)
	}
	return startOnPipes(cmd, opt)
}

// session is a process of its own, in a session of its own, beside the task's.
type session struct {
	cmd            *exec.Cmd
	wait           func() error // for its end, once
	ended          atomic.Bool
	stdin          io.WriteCloser // nil: the command reads nothing
	stdout, stderr io.Reader
	files          []*os.File // our ends
	terminal       *os.File   // nil without
	release        func() bool
}

func startOnPipes(cmd *exec.Cmd, opt driver.SessionOptions) (_ *session, err error) {
	s := &session{cmd: cmd}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
		if err != nil {
			s.closeFiles()
		}
	}()
	pipe := func(into bool) (our, their *os.File) {
		r, w, e := os.Pipe()
		if e != nil {
			err = errors.Join(err, e)
			return nil, nil
		}
		our, their = r, w
		if into {
			our, their = w, r
		}
		s.files, theirs = append(s.files, our), append(theirs, their)
		return our, their
	}
	stdout, toStdout := pipe(false)
	stderr, toStderr := pipe(false)
	var stdin, fromStdin *os.File
	if opt.Stdin {
		stdin, fromStdin = pipe(true)
	}
	if err != nil {
		return nil, err
	}
	s.stdout, s.stderr = stdout, stderr
	cmd.Stdout, cmd.Stderr = toStdout, toStderr
	if opt.Stdin {
		s.stdin, cmd.Stdin = stdin, fromStdin
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

func startOnTerminal(cmd *exec.Cmd, opt driver.SessionOptions, cred *credential) (*session, error) {
	master, slave, err := openTerminal()
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	s := &session{cmd: cmd, stdin: master, stdout: terminalReader{master}, stderr: strings.NewReader(""), files: []*os.File{master}, terminal: master}
	if opt.Width > 0 && opt.Height > 0 {
		err = setSize(master, opt.Width, opt.Height)
	}
	if err == nil && cred != nil {
		err = slave.Chown(int(cred.Uid), int(cred.Gid))
	}
	if err == nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Ctty = true, 0
		err = cmd.Start()
	}
	if err != nil {
		s.closeFiles()
		return nil, err
	}
	return s, nil
}

func (s *session) Write(p []byte) (int, error) {
	if s.stdin == nil {
		return 0, os.ErrClosed
	}
	return s.stdin.Write(p)
}

// CloseWrite ends stdin; on a terminal, by the character that says so (termios(3), VEOF).
func (s *session) CloseWrite() error {
	switch {
	case s.terminal != nil:
		_, err := s.terminal.Write([]byte{4})
		return err
	case s.stdin == nil:
		return nil
	}
	return s.stdin.Close()
}

func (s *session) Stdout() io.Reader { return s.stdout }
func (s *session) Stderr() io.Reader { return s.stderr }

func (s *session) Resize(_ context.Context, width, height int) error {
	if s.terminal == nil {
		return errors.New("the command has no terminal")
	}
	return setSize(s.terminal, width, height)
}

// Wait implements driver.Session. The command is killed when ctx ends first.
func (s *session) Wait(ctx context.Context) (int, error) {
	stop := context.AfterFunc(ctx, s.kill)
	defer stop()
	err := s.wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &exit):
		return exitCode(exit), nil
	}
	return 0, err
}

// kill ends the command and what it started, but for what left its session.
func (s *session) kill() {
	if !s.ended.Load() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// Close kills what still runs of the command, and collects it.
func (s *session) Close() error {
	s.release()
	s.kill()
	_ = s.wait() // killed, or ended before
	s.closeFiles()
	return nil
}

func (s *session) closeFiles() {
	for _, f := range s.files {
		_ = f.Close()
	}
}
