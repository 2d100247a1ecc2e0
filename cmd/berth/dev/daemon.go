package dev

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// daemon is one of the programs that berth dev runs as a goroutine.
type daemon struct {
	name  string
	run   func(context.Context) error // until the context ends
	ready func(context.Context) error // nil once it serves; asked again until then
}

const (
	// readyTimeout bounds the start of one daemon.
	readyTimeout = 30 * time.Second
	readyPoll    = 20 * time.Millisecond
)

// running is a started daemon.
type running struct {
	daemon
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

func start(d daemon) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{daemon: d, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = d.run(ctx)
	}()
	return r
}

// stop ends the daemon and waits for it. That it was told to stop is no error.
func (r *running) stop() error {
	r.cancel()
	<-r.done
	if r.err == nil || errors.Is(r.err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", r.name, r.err)
}

// await returns once the daemon serves, or with the reason why it does not.
func (r *running) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		err := r.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-r.done:
			return r.ended()
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", r.name, err)
		case <-tick.C:
		}
	}
}

// supervise starts the daemons in order, each when the one before serves, calls up when all do, and stops them in the
// opposite order when ctx ends or one of them does.
func supervise(ctx context.Context, daemons []daemon, up func() error) error {
	var started []*running
	err := func() error {
		for _, d := range daemons {
			r := start(d)
			started = append(started, r)
			if err := r.await(ctx); err != nil {
				return err
			}
		}
		if err := up(); err != nil {
			return err
		}
		return wait(ctx, started)
	}()
	if ctx.Err() != nil {
		err = nil // told to stop, be it during the start
	}
	for i := len(started) - 1; i >= 0; i-- {
		if e := started[i].stop(); err == nil {
			err = e
		}
	}
	return err
}

// wait returns nil when ctx ends, or the error of the daemon that ended by itself.
func wait(ctx context.Context, started []*running) error {
	ended := make(chan *running, len(started))
	for _, r := range started {
		go func() { // ends when the daemon does; the caller stops them all
			<-r.done
			ended <- r
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case r := <-ended:
		return r.ended()
	}
}

// ended is the error of a daemon that was not told to end.
func (r *running) ended() error {
	if r.err == nil {
		return fmt.Errorf("%s ended by itself", r.name)
	}
	return fmt.Errorf("%s ended: %w", r.name, r.err)
}
