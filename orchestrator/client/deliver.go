package client

import (
	"context"
	"time"
)

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
	switch {
	case w.pr.full != nil:
	case w.pr.wanted:
		sooner(w.fullAt, true)
	default:
		sooner(w.susp.next(), !w.susp.next().IsZero())
		sooner(w.resyncAt, !w.resyncAt.IsZero())
	}
	sooner(w.singlesAt())
	sooner(w.burst.due(), !w.burst.due().IsZero() && len(w.pr.dirty) == 0)
	sooner(w.deliverAt())
	sooner(w.saveAt, w.unsaved != nil && !w.saving)
	return max(0, next.Sub(now))
}
