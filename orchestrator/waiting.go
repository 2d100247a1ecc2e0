package orchestrator

import (
	"time"

	"berth/orchestrator/reconcile"
)

// waitInfo is what is known of an app that waits, over several attempts.
type waitInfo struct {
	reconcile.Waiting
	since      time.Time
	processed  int
	unused     int
	lastUnused time.Time
	lastUsed   time.Time
}

func (w *waitInfo) update(attempt reconcile.Waiting, used bool, now time.Time) {
	w.Waiting = attempt
	w.processed += attempt.Processed
	w.unused += attempt.Processed
	if attempt.Processed > 0 {
		w.lastUnused = now
	}
	if used {
		w.lastUsed = now
	}
}
