// Package feed spreads the state changes of a driver's tasks to those who watch it. Publishing never blocks: a watcher
// that falls too far behind has its channel closed, which by the contract of driver.Watch means "list and watch again".
package feed

import (
	"context"
	"sync"

	"berth/orchestrator/driver"
)

// Backlog is the number of undelivered changes at which a watcher is cut off.
const Backlog = 4096

// Feed is a set of watchers. The zero value is ready.
type Feed struct {
	mu     sync.Mutex // guards subs, closed and every send and close of a channel
	subs   map[chan driver.Status]struct{}
	closed bool
}

// Watch returns a channel of all changes from now on, closed when ctx ends, the feed closes, or the reader is too slow.
func (f *Feed) Watch(ctx context.Context) <-chan driver.Status {
	c := make(chan driver.Status, Backlog)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		close(c)
		return c
	}
	if f.subs == nil {
		f.subs = map[chan driver.Status]struct{}{}
	}
	f.subs[c] = struct{}{}
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.drop(c)
	})
	return c
}

// Publish delivers s to every watcher.
func (f *Feed) Publish(s driver.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.subs {
		select {
		case c <- s:
		default:
			f.drop(c)
		}
	}
}

// Disconnect closes the channels of all present watchers; new ones may come.
func (f *Feed) Disconnect() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.subs {
		f.drop(c)
	}
}

// Close disconnects all watchers and gives later ones a closed channel.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for c := range f.subs {
		f.drop(c)
	}
}

// drop must be called with mu held.
func (f *Feed) drop(c chan driver.Status) {
	if _, ok := f.subs[c]; ok {
		delete(f.subs, c)
		close(c)
	}
}
