package haproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// openPipe opens the named pipe for HAProxy, making it if needed. It is opened for reading and writing: so HAProxy never
// gets SIGPIPE when mlb dies, never blocks (it is non-blocking: with 64 kB unread, messages are dropped), and the next mlb
// reads on.
func openPipe(path string) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeNamedPipe {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("pipe for haproxy's messages: %w", err)
		}
	}
	if err := unix.Mkfifo(path, 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("pipe for haproxy's messages: make %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("pipe for haproxy's messages: %w", err)
	}
	return f, nil
}

// messages passes HAProxy's messages on to mlb's log and remembers the last alerts, which tell why a start or reload did
// not work.
type messages struct {
	log *slog.Logger

	mu     sync.Mutex
	recent []string // ALERT lines
	count  int      // of alerts so far
}

const maxRecent = 50

// follow reads until ctx ends.
func (m *messages) follow(ctx context.Context, path string) error {
	f, err := openPipe(path)
	if err != nil {
		return err
	}
	defer f.Close()
	stop := context.AfterFunc(ctx, func() { _ = f.Close() })
	defer stop()
	r := bufio.NewReaderSize(f, 8<<10)
	for {
		line, err := r.ReadSlice('\n') // a longer line arrives in pieces
		m.take(strings.TrimRight(string(line), "\r\n"))
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if ctx.Err() != nil || errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read haproxy's messages: %w", err)
		}
	}
}

func (m *messages) take(line string) {
	if line = strings.TrimSpace(line); line == "" {
		return
	}
	level := slog.LevelInfo
	switch {
	case routine.MatchString(line), strings.Contains(line, "'server "+probe+"'"): // the latter answers AddsCookies
		level = slog.LevelDebug
	case strings.HasPrefix(line, "[ALERT]"):
		level = slog.LevelError
		m.mu.Lock()
		m.count++
		if m.recent = append(m.recent, line); len(m.recent) > maxRecent {
			m.recent = m.recent[1:]
		}
		m.mu.Unlock()
	case strings.HasPrefix(line, "[WARNING]"):
		level = slog.LevelWarn
	case strings.HasPrefix(line, "[NOTICE]"), strings.HasPrefix(line, "[DIAG]"):
		level = slog.LevelDebug
	}
	m.log.Log(context.Background(), level, "haproxy", "line", shorten(line))
}

// routine are messages about what mlb asked for itself: a line for every proxy at each reload, and one for every server it
// takes in or out.
var routine = regexp.MustCompile(`Proxy \S+ stopped|Server \S+ is (going DOWN for maintenance|UP/READY \(leaving forced)|` +
	`mlb_alive has no|'mlb_alive' has no`)

// mark returns the number of alerts so far; since returns those after a mark that are still remembered, one a line.
func (m *messages) mark() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.count
}

func (m *messages) since(mark int) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(m.count-mark, len(m.recent))
	return strings.Join(m.recent[len(m.recent)-n:], "\n")
}
