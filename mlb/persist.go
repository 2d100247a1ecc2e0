package mlb

import (
	"context"
	"sync"
	"time"

	"berth/mlb/haproxy"
	"berth/mlb/render"
)

// persister writes files after Runtime API changes, out of the loop's way; only the newest output counts. Checking takes as
// long as there are backends, so between two of them it rests for twice that long: a burst of changes is not slowed down by
// files that are old before they are written.
type persister struct {
	l      *LB
	wake   chan struct{}
	failed chan error

	mu   sync.Mutex
	out  render.Output
	want func() *haproxy.Sections
}

func newPersister(l *LB) *persister {
	return &persister{l: l, wake: make(chan struct{}, 1), failed: make(chan error, 1)}
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
	took := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
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
		if err := p.l.opt.Proxy.Persist(ctx, out, want()); err != nil && ctx.Err() == nil {
			select {
			case p.failed <- err:
			case <-ctx.Done():
			}
		}
		took = time.Since(began)
	}
}

// flush writes what is waiting, at once.
func (p *persister) flush(ctx context.Context) error {
	p.mu.Lock()
	out, want := p.out, p.want
	p.mu.Unlock()
	if out.Config == nil {
		return nil
	}
	return p.l.opt.Proxy.Persist(ctx, out, want())
}

const (
	minRest = 20 * time.Millisecond
	maxRest = 5 * time.Second
)
