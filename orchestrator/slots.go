package orchestrator

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// slots bound calls to drivers: in all, and of one app, so that a slow one holds up nobody else.
type slots struct {
	all *semaphore.Weighted
	own int64 // of one app

	mu     sync.Mutex
	perApp map[string]*semaphore.Weighted
}

func newSlots(all, perApp int64) *slots {
	return &slots{all: semaphore.NewWeighted(all), own: perApp, perApp: map[string]*semaphore.Weighted{}}
}

// take waits until the app, and then everybody, may have one more call, or returns the context's error.
func (s *slots) take(ctx context.Context, app string) (release func(), err error) {
	s.mu.Lock()
	own := s.perApp[app]
	if own == nil {
		own = semaphore.NewWeighted(s.own)
		s.perApp[app] = own
	}
	s.mu.Unlock()
	if err := own.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	if err := s.all.Acquire(ctx, 1); err != nil {
		own.Release(1)
		return nil, err
	}
	return func() {
		s.all.Release(1)
		own.Release(1)
		s.mu.Lock()
		defer s.mu.Unlock()
		if own.TryAcquire(s.own) { // nobody else uses it
			delete(s.perApp, app)
			own.Release(s.own)
		}
	}, nil
}
