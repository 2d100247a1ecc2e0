package haproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	native "github.com/haproxytech/client-native/v5/runtime"
	"github.com/haproxytech/client-native/v5/runtime/options"
)

// conn is the little of client-native's Runtime that mlb calls. Both calls open a connection of their own, have a deadline
// of 30 seconds and try twice.
type conn interface {
	// ExecuteRaw sends a line with severity numbers switched on and returns the answer, blanks trimmed.
	ExecuteRaw(command string) (string, error)
	// ExecuteMaster sends a line to the master.
	ExecuteMaster(command string) (string, error)
}

// sockets speaks to the Runtime API of the current worker and to the master. Every call goes over a connection of its own,
// so calls don't wait for each other.
type sockets struct {
	stats, master string // paths
	dial          func(path string) (conn, error)
	calls         sync.WaitGroup
}

func newSockets(p Paths) *sockets {
	return &sockets{stats: p.Stats, master: p.Master, dial: dialNative}
}

func dialNative(path string) (conn, error) {
	c := new(native.SingleRuntime)
	return c, c.Init(path, 0, 0, options.RuntimeOptions{DoNotCheckRuntimeOnInit: true})
}

// wait returns when no call is under way any more; call it before giving the sockets up.
func (s *sockets) wait() { s.calls.Wait() }

// worker sends a line (commands separated by ";") to the current worker.
func (s *sockets) worker(ctx context.Context, line string) (string, error) {
	return s.call(ctx, s.stats, line, conn.ExecuteRaw)
}

// toMaster sends one command to the master, which passes "@1 …" on to the current worker and "@!<pid> …" to any other.
//
// The trailing line break is needed because client-native ends a master command with ";quit" and no line break, for which
// HAProxy waits until its own time-out.
func (s *sockets) toMaster(ctx context.Context, command string) (string, error) {
	return s.call(ctx, s.master, command+";quit\n", conn.ExecuteMaster)
}

var errNoAnswer = errors.New("no answer")

// call runs one exchange and gives up waiting for it when ctx ends; the exchange itself ends by client-native's deadline.
func (s *sockets) call(ctx context.Context, path, line string, f func(conn, string) (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	c, err := s.dial(path)
	if err != nil {
		return "", err
	}
	done := make(chan result, 1)
	s.calls.Go(func() {
		text, err := f(c, line)
		done <- result{text, err}
	})
	select {
	case r := <-done:
		return strings.TrimSpace(r.text), r.err
	case <-ctx.Done():
		return "", fmt.Errorf("%w on %s: %w", errNoAnswer, path, context.Cause(ctx))
	}
}
