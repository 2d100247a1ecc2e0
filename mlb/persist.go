package mlb

import (
	"context"
	"errors"
	"sync"
	"time"

	"berth/mlb/haproxy"
	"berth/mlb/render"
)

// persister writes files after Runtime API changes, out of the loop's way; only the newest output counts. Checking takes as
// long as there are backends, so between two of them it rests for twice that long: a burst of changes is not slowed down by
// files that are old before they are written. What cannot be written, because the disk is full for example, is tried again.
type persister struct {
	l    *LB
	wake chan struct{}
	news chan error // failures, and nil for the first success after some

	mu   sync.Mutex
	out  render.Output
	want *haproxy.Sections
}

func newPersister(l *LB) *persister {
	return &persister{l: l, wake: make(chan struct{}, 1), news: make(chan error, 1)}
}

func (p *persister) put(out render.Output, want *haproxy.Sections) {
	p.mu.Lock()
	p.out, p.want = out, want
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *persister) run(ctx context.Context) {
	rest := time.NewTimer(minRest)
	defer rest.Stop()
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	again.Stop()
	took, failing := time.Duration(0), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-again.C:
		}
		rest.Reset(min(max(2*took, minRest), maxRest))
		select {
		case <-ctx.Done():
			return
		case <-rest.C:
		}
		p.mu.Lock()
		out, want := p.out, p.want
		p.mu.Unlock()
		began := time.Now()
		err := p.l.opt.Proxy.Persist(ctx, out, want)
		took = time.Since(began)
		if err != nil && !refuses(err) { // what HAProxy refuses, it refuses again
			again.Reset(p.l.opt.RetryInterval)
		}
		if err != nil || failing {
			select {
			case p.news <- err:
			case <-ctx.Done():
			}
		}
		failing = err != nil
	}
}

// refuses reports whether it is HAProxy's verdict that an error is about.
func refuses(err error) bool {
	var refused *haproxy.CheckError
	return errors.As(err, &refused) && !refused.NoVerdict
}

// flush writes what is waiting, at once.
func (p *persister) flush(ctx context.Context) error {
	p.mu.Lock()
	out, want := p.out, p.want
	p.mu.Unlock()
	if out.Config == nil {
		return nil
	}
	return p.l.opt.Proxy.Persist(ctx, out, want)
}

const (
	minRest = 20 * time.Millisecond
	maxRest = 5 * time.Second
)
