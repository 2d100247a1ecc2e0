package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a running server.
type process struct {
	cmd   *exec.Cmd
	out   *tail
	done  chan struct{}
	after func() // called once it has ended
}

// tail keeps what a process said.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() < 16<<10 {
		t.b.Write(p)
	}
	return len(p), nil
}

// run starts a program in a process group of its own, so that all of it can be ended.
func run(ctx context.Context, dir, program string, args ...string) (*process, error) {
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, program, args...), out: &tail{}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) log() string {
	p.out.mu.Lock()
	defer p.out.mu.Unlock()
	return p.out.b.String()
}

// stop ends the group, by force if it takes longer than a few seconds.
func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
	}
	if p.after != nil {
		p.after()
	}
}

// memory is what the process holds resident, in bytes; of several processes, the first one's.
func (p *process) memory() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, _ := strconv.ParseInt(f[1], 10, 64) // 0 if it is no number
			return n << 10
		}
	}
	return 0
}

// result is what dnsperf said.
type result struct {
	perSecond float64
	lost      int
}

var (
	perSecond = regexp.MustCompile(`Queries per second:\s+([0-9.]+)`)
	lost      = regexp.MustCompile(`Queries lost:\s+([0-9]+)`)
)

func (s *settings) dnsperf(ctx context.Context, port int, file string) (result, error) {
	cmd := exec.CommandContext(ctx, "dnsperf", "-s", "127.0.0.1", "-p", strconv.Itoa(port), "-d", file, "-l", strconv.Itoa(s.seconds),
		"-c", strconv.Itoa(s.clients), "-T", strconv.Itoa(s.threads), "-q", strconv.Itoa(s.inFlight), "-t", "1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return result{}, fmt.Errorf("dnsperf: %w: %s", err, out)
	}
	m := perSecond.FindSubmatch(out)
	if m == nil {
		return result{}, fmt.Errorf("dnsperf said no figure: %s", out)
	}
	var r result
	if r.perSecond, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
		return r, err
	}
	if m := lost.FindSubmatch(out); m != nil {
		r.lost, err = strconv.Atoi(string(m[1]))
	}
	return r, err
}
