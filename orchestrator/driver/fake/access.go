package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/tail"
)

// Logs implements driver.Driver.
func (d *Driver) Logs(ctx context.Context, taskID string, opt driver.LogOptions) (io.ReadCloser, error) {
	h := d.h
	h.mu.Lock()
	defer h.mu.Unlock()
	t, err := h.find(taskID)
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	text := t.output[opt.Stream]
	offset, _, err := tail.Offset(bytes.NewReader(text), int64(len(text)), opt.Lines)
	if err != nil {
		return nil, fmt.Errorf("read logs of task %s: %w", taskID, err)
	}
	return &logReader{ctx: ctx, h: h, t: t, opt: opt, offset: int(offset), closed: make(chan struct{})}, nil
}

type logReader struct {
	ctx     context.Context
	h       *Host
	t       *task
	opt     driver.LogOptions
	offset  int
	closing sync.Once
	closed  chan struct{}
}

func (l *logReader) Read(p []byte) (int, error) {
	for {
		n, ended, news := l.read(p)
		if n > 0 || len(p) == 0 {
			return n, nil
		}
		if ended || !l.opt.Follow {
			return 0, io.EOF
		}
		select {
		case <-news:
		case <-l.ctx.Done():
			return 0, l.ctx.Err()
		case <-l.closed:
			return 0, os.ErrClosed
		}
	}
}

func (l *logReader) read(p []byte) (n int, ended bool, news <-chan struct{}) {
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	n = copy(p, l.t.output[l.opt.Stream][l.offset:])
	l.offset += n
	return n, l.t.status.State.Final(), l.t.news
}

func (l *logReader) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return nil
}

// Exec implements driver.Driver.
func (d *Driver) Exec(_ context.Context, taskID, command string) (driver.ExecResult, error) {
	d.h.mu.Lock()
	t, err := d.h.find(taskID)
	if err == nil && t.status.State != api.TaskRunning {
		err = errors.New("the task does not run")
	}
	d.h.mu.Unlock()
	if err != nil {
		return driver.ExecResult{}, fmt.Errorf("run command in task %s: %w", taskID, err)
	}
	if t.what.Exec != nil {
		return t.what.Exec(taskID, command), nil
	}
	return shell(t.spec.Env, command), nil
}

func shell(env []string, command string) driver.ExecResult {
	verb, rest, _ := strings.Cut(command, " ")
	switch verb {
	case "echo":
		return driver.ExecResult{Output: []byte(rest + "\n")}
	case "env":
		return driver.ExecResult{Output: []byte(strings.Join(env, "\n") + "\n")}
	case "exit":
		if code, err := strconv.Atoi(rest); err == nil {
			return driver.ExecResult{ExitCode: code}
		}
	}
	return driver.ExecResult{ExitCode: 127, Output: []byte(verb + ": not found\n")}
}
