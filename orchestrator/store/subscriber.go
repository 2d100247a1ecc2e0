package store

import (
	"sync"
	"time"

	"berth/orchestrator/api"
)

// subscriber holds what one listener has not taken yet. Batches are shared between subscribers; only the list of them
// is its own.
type subscriber struct {
	c    chan api.Event
	stop chan struct{} // closed to end deliver
	wake chan struct{} // one place: there is something to deliver
	done chan struct{} // closed by deliver when it ends

	mu      sync.Mutex
	waiting []parcel // the first may be partly delivered
	count   int      // undelivered events
}

// parcel is what one write said.
type parcel struct {
	events []api.Event
	at     time.Time
}

func newSubscriber() *subscriber {
	return &subscriber{
		c: make(chan api.Event), stop: make(chan struct{}), wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// add takes a parcel, or reports that the subscriber is too slow for it.
func (s *subscriber) add(p parcel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late(p.at) {
		return false
	}
	s.waiting = append(s.waiting, p)
	s.count += len(p.events)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return true
}

// late is the rule for cutting a subscriber off: see Subscribe. The size of what comes does not count, only what is left
// of what came before it: one write may say more than any buffer holds.
func (s *subscriber) late(now time.Time) bool {
	switch {
	case s.count < EventBuffer:
		return false
	case s.count >= EventLimit:
		return true
	}
	return now.Sub(s.waiting[0].at) >= EventPatience
}

// deliver hands over one event after another until stop is closed.
func (s *subscriber) deliver() {
	defer close(s.done)
	defer close(s.c)
	for {
		events := s.first()
		if events == nil {
			select {
			case <-s.wake:
				continue
			case <-s.stop:
				return
			}
		}
		for _, e := range events {
			select {
			case s.c <- e:
				s.took()
			case <-s.stop:
				return
			}
		}
		s.next()
	}
}

func (s *subscriber) first() []api.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting) == 0 {
		return nil
	}
	return s.waiting[0].events
}

func (s *subscriber) took() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count--
}

func (s *subscriber) next() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[0] = parcel{}
	s.waiting = s.waiting[1:]
}
