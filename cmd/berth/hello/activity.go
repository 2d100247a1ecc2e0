package hello

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// activity follows which connections are at work.
type activity struct {
	mu    sync.Mutex
	busy  map[net.Conn]bool
	idle  time.Time     // since when none is
	steps chan struct{} // holds a token after a change
}

func newActivity() *activity {
	return &activity{busy: map[net.Conn]bool{}, idle: time.Now(), steps: make(chan struct{}, 1)}
}

// connState is an http.Server's hook.
func (a *activity) connState(c net.Conn, s http.ConnState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch s {
	case http.StateNew, http.StateActive:
		a.busy[c] = true
	default:
		delete(a.busy, c)
		a.idle = time.Now()
	}
	select {
	case a.steps <- struct{}{}:
	default:
	}
}

// left is how long the server must stay idle until it has been so for d; d itself while it is busy.
func (a *activity) left(d time.Duration) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.busy) > 0 {
		return d
	}
	return d - time.Since(a.idle)
}

// waitQuiet returns when no connection has been at work for d from now on, or when ctx ends.
func (a *activity) waitQuiet(ctx context.Context, d time.Duration) {
	a.mu.Lock()
	a.idle = time.Now()
	a.mu.Unlock()
	for {
		left := a.left(d)
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-a.steps:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}
