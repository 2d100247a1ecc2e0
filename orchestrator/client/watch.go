package client

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"berth/orchestrator/api"
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
		in: newInbox(), singles: make(chan singleResult, c.opt.Parallel),
		fulls: make(chan fullResult), saves: make(chan time.Duration, 1),
		st: newState(), pr: newProgress(), susp: suspicion{hold: c.opt.HoldDown},
		burst:      coalescer{quiet: c.opt.Quiet, ceiling: c.opt.Ceiling},
		fullWait:   backoff{base: fullBase, max: fullMax},
		cancelFull: func() {},
	}
}

// run is Watch; it returns when ctx has ended and all goroutines have.
func (w *watcher) run(ctx context.Context) {
	out := newOutbox()
	w.c.mu.Lock()
	w.c.status, w.c.current, w.c.acks = Status{}, false, out
	w.c.mu.Unlock()
	w.loadCache()
	w.wg.Go(func() { w.c.feed(ctx, w.in) })
	w.wg.Go(func() { w.c.sendAcks(ctx, out) })
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
		w.c.noAcks.Store(false)
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
}

// send starts the reads that are due.
func (w *watcher) send(ctx context.Context, now time.Time) {
	confirm := w.susp.next()
	switch {
	case !confirm.IsZero() && !now.Before(confirm),
		!w.resyncAt.IsZero() && !now.Before(w.resyncAt):
		w.pr.wanted = w.pr.full == nil
	case len(w.pr.dirty) > max(manySingles, len(w.st.apps)/2) && w.pr.synced:
		w.pr.wanted, w.takeDirty = true, true
	}
	if w.pr.wanted && w.pr.full == nil && !now.Before(w.fullAt) {
		w.sendFull(ctx, now)
	}
	if at, ok := w.singlesAt(); ok && !now.Before(at) {
		n := w.c.opt.Parallel - len(w.pr.flight)
		ids := w.pr.take(n, now)
		for _, id := range ids {
			w.c.note(func(s *Status) { s.SingleReads++ })
			w.wg.Go(func() { w.singles <- w.c.readOne(ctx, id) })
		}
		if len(ids) < n {
			w.burst.reset()
		}
	}
	if due := w.burst.due(); !due.IsZero() && !now.Before(due) && len(w.pr.dirty) == 0 {
		w.burst.reset()
	}
}

// singlesAt is when single reads may start, if there is anything to read. Before the first full read of a stream they
// would be in vain, unless that one is not believed.
func (w *watcher) singlesAt() (time.Time, bool) {
	at, ok := w.pr.ready()
	if !ok || len(w.pr.flight) >= w.c.opt.Parallel || !w.pr.synced && w.susp.since.IsZero() {
		return at, false
	}
	if due := w.burst.due(); due.After(at) {
		at = due
	}
	return at, true
}

func (w *watcher) sendFull(ctx context.Context, now time.Time) {
	w.pr.startFull(!w.pr.synced || w.takeDirty)
	w.takeDirty = false
	w.fullSent, w.resyncAt = now, now.Add(jitter(w.c.opt.Resync))
	ctx, cancel := context.WithCancel(ctx)
	w.cancelFull = cancel
	known, avoid, stream := w.st.known(), w.avoid, w.stream
	w.c.note(func(s *Status) { s.FullReads++ })
	w.wg.Go(func() {
		defer cancel()
		r := w.c.readAll(ctx, known, avoid)
		r.stream = stream
		select {
		case w.fulls <- r:
		case <-ctx.Done():
		}
	})
}

// jitter spreads d by a tenth to both sides.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + time.Duration(rand.Float64()*float64(d/5))
}

// single takes in one app.
func (w *watcher) single(r singleResult, now time.Time) {
	if r.err != nil {
		n := w.pr.attempts(r.id)
		wait := backoff{base: retryBase, max: retryMax, n: n}
		if w.pr.failed(r.id, now.Add(wait.next(rand.Float64()))) >= poison && w.pr.synced {
			w.pr.wanted, w.takeDirty = true, true // the list may show it, and others must not wait for it
		}
		w.c.noteError(r.err, now)
		return
	}
	switch w.pr.done(r.id, r.index, now.Add(retryBase)) {
	case stale:
		w.c.note(func(s *Status) { s.StaleReads++ })
		return
	case void:
		return
	}
	if r.gone {
		w.st.remove(r.id)
	} else {
		w.st.put(r.item, false)
	}
	w.noteChange(now)
}

// full takes in everything, if it can be believed.
func (w *watcher) full(r fullResult, now time.Time) {
	if r.stream != w.stream || w.pr.full == nil {
		return
	}
	if r.err == nil && w.pr.staleFull(r.index) {
		r.err = errors.New("read all apps: the answer is older than the events before it")
		w.avoid = r.source
		w.c.note(func(s *Status) { s.StaleReads++ })
	}
	if r.err != nil {
		w.again(now.Add(w.fullWait.next(rand.Float64())))
		w.c.noteError(r.err, now)
		w.c.log.Warn("full read did not succeed", "err", r.err)
		return
	}
	believed := w.st.census()
	if !w.susp.believe(believed, censusOf(r.items, believed), w.pr.announced, now) {
		w.doubt(r, len(believed))
		return
	}
	if !w.st.merge(r.items, func(id string) bool { return w.pr.keep(id, r.index) }) {
		w.again(now)
		return
	}
	w.believed(r, now)
}

// again repeats a full read at a later time.
func (w *watcher) again(at time.Time) {
	w.pr.dropFull()
	w.pr.wanted, w.fullAt = true, at
}

func (w *watcher) doubt(r fullResult, apps int) {
	w.pr.dropFull()
	w.avoid = r.source
	w.c.note(func(s *Status) { s.Suspicious = true; s.Suspicions++ })
	w.c.log.Warn("sudden loss of most apps or tasks not believed yet", "url", r.source,
		"apps_before", apps, "apps_now", len(r.items), "hold_down", w.c.opt.HoldDown)
}

func (w *watcher) believed(r fullResult, now time.Time) {
	w.must = w.must || !w.live || !w.pr.synced && r.index != 0 // a new stream's server waits for an acknowledgement
	w.pr.endFull(r.index)
	w.live, w.source, w.avoid, w.fullSince = true, r.source, "", true
	w.fullWait.reset()
	w.fullAt = now.Add(max(retryBase, r.took)) // at most half of the time goes into full reads
	w.c.note(func(s *Status) {
		s.Suspicious, s.Source, s.FromDisk, s.LastSync = false, r.source, false, now
	})
	w.noteChange(now)
}

func (w *watcher) noteChange(now time.Time) {
	if w.st.changed && w.changedAt.IsZero() {
		w.changedAt = now
	}
}

// deliverIfDue hands over what has changed once all reads of a burst are in, or at the ceiling without the late ones.
func (w *watcher) deliverIfDue(ctx context.Context, now time.Time) {
	if at, ok := w.deliverAt(); !ok || now.Before(at) {
		return
	}
	at, source := now, w.source
	if !w.live {
		at, source = w.disk.at, "disk"
	}
	s := w.st.snapshot(w.claim(), at, source, w.fullSince)
	w.delivered, w.must, w.fullSince, w.changedAt, w.lastIndex = true, false, false, time.Time{}, s.Index
	w.c.note(func(st *Status) {
		st.SnapshotApps, st.Problems, st.Index, st.FromDisk = len(s.Apps), len(s.Problems), s.Index, !w.live
	})
	if w.live && w.c.opt.CacheFile != "" {
		w.unsaved = s
	}
	w.deliver(ctx, s)
}

func (w *watcher) deliverAt() (time.Time, bool) {
	switch {
	case !w.live && !w.delivered:
		return w.diskAt, !w.diskAt.IsZero()
	case w.must:
		return time.Time{}, true
	case w.st.changed && len(w.pr.flight) == 0:
		return time.Time{}, true
	case w.st.changed:
		return w.changedAt.Add(w.c.opt.Ceiling), true
	case w.live && w.pr.synced && len(w.pr.flight) == 0 && w.claim() != w.lastIndex:
		return w.burst.due(), true
	}
	return time.Time{}, false
}

// claim is the index of a snapshot made now; what comes from the file has none.
func (w *watcher) claim() uint64 {
	if !w.live {
		return 0
	}
	return w.pr.claim()
}

// tell brings what Status says up to date.
func (w *watcher) tell() {
	idle := w.live && w.pr.idle()
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.c.current && !idle && w.c.lastByte.After(w.c.status.LastSync) {
		w.c.status.LastSync = w.c.lastByte
	}
	w.c.current = idle
}

// wake is how long the loop may sleep.
func (w *watcher) wake(now time.Time) time.Duration {
	next := now.Add(time.Minute)
	sooner := func(t time.Time, ok bool) {
		if ok && t.Before(next) {
			next = t
		}
	}
	if w.pr.full == nil {
		sooner(w.fullAt, w.pr.wanted)
		sooner(w.susp.next(), !w.susp.next().IsZero())
		sooner(w.resyncAt, !w.resyncAt.IsZero())
	}
	sooner(w.singlesAt())
	sooner(w.deliverAt())
	sooner(w.saveAt, w.unsaved != nil && !w.saving)
	return max(0, next.Sub(now))
}

// loadCache fills the state from the file, which is served if no source answers soon, and is what the first full read is
// compared with.
func (w *watcher) loadCache() {
	if w.c.opt.CacheFile == "" {
		return
	}
	s, err := load(w.c.opt.CacheFile)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			w.c.log.Warn("cache file ignored", "file", w.c.opt.CacheFile, "err", err)
		}
		return
	}
	w.disk = s
	for _, a := range s.apps {
		w.st.put(item{id: a.ID, app: a}, true)
	}
	for _, id := range slices.Sorted(maps.Keys(s.verdicts)) {
		w.st.gone.keep(id, s.verdicts[id])
	}
	w.st.changed = false
	w.diskAt = time.Now().Add(w.c.opt.DiskAfter)
}

// saveIfDue lets a goroutine write the last snapshot.
func (w *watcher) saveIfDue(now time.Time) {
	if w.unsaved == nil || w.saving || now.Before(w.saveAt) {
		return
	}
	s := w.toSave()
	w.saving, w.unsaved = true, nil
	w.wg.Go(func() {
		start := time.Now()
		w.write(s)
		w.saves <- time.Since(start)
	})
}

func (w *watcher) toSave() saved {
	var v map[string][]api.HealthResult
	if len(w.st.gone.byTask) > 0 {
		v = maps.Clone(w.st.gone.byTask)
	}
	return saved{at: w.unsaved.Time, source: w.unsaved.Source, apps: w.unsaved.Apps, verdicts: v}
}

func (w *watcher) write(s saved) {
	if err := save(w.c.opt.CacheFile, s); err != nil {
		w.c.noteError(err, time.Now())
		w.c.log.Warn("cache file not written", "file", w.c.opt.CacheFile, "err", err)
	}
}
