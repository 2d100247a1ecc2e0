package haproxy

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"berth/mlb/plan"
)

// FailHealth makes the health page of the statistics port answer 503, so that whoever stands in front of this load balancer
// goes elsewhere: the page depends on a server that exists for nothing else.
func (h *HAProxy) FailHealth(ctx context.Context) error {
	if _, err := h.sock.send(ctx, []plan.Command{{Line: "set server mlb_alive/alive state maint"}}); err != nil {
		return fmt.Errorf("fail the health page: %w", err)
	}
	return nil
}

// Stop ends HAProxy softly: no new connections, and running ones may finish for as long as bound; then they are cut.
func (h *HAProxy) Stop(ctx context.Context, bound time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.running {
		return nil
	}
	h.running = false
	if procs, err := h.sock.procs(ctx); err == nil {
		h.see(procs)
	}
	steps := []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGUSR1, bound}, {syscall.SIGTERM, 2 * time.Second}, {syscall.SIGKILL, 2 * time.Second}}
	for _, s := range steps {
		if err := h.master.signal(s.signal); err != nil {
			return fmt.Errorf("stop haproxy: %w", err)
		}
		if s.signal == syscall.SIGKILL {
			for _, w := range h.workers {
				_ = w.signal(syscall.SIGKILL)
			}
		}
		if h.ended(ctx, s.wait) {
			return nil
		}
	}
	return fmt.Errorf("stop haproxy: process %d does not end", h.master.pid)
}

func (h *HAProxy) ended(ctx context.Context, bound time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	return h.master.wait(ctx) == nil
}
