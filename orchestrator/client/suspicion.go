package client

import (
	"time"

	"berth/orchestrator/api"
)

// counts are what is compared of an app: its running tasks and how many there should be.
type counts struct{ running, instances int }

type census map[string]counts

func (c census) add(a *api.AppInfo) {
	n := counts{instances: a.Instances}
	for i := range a.Tasks {
		if a.Tasks[i].State == api.TaskRunning {
			n.running++
		}
	}
	c[a.ID] = n
}

// census counts what is believed.
func (s *state) census() census {
	c := make(census, len(s.apps))
	for _, a := range s.sorted {
		c.add(a)
	}
	return c
}

// censusOf counts an answer; believed stands in for apps whose text is known or could not be read.
func censusOf(items []item, believed census) census {
	c := make(census, len(items))
	for _, it := range items {
		switch n, ok := believed[it.id]; {
		case it.app != nil:
			c.add(it.app)
		case ok:
			c[it.id] = n
		}
	}
	return c
}

// maxHolds bounds how often a read is put off because it does not agree with the one before.
const maxHolds = 6

// suspicion holds back full reads that lose most of what is believed at once, until a second one says the same. An
// orchestrator that has just lost its state, or a proxy that answers for it, must not take every service down
// (marathon-lb-lessons.md item 7).
type suspicion struct {
	hold  time.Duration
	since time.Time // of the last unbelievable read; zero: none
	seen  census    // what it showed
	holds int       // unbelievable reads so far
	any   bool      // something was believed before, or asked for twice
}

// believe reports whether read may replace believed. An empty first read is asked for again at once. A second read that
// shows more than the first comes from a source that is still finding its state, and one that shows much less does not
// agree with it either: both are put off once more.
//
// Losses that events announce do not come this way: single reads confirm them one by one, also while a full read is held
// back. That an event has named an app proves nothing about an answer without it.
func (s *suspicion) believe(believed, read census, now time.Time) bool {
	switch {
	case len(believed) == 0 && len(read) == 0 && !s.any && s.since.IsZero():
		s.since, s.seen = now.Add(-s.hold), read
		return false
	case !suspicious(believed, read):
	case s.since.IsZero(), s.holds < maxHolds && (recovering(believed, s.seen, read) || suspicious(s.seen, read)):
		s.since, s.seen = now, read
		s.holds++
		return false
	case now.Sub(s.since) < s.hold:
		return false
	}
	*s = suspicion{hold: s.hold, any: true}
	return true
}

// next is when the read should be repeated; zero if there is nothing to confirm.
func (s *suspicion) next() time.Time {
	if s.since.IsZero() {
		return time.Time{}
	}
	return s.since.Add(s.hold)
}

// suspicious reports whether read has lost more than half of the apps or of the running tasks in old, and at least two
// of them or all apps. Tasks that are no longer wanted, because the app's instances went down, are no loss.
func suspicious(old, read census) bool {
	var apps, lostApps, tasks, lostTasks int
	for id, o := range old {
		apps++
		tasks += o.running
		if r, ok := read[id]; ok {
			lostTasks += max(0, min(o.running, r.instances)-r.running)
			continue
		}
		lostApps++
		lostTasks += o.running
	}
	return lostApps*2 > apps && (lostApps >= 2 || len(read) == 0) || lostTasks*2 > tasks && lostTasks >= 2
}

// recovering reports whether read shows something of old that seen, before it, did not.
func recovering(old, seen, read census) bool {
	for id, o := range old {
		s, before := seen[id]
		r, now := read[id]
		if now && !before || r.running > s.running && s.running < o.running {
			return true
		}
	}
	return false
}
