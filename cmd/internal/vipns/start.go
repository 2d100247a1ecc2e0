package vipns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Child is a running inside, and the gate it uses.
type Child struct {
	dir    string
	run    string // directory of the sockets
	log    string
	cmd    *exec.Cmd
	stdin  io.Closer // its end tells the child that we are gone
	done   chan struct{}
	err    error // valid once done is closed
	cancel context.CancelFunc
	gate   chan struct{}
}

const (
	gateSocket   = "gate.sock"
	statusSocket = "status.sock"
	logFile      = "vip.log"
)

// Start runs this program again, in new network and mount namespaces, as "berth vip isolated", with its files in dir, and
// opens the gate. Without root it needs user namespaces, which some machines forbid. The child ends when this process does.
func Start(marathon, dir string, log *slog.Logger) (*Child, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &Child{dir: dir, log: filepath.Join(dir, logFile), done: make(chan struct{}), gate: make(chan struct{})}
	if err := c.socketDir(); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", filepath.Join(c.run, gateSocket))
	if err != nil {
		return nil, err
	}
	if err := c.start(marathon); err != nil {
		l.Close()
		return nil, errors.Join(err, os.RemoveAll(c.run))
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	go func() {
		defer close(c.gate)
		if err := (&Gate{Log: log}).Serve(ctx, l); err != nil {
			log.Warn("gate of the VIPs' namespace", "err", err)
		}
	}()
	return c, nil
}

// maxSocket is how long the name of a unix socket can be, in bytes (unix(7)).
const maxSocket = 107

// socketDir is dir, unless its name is too long for a socket's.
func (c *Child) socketDir() (err error) {
	c.run = c.dir
	if len(filepath.Join(c.dir, statusSocket)) > maxSocket {
		c.run, err = os.MkdirTemp("", "berth-vip-")
	}
	return err
}

func (c *Child) start(marathon string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	c.cmd = exec.Command(self, "vip", "isolated", "--marathon", marathon, "--gate", filepath.Join(c.run, gateSocket),
		"--dir", c.dir, "--status", filepath.Join(c.run, statusSocket), "--mounts", "--until-stdin-ends")
	c.cmd.Stdout, c.cmd.Stderr = out, out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		c.cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		c.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		c.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return nil
}

// PID is the child's process id, by which its namespaces are found.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Ended says why the child has ended, with the end of what it said.
func (c *Child) Ended() error {
	err := errors.New("the namespace's process ended by itself")
	if c.err != nil {
		err = fmt.Errorf("the namespace's process ended: %w", c.err)
	}
	const tail = 1 << 10
	if data, e := os.ReadFile(c.log); e == nil && len(data) > 0 {
		err = fmt.Errorf("%w: %s", err, data[max(0, len(data)-tail):])
	}
	return err
}

// Ready returns nil once the VIPs of the orchestrator's apps work.
func (c *Child) Ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://vip/readyz", nil)
	if err != nil {
		return err
	}
	t := &http.Transport{DisableKeepAlives: true, DialContext: c.dialStatus}
	resp, err := (&http.Client{Transport: t, Timeout: time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("vip: %s: %s", resp.Status, text)
	}
	return nil
}

// Await returns nil once Ready does, or why it does not within the limit.
func (c *Child) Await(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	const poll = 20 * time.Millisecond
	for {
		err := c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.done:
			return c.Ended()
		case <-ctx.Done():
			return fmt.Errorf("VIPs are not ready within %v: %w", limit, err)
		case <-time.After(poll):
		}
	}
}

func (c *Child) dialStatus(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(c.run, statusSocket))
}

// ServeStatus answers vip's status requests on a listener of this machine until ctx ends.
func (c *Child) ServeStatus(ctx context.Context, l net.Listener) error {
	return accept(ctx, l, func(ctx context.Context, near net.Conn) error {
		far, err := c.dialStatus(ctx, "", "")
		if err != nil {
			return err
		}
		defer far.Close()
		return splice(ctx, near, far)
	})
}

// Stop ends the child; its namespaces go with it, unless another program is inside.
func (c *Child) Stop() error {
	const limit = 10 * time.Second
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.stdin.Close()
	var err error
	select {
	case <-c.done:
	case <-time.After(limit):
		err = errors.Join(fmt.Errorf("the namespace's process did not stop within %v and was killed", limit), c.cmd.Process.Kill())
		<-c.done
	}
	c.cancel()
	<-c.gate
	return errors.Join(err, os.RemoveAll(c.run))
}

// Enter is the command line, by nsenter(1), that runs a program inside the namespaces of the child with this process id.
func Enter(pid int, command []string) []string {
	args := []string{"nsenter", "--target", strconv.Itoa(pid), "--net", "--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--preserve-credentials")
	}
	return append(append(args, "--"), command...)
}
