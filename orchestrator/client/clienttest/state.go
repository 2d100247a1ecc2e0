package clienttest

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"berth/orchestrator/api"
)

// cluster is the state that a server and its peers share.
type cluster struct {
	mu      sync.Mutex
	index   uint64
	apps    map[string]json.RawMessage
	revs    map[string]uint64 // by app, the index of its last change or removal
	streams map[*stream]bool
	acks    []api.Ack
}

// event is one event on its way to a stream.
type event struct {
	kind string
	data []byte
}

// change stores new texts of apps, nil for a removal, as one revision, and announces it.
func (c *cluster) change(texts map[string]json.RawMessage, kind string, fields func(id string) map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.index++
	var events []event
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		if text := texts[id]; text != nil {
			c.apps[id] = text
		} else {
			delete(c.apps, id)
		}
		c.revs[id] = c.index
		if kind != "" {
			events = append(events, c.event(kind, fields(id)))
		}
	}
	c.send(events)
}

// event makes an event of the present index; c.mu is held.
func (c *cluster) event(kind string, fields map[string]any) event {
	m := map[string]any{"eventType": kind, "timestamp": time.Now().UTC().Format(api.TimestampLayout), "index": c.index}
	maps.Copy(m, fields)
	data, _ := json.Marshal(m)
	return event{kind, data}
}

// send queues events, those of one revision together; c.mu is held.
func (c *cluster) send(events []event) {
	for s := range c.streams {
		s.queue(events)
	}
}

// list returns the texts of all apps sorted by id, and the index they reflect.
func (c *cluster) list() ([]json.RawMessage, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]json.RawMessage, 0, len(c.apps))
	for _, id := range slices.Sorted(maps.Keys(c.apps)) {
		out = append(out, c.apps[id])
	}
	return out, c.index
}

func (c *cluster) app(id string) (text json.RawMessage, index uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apps[id], c.index
}
