package client

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"berth/orchestrator/api"
)

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
