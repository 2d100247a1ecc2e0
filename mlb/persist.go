package mlb

import (
	"context"
	"sync"

	"berth/mlb/haproxy"
	"berth/mlb/render"
)

// persister writes files after Runtime API changes, out of the loop's way; only the newest output counts.
type persister struct {
	l      *LB
	wake   chan struct{}
	failed chan error

	mu   sync.Mutex
	out  render.Output
	want *haproxy.Sections
}

func newPersister(l *LB) *persister {
	return &persister{l: l, wake: make(chan struct{}, 1), failed: make(chan error, 1)}
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
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		out, want := p.out, p.want
		p.mu.Unlock()
		if err := p.l.opt.Proxy.Persist(ctx, out, want); err != nil && ctx.Err() == nil {
			select {
			case p.failed <- err:
			case <-ctx.Done():
			}
		}
	}
}
