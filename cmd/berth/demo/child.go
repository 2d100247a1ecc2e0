package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"berth/cmd/berth/dev"
)

const (
	// readyTimeout bounds the start of berth dev.
	readyTimeout = 60 * time.Second
	// stopTimeout bounds its end: tasks get their grace periods.
	stopTimeout = 60 * time.Second
	// logTail is how much of its log is shown when something goes wrong.
	logTail = 4 << 10
)

// child is a running berth dev.
type child struct {
	dir  string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// startDev starts berth dev with its state in dir. The child gets its own process group, so that a Ctrl-C at the
// terminal reaches it only through us, and is told to end if we are killed.
func startDev(dir string, args []string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{dir: filepath.Join(dir, "state"), log: filepath.Join(dir, "dev.log"), done: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	c.cmd = exec.Command(self, append([]string{"dev", "--dir", c.dir}, args...)...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the child ends, so this one is kept.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		defer log.Close()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			c.err = c.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start berth dev: %w", err)
	}
	return c, nil
}

// ready waits until berth dev serves.
func (c *child) ready(ctx context.Context) (dev.State, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		if s, ok, err := dev.ReadState(c.dir); err == nil && ok && s.Ready {
			return s, nil
		}
		select {
		case <-c.done:
			return dev.State{}, c.ended()
		case <-ctx.Done():
			return dev.State{}, fmt.Errorf("berth dev is not up: %w", ctx.Err())
		case <-time.After(again):
		}
	}
}

// wait returns nil when ctx ends, or an error when berth dev does.
func (c *child) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-c.done:
		return c.explain(c.ended())
	}
}

func (c *child) ended() error {
	if c.err == nil {
		return errors.New("berth dev ended by itself")
	}
	return fmt.Errorf("berth dev ended: %w", c.err)
}

// stop ends berth dev, and with it all tasks and HAProxy.
func (c *child) stop() error {
	select {
	case <-c.done:
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop berth dev: %w", err)
	}
	select {
	case <-c.done:
		return c.err
	case <-time.After(stopTimeout):
		err := c.cmd.Process.Kill()
		<-c.done
		return errors.Join(fmt.Errorf("berth dev did not stop within %v and was killed", stopTimeout), err)
	}
}

// explain adds the end of berth dev's log to an error.
func (c *child) explain(err error) error {
	data, readErr := os.ReadFile(c.log)
	if readErr != nil || len(bytes.TrimSpace(data)) == 0 {
		return err
	}
	if len(data) > logTail {
		data = data[len(data)-logTail:]
	}
	return fmt.Errorf("%w\n\nberth dev said:\n%s", err, bytes.TrimSpace(data))
}
