//go:build e2e

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// proc is a program under test.
type proc struct {
	t    *testing.T
	name string
	cmd  *exec.Cmd
	log  *tail
	done chan struct{}
}

// start runs a program until the test ends; then it gets SIGTERM and, after 15 s, SIGKILL.
func start(t *testing.T, name string, args ...string) *proc {
	t.Helper()
	return startCommand(t, name, []string{bin + "/"}, args...)
}

// startCommand is start for a program that others run: prefix ends in the directory of ours.
func startCommand(t *testing.T, name string, prefix []string, args ...string) *proc {
	t.Helper()
	argv := append(append([]string{}, prefix...), args...)
	argv[len(prefix)-1] += name
	p := &proc{t: t, name: name, cmd: exec.Command(argv[0], argv[1:]...), log: &tail{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// A group of its own, so that a signal to the test run does not reach it and we end it in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A task or HAProxy that outlives the program holds its stderr open; do not wait for that.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.term()
		if t.Failed() || os.Getenv("E2ELOG") != "" {
			t.Logf("log of %s %v:\n%s", name, args, p.log)
		}
	})
	return p
}

// kill9 ends the program as a crash would, and waits until it is gone.
func (p *proc) kill9() {
	p.t.Helper()
	_ = p.cmd.Process.Kill()
	<-p.done
}

// term ends the program in order.
func (p *proc) term() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.t.Errorf("%s did not stop within 15 s of SIGTERM", p.name)
		p.kill9()
	}
}

// tail keeps the last 64 KiB written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (b *tail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = append(b.buf, p...)
	if n := len(b.buf) - 64<<10; n > 0 {
		b.buf = append(b.buf[:0], b.buf[n:]...)
	}
	return len(p), nil
}

func (b *tail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(bytes.Clone(b.buf))
}
