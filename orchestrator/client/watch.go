package client

import (
	"context"
	"sync"
	"time"
)

const (
	pollEvery   = 5 * time.Second // full reads while no event stream can be opened
	retryBase   = 100 * time.Millisecond
	retryMax    = 5 * time.Second
	fullBase    = 200 * time.Millisecond
	fullMax     = 10 * time.Second
	poison      = 3    // reads of one app that fail in a row before everything is read instead
	manySingles = 1000 // more apps waiting than this, and than half of all: everything is read instead
)

// watcher is one running Watch. Its loop owns all fields; the goroutines it starts talk to it through channels.
//
//	feed ─ notices ─→ loop ─ progress: what to read ─→ readers ─ results ─→ loop ─ state ─→ deliver
type watcher struct {
	c       *Client
	deliver func(context.Context, *Snapshot)

	in      *inbox
	out     *outbox
	singles chan singleResult
	fulls   chan fullResult
	saves   chan time.Duration
	wg      sync.WaitGroup

	st    *state
	pr    *progress
	susp  suspicion
	burst coalescer

	stream     int // counts connections and disconnections
	connected  bool
	live       bool // a source has been read and believed
	source     string
	cancelFull context.CancelFunc
	fullWait   backoff
	fullAt     time.Time // no full read before
	fullSent   time.Time
	avoid      string // URL not to be asked first in the next full read
	takeDirty  bool   // the next full read is to stand for waiting single reads
	resyncAt   time.Time

	delivered bool
	must      bool      // deliver although nothing changed
	changedAt time.Time // first change not delivered
	lastIndex uint64
	fullSince bool // a full read has been applied since the last delivery

	diskAt  time.Time // when to serve from the file
	disk    saved
	unsaved *Snapshot
	saving  bool
	saveAt  time.Time
}

func newWatcher(c *Client, deliver func(context.Context, *Snapshot)) *watcher {
	return &watcher{
		c: c, deliver: deliver,
		in: newInbox(), out: newOutbox(), singles: make(chan singleResult, c.opt.Parallel),
		fulls: make(chan fullResult), saves: make(chan time.Duration, 1),
		st: newState(), pr: newProgress(), susp: suspicion{hold: c.opt.HoldDown},
		burst:      coalescer{quiet: c.opt.Quiet, ceiling: c.opt.Ceiling},
		fullWait:   backoff{base: fullBase, max: fullMax},
		cancelFull: func() {},
	}
}

// run is Watch; it returns when ctx has ended and all goroutines have.
func (w *watcher) run(ctx context.Context) {
	w.c.mu.Lock()
	w.c.status, w.c.current, w.c.acks = Status{}, false, w.out
	w.c.mu.Unlock()
	w.loadCache()
	w.wg.Go(func() { w.c.feed(ctx, w.in) })
	w.wg.Go(func() { w.c.sendAcks(ctx, w.out) })
	w.loop(ctx)
	w.c.mu.Lock()
	w.c.acks, w.c.status.Connected = nil, false
	w.c.mu.Unlock()
	w.cancelFull()
	w.wg.Wait()
	if w.unsaved != nil {
		w.write(w.toSave())
	}
	w.c.Close()
}

func (w *watcher) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.in.wake:
			for _, n := range w.in.take() {
				w.take(n, time.Now())
			}
		case r := <-w.singles:
			w.single(r, time.Now())
		case r := <-w.fulls:
			w.full(r, time.Now())
		case took := <-w.saves:
			w.saving, w.saveAt = false, time.Now().Add(max(cacheEvery, cacheShare*took))
		case <-timer.C:
		}
		w.send(ctx, time.Now())
		w.deliverIfDue(ctx, time.Now())
		w.saveIfDue(time.Now())
		w.tell()
		timer.Reset(w.wake(time.Now()))
	}
}

// take takes in what the feed tells.
func (w *watcher) take(n notice, now time.Time) {
	switch {
	case n.url != "":
		w.restart(true)
		w.pr.wanted, w.fullAt = true, now
		w.c.note(func(s *Status) {
			if s.Connected = true; w.stream > 1 {
				s.Reconnects++
			}
		})
		w.c.log.Info("event stream open", "url", n.url)
	case n.err != nil:
		w.lost(n.err, now)
	default:
		w.pr.event(n.change)
		w.burst.note(now)
		w.c.note(func(s *Status) { s.EventsSeen++; s.LastEventAt = now })
	}
}

// lost notes the end of a stream or of an attempt. Without a stream everything is read now and then.
func (w *watcher) lost(err error, now time.Time) {
	if w.connected {
		w.restart(false)
	}
	if now.Sub(w.fullSent) >= pollEvery && w.pr.full == nil {
		w.pr.wanted = true
	}
	w.c.noteError(err, now)
	w.c.note(func(s *Status) { s.Connected = false })
	w.c.log.Warn("event stream down", "err", err)
}

// restart forgets what was known about the age of the state: it may have changed while nobody listened.
func (w *watcher) restart(connected bool) {
	w.stream++
	w.connected = connected
	w.cancelFull()
	w.pr.reset()
	w.burst.reset()
	w.out.clear(func() { w.c.noAcks.Store(false) })
	w.c.note(func(s *Status) { s.Index = 0 })
}
