package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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

// Logs implements driver.Driver. Close ends a Read that waits.
func (d *Driver) Logs(ctx context.Context, taskID string, opt driver.LogOptions) (io.ReadCloser, error) {
	t, err := d.task(taskID)
	if err != nil {
		return nil, err
	}
	out, ok := t.outputs[opt.Stream]
	if !ok {
		return nil, fmt.Errorf("read logs of task %s: stream %q: expected stdout or stderr", taskID, opt.Stream)
	}
	l := &logReader{
		ctx: ctx, out: out, follow: opt.Follow, done: t.done, wait: followMin, closed: make(chan struct{}),
	}
	if err := l.open(opt.Lines); err != nil {
		return nil, fmt.Errorf("read logs of task %s: %w", taskID, err)
	}
	return l, nil
}

// logReader reads the older part, if it is wanted, then the current file, and with follow waits for more. When the file
// has been rotated meanwhile, what was not read of it yet is in the older part.
type logReader struct {
	ctx    context.Context
	out    *output
	follow bool
	done   <-chan struct{}
	wait   time.Duration

	mu     sync.Mutex // held while using what follows: Close may come at any time
	part   *os.File   // the older part, while it is to be read first
	file   *os.File
	offset int64 // in file
	turns  int   // rotations of out that are taken account of

	closing sync.Once
	closed  chan struct{}
}

// open opens the files and goes to the last n lines.
func (l *logReader) open(n int) error {
	l.out.mu.RLock()
	defer l.out.mu.RUnlock()
	var err error
	if l.file, err = os.Open(l.out.name); err != nil {
		return err
	}
	l.turns = l.out.turns
	if err := l.seek(n); err != nil {
		return errors.Join(err, l.Close())
	}
	return nil
}

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
	part, err := os.Open(l.out.old())
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
	l.out.mu.RLock()
	defer l.out.mu.RUnlock()
	for {
		if n, err := l.readPart(p); n > 0 || err != nil {
			return n, err
		}
		if l.turns != l.out.turns {
			if err := l.turn(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := l.file.ReadAt(p, l.offset)
		l.offset += int64(n)
		if n > 0 || errors.Is(err, io.EOF) {
			return n, nil
		}
		return 0, err
	}
}

// readPart reads of the older part; 0 without error means that there is none, or no more of it.
func (l *logReader) readPart(p []byte) (int, error) {
	if l.part == nil {
		return 0, nil
	}
	n, err := l.part.Read(p)
	if n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	err = l.part.Close()
	l.part = nil
	return 0, err
}

// turn takes account of rotations: the rest of what was the current file is read next. After more than one, what lay
// between is lost and the whole older part is news.
func (l *logReader) turn() error {
	missed := max(0, l.offset-l.out.dropped)
	if l.out.turns > l.turns+1 {
		missed = 0
	}
	l.turns, l.offset = l.out.turns, 0
	return l.openOld(func(size int64) (int64, error) { return min(missed, size), nil })
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
