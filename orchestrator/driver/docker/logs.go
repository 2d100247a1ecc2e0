package docker

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"berth/orchestrator/driver"
)

// Logs implements driver.Driver. A task with a terminal has one output, its stdout.
func (d *Driver) Logs(ctx context.Context, taskID string, opt driver.LogOptions) (io.ReadCloser, error) {
	c, err := d.inspect(ctx, taskID)
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	r, err := d.openLogs(ctx, c, opt)
	if err != nil {
		return nil, fmt.Errorf("read logs of task %s: %w", taskID, d.explain(err))
	}
	return r, nil
}

func (d *Driver) openLogs(
	ctx context.Context, c container.InspectResponse, opt driver.LogOptions,
) (io.ReadCloser, error) {
	if opt.Stream != driver.Stdout && opt.Stream != driver.Stderr {
		return nil, fmt.Errorf("stream %q: expected stdout or stderr", opt.Stream)
	}
	lo := container.LogsOptions{
		Follow: opt.Follow, ShowStdout: opt.Stream == driver.Stdout, ShowStderr: opt.Stream == driver.Stderr,
	}
	if opt.Lines >= 0 && opt.Lines <= maxTail {
		since, err := d.tailStart(ctx, c, opt)
		if err != nil {
			return nil, err
		}
		lo.Since = since
	}
	body, err := d.cli.ContainerLogs(ctx, c.ID, lo)
	if err != nil {
		return nil, err
	}
	if c.Config.Tty {
		return body, nil
	}
	return demux(body), nil
}

// demux takes the engine's framing off: without a terminal, each piece of output comes with a header of 8 bytes.
func demux(body io.ReadCloser) io.ReadCloser {
	r, w := io.Pipe()
	l := &logReader{PipeReader: r, body: body}
	l.work.Go(func() {
		_, err := stdcopy.StdCopy(w, w, body)
		w.CloseWithError(err)
	})
	return l
}

type logReader struct {
	*io.PipeReader
	body io.Closer
	work sync.WaitGroup
}

// Close ends a Read that waits, and the work behind it.
func (l *logReader) Close() error {
	err := l.body.Close()
	_ = l.PipeReader.Close() // never fails
	l.work.Wait()
	return err
}
