package store

import (
	"sync"
	"time"

	"berth/orchestrator/api"
)

// When a subscriber is cut off, see Subscribe.
const (
	EventBuffer   = 1024             // events (marathon-api.md section 9)
	EventLimit    = 1 << 16          // events
	EventPatience = 10 * time.Second // for the oldest of more than EventBuffer
)

// hub hands events to subscribers and waits for none.
type hub struct {
	mu     sync.Mutex
	subs   map[*subscriber]struct{}
	closed bool
	all    sync.WaitGroup
}

// Subscribe returns a channel with every event from now on, beginning with first, which everybody gets. The channel is
// closed by cancel, by Close, and when the next event finds that the subscriber does not keep up: EventBuffer events
// are undelivered, the oldest of them for EventPatience; or EventLimit are. What one write says is taken whole, however
// much it is.
func (s *Store) Subscribe(first api.Event) (c <-chan api.Event, cancel func()) {
	first.Index = s.Index()
	h := &s.hub
	sub := newSubscriber()
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
	h.all.Go(sub.deliver)
	h.send([]api.Event{first})
	return sub.c, func() {
		h.mu.Lock()
		h.drop(sub)
		h.mu.Unlock()
		<-sub.done
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
	h.send(events)
}

func (h *hub) send(events []api.Event) {
	p := parcel{events, time.Now()}
	for sub := range h.subs {
		if !sub.add(p) {
			h.drop(sub)
		}
	}
}

func (h *hub) drop(sub *subscriber) {
	if _, live := h.subs[sub]; live {
		delete(h.subs, sub)
		close(sub.stop)
	}
}

// close ends every subscription and waits for what serves them.
func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	for sub := range h.subs {
		h.drop(sub)
	}
	h.mu.Unlock()
	h.all.Wait()
}
