package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/orchestrator/driver"
	"berth/orchestrator/driver/tail"
)

// How long a follower waits before it looks at a quiet file again: it begins with the first and doubles to the second.
const (
	followMin = 20 * time.Millisecond
	followMax = 500 * time.Millisecond
)

// outputParts names a stream's files, the older part first.
func outputParts(dir string, s driver.Stream) []string {
	name := filepath.Join(dir, string(s))
	return []string{name + ".1", name}
}

// Logs implements driver.Driver. Close ends a Read that waits.
func (d *Driver) Logs(ctx context.Context, taskID string, opt driver.LogOptions) (io.ReadCloser, error) {
	t, err := d.task(taskID)
	if err != nil {
		return nil, err
	}
	if opt.Stream != driver.Stdout && opt.Stream != driver.Stderr {
		return nil, fmt.Errorf("read logs of task %s: stream %q: expected stdout or stderr", taskID, opt.Stream)
	}
	parts := outputParts(t.dir, opt.Stream)
	l := &logReader{old: parts[0], closed: make(chan struct{}), follow: opt.Follow, done: t.done, ctx: ctx, wait: followMin}
	if l.file, err = os.Open(parts[1]); err != nil {
		return nil, fmt.Errorf("read logs of task %s: %w", taskID, err)
	}
	if err := l.seek(opt.Lines); err != nil {
		l.Close()
		return nil, fmt.Errorf("read logs of task %s: %w", taskID, err)
	}
	return l, nil
}

// logReader reads the older part, if it is wanted, then the current file, and with follow waits for more. The current
// file is cut to nothing when it has grown too large (rotate); what it had until then is in the older part.
type logReader struct {
	ctx    context.Context
	old    string // name of the older part
	part   *os.File
	file   *os.File
	offset int64 // in file
	follow bool
	done   <-chan struct{}
	wait   time.Duration

	mu      sync.Mutex // held while reading and closing the files
	closing sync.Once
	closed  chan struct{}
}

// seek goes to the last n lines.
func (l *logReader) seek(n int) error {
	info, err := l.file.Stat()
	if err != nil {
		return err
	}
	offset, lines, err := tail.Offset(l.file, info.Size(), n)
	l.offset = offset
	if err != nil || n == 0 || lines == n && n > 0 {
		return err
	}
	return l.openOld(func(size int64) (int64, error) {
		offset, _, err := tail.Offset(l.part, size, max(n-lines, -1))
		return offset, err
	})
}

// openOld makes the older part the next to be read, from the offset that at says; without one there is nothing to do.
func (l *logReader) openOld(at func(size int64) (int64, error)) error {
	part, err := os.Open(l.old)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	l.part = part
	info, err := part.Stat()
	if err != nil {
		return err
	}
	offset, err := at(info.Size())
	if err != nil {
		return err
	}
	_, err = part.Seek(offset, io.SeekStart)
	return err
}

func (l *logReader) Read(p []byte) (int, error) {
	for len(p) > 0 {
		ended := isClosed(l.done) // asked before reading: what is written before the end is read
		n, err := l.readSome(p)
		if n > 0 || err != nil {
			l.wait = followMin
			return n, err
		}
		if l.more() {
			continue
		}
		if !l.follow || ended {
			return 0, io.EOF
		}
		if err := l.pause(); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// readSome reads what there is; 0 without error means nothing at the moment.
func (l *logReader) readSome(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.part != nil {
		n, err := l.part.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		err = l.part.Close()
		l.part = nil
		return 0, err
	}
	n, err := l.file.ReadAt(p, l.offset)
	l.offset += int64(n)
	if n > 0 {
		return n, nil // a short read comes with io.EOF, which is not the end here
	}
	if !errors.Is(err, io.EOF) {
		return 0, err
	}
	info, err := l.file.Stat()
	if err != nil || info.Size() >= l.offset {
		return 0, err
	}
	missed := l.offset
	l.offset = 0
	return 0, l.openOld(func(size int64) (int64, error) { return min(missed, size), nil })
}

// more reports whether there is a part to be read at once.
func (l *logReader) more() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part != nil
}

func (l *logReader) pause() error {
	timer := time.NewTimer(l.wait)
	defer timer.Stop()
	l.wait = min(2*l.wait, followMax)
	select {
	case <-timer.C:
	case <-l.done:
	case <-l.ctx.Done():
		return l.ctx.Err()
	case <-l.closed:
		return os.ErrClosed
	}
	return nil
}

// Close may be called while a Read waits, and more than once.
func (l *logReader) Close() error {
	var err error
	l.closing.Do(func() {
		close(l.closed)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.part != nil {
			l.part.Close()
		}
		err = l.file.Close()
	})
	return err
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
