package hello

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// echo sends back every byte it gets, on each connection of its own, until ctx ends; then connections have grace to end
// by themselves.
func echo(ctx context.Context, l net.Listener, grace time.Duration) error {
	e := &echoer{conns: map[net.Conn]bool{}}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err == nil {
			e.work.Go(func() { e.serve(conn) })
			continue
		}
		if ctx.Err() == nil {
			l.Close()
			e.finish(0)
			return fmt.Errorf("accept: %w", err)
		}
		if errors.Is(context.Cause(ctx), errPlanned) {
			grace = 0
		}
		e.finish(grace)
		return nil
	}
}

type echoer struct {
	work  sync.WaitGroup
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (e *echoer) serve(conn net.Conn) {
	e.mu.Lock()
	e.conns[conn] = true
	e.mu.Unlock()
	_, _ = io.Copy(conn, conn) // either side may hang up at any time
	conn.Close()
	e.mu.Lock()
	delete(e.conns, conn)
	e.mu.Unlock()
}

// finish waits for the connections, and closes after grace those that are left.
func (e *echoer) finish(grace time.Duration) {
	timer := time.AfterFunc(grace, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		for c := range e.conns {
			c.Close()
		}
	})
	defer timer.Stop()
	e.work.Wait()
}
