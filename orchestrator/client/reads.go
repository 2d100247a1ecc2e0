package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// send starts the reads that are due.
func (w *watcher) send(ctx context.Context, now time.Time) {
	confirm := w.susp.next()
	switch {
	case !confirm.IsZero() && !now.Before(confirm),
		!w.resyncAt.IsZero() && !now.Before(w.resyncAt):
		w.pr.wanted = w.pr.full == nil
	case len(w.pr.dirty) > max(manySingles, len(w.st.apps)/2) && w.pr.synced && w.susp.since.IsZero():
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
		if w.pr.failed(r.id, now.Add(wait.next(rand.Float64()))) >= poison && w.pr.synced && w.susp.since.IsZero() {
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
	if !w.susp.believe(believed, censusOf(r.items, believed), now) {
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
	if apps == 0 { // nothing is lost; an empty first answer is only asked for twice
		return
	}
	w.c.note(func(s *Status) { s.Suspicious = true; s.Suspicions++ })
	w.c.log.Warn("sudden loss of most apps or tasks not believed yet", "url", r.source,
		"apps_before", apps, "apps_now", len(r.items), "hold_down", w.c.opt.HoldDown)
}

func (w *watcher) believed(r fullResult, now time.Time) {
	w.must = w.must || !w.live || !w.pr.synced && r.index != 0 // a new stream's server waits for an acknowledgement
	listed := make(map[string]bool, len(r.items))
	for _, it := range r.items {
		listed[it.id] = true
	}
	w.pr.endFull(r.index, func(id string) bool { return listed[id] })
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
