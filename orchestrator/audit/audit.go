// Package audit keeps the record of who asked the orchestrator for what, as a file of JSON objects, one a line, whose
// older parts are kept up to a limit.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"sync"
)

// Defaults of Options.
const (
	DefaultSize = 16 << 20
	DefaultKeep = 8
)

// Options configure a Log.
type Options struct {
	File string // path; made if it is missing, readable by its owner only
	Size int64  // bytes at which the file becomes an older part; 0 means DefaultSize
	Keep int    // older parts kept, as File.1 (the newest) and so on; 0 means DefaultKeep
	Log  *slog.Logger
}

// Log is a file of records. It is safe for concurrent use.
type Log struct {
	opt Options

	mu   sync.Mutex // guards what follows
	file *os.File   // nil after Close, and after an error until the next record
	size int64
	shut bool
	bad  bool // the last record could not be written, which was told
}

// Open opens the file to append to it.
func Open(opt Options) (*Log, error) {
	if opt.Size <= 0 {
		opt.Size = DefaultSize
	}
	if opt.Keep <= 0 {
		opt.Keep = DefaultKeep
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{opt: opt}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

// Close ends the log. Records that come later are dropped.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	return l.release()
}

// Add appends record as one line. What cannot be written is told in the daemon's own log, once until it works again: an
// orchestrator that cannot write its audit log goes on.
func (l *Log) Add(record any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shut {
		return
	}
	err := l.add(record)
	switch {
	case err != nil && !l.bad:
		l.opt.Log.Error("audit record lost; more may follow", "file", l.opt.File, "error", err)
	case err == nil && l.bad:
		l.opt.Log.Info("audit records are written again", "file", l.opt.File)
	}
	l.bad = err != nil
}

func (l *Log) add(record any) error {
	line, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	line = append(line, '\n')
	if err := l.ready(int64(len(line))); err != nil {
		return err
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	if err != nil { // a part of a line may stand there: the next record begins a new one
		return errors.Join(err, l.release())
	}
	return nil
}

// ready makes sure that there is a file of the right name with room for n bytes.
func (l *Log) ready(n int64) error {
	if l.file != nil && l.moved() {
		if err := l.release(); err != nil {
			return err
		}
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if l.size == 0 || l.size+n <= l.opt.Size {
		return nil
	}
	if err := l.release(); err != nil {
		return err
	}
	if err := l.rotate(); err != nil {
		return err
	}
	return l.open()
}

// moved reports whether somebody took the file away, logrotate for example.
func (l *Log) moved() bool {
	ours, err1 := l.file.Stat()
	there, err2 := os.Stat(l.opt.File)
	return err1 != nil || err2 != nil || !os.SameFile(ours, there)
}

// rotate makes the file the newest older part.
func (l *Log) rotate() error {
	for i := l.opt.Keep; i >= 1; i-- {
		from := l.opt.File
		if i > 1 {
			from = l.part(i - 1)
		}
		if err := os.Rename(from, l.part(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *Log) part(i int) string { return l.opt.File + "." + strconv.Itoa(i) }

func (l *Log) open() error {
	f, err := os.OpenFile(l.opt.File, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: expected a file, found %s", l.opt.File, info.Mode().Type())
	}
	if err == nil {
		err = endLine(f, info.Size())
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// endLine ends a line that was cut off, by a full disk or a crash.
func endLine(f *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err := f.WriteString("\n")
	return err
}

func (l *Log) release() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file, l.size = nil, 0
	return err
}
