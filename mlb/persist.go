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
// files that are old before they are written. What could not be written is tried again, more and more seldom, until it is
// on disk or HAProxy finds fault with it.
type persister struct {
	l      *LB
	wake   chan struct{}
	result chan error // of each failure, and nil once it is made good

	mu   sync.Mutex
	out  render.Output
	want func() *haproxy.Sections
}

func newPersister(l *LB) *persister {
	return &persister{l: l, wake: make(chan struct{}, 1), result: make(chan error, 1)}
}

func (p *persister) put(out render.Output, want func() *haproxy.Sections) {
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
	var again <-chan time.Time
	took, wait := time.Duration(0), time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-again:
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
		err := p.l.opt.Proxy.Persist(ctx, out, want())
		took = time.Since(began)
		if ctx.Err() != nil || err == nil && wait == 0 {
			continue
		}
		select {
		case p.result <- err:
		case <-ctx.Done():
		}
		if err == nil || refuses(err) { // a reload will tell who is to blame for the latter
			again, wait = nil, 0
			continue
		}
		wait = min(max(2*wait, minRetry), maxRest)
		again = time.After(wait)
	}
}

// refuses reports whether an error is HAProxy's verdict.
func refuses(err error) bool {
	var refused *haproxy.CheckError
	return errors.As(err, &refused) && !refused.NoVerdict
}

// flush writes what is waiting, at once.
func (p *persister) flush(ctx context.Context) error {
	p.mu.Lock()
	out, want := p.out, p.want
	p.mu.Unlock()
	if out.Config() == nil {
		return nil
	}
	return p.l.opt.Proxy.Persist(ctx, out, want())
}

const (
	minRest  = 20 * time.Millisecond
	minRetry = 250 * time.Millisecond
	maxRest  = 5 * time.Second
)
