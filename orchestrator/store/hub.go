package store

import (
	"sync"

	"berth/orchestrator/api"
)

// EventBuffer is how many undelivered events a subscriber may have before it is cut off (marathon-api.md section 9).
const EventBuffer = 1024

// hub hands events to subscribers and waits for none.
type hub struct {
	mu     sync.Mutex
	subs   map[*subscriber]struct{}
	closed bool
}

type subscriber struct{ c chan api.Event }

// Subscribe returns a channel with every event from now on, beginning with first, which everybody gets. The channel is
// closed when EventBuffer events are undelivered, by cancel, and by Close.
func (s *Store) Subscribe(first api.Event) (c <-chan api.Event, cancel func()) {
	first.Index = s.Index()
	h := &s.hub
	sub := &subscriber{make(chan api.Event, EventBuffer)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(sub.c)
		return sub.c, func() {}
	}
	if h.subs == nil {
		h.subs = map[*subscriber]struct{}{}
	}
	h.subs[sub] = struct{}{}
	h.send(first)
	return sub.c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(sub)
	}
}

// Publish sends an event that belongs to no write.
func (s *Store) Publish(e api.Event) {
	e.Index = s.Index()
	s.hub.publish([]api.Event{e})
}

func (h *hub) publish(events []api.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		h.send(e)
	}
}

func (h *hub) send(e api.Event) {
	for sub := range h.subs {
		select {
		case sub.c <- e:
		default:
			h.drop(sub)
		}
	}
}

func (h *hub) drop(sub *subscriber) {
	if _, live := h.subs[sub]; live {
		delete(h.subs, sub)
		close(sub.c)
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for sub := range h.subs {
		h.drop(sub)
	}
}
