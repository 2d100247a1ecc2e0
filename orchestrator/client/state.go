package client

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// state is what is believed: the apps as last read. Equal re-reads keep the pointer of an app.
type state struct {
	apps     map[string]*entry
	sorted   []*api.AppInfo // by id
	problems map[string]string
	gone     *verdicts
	changed  bool // since the last snapshot
}

// entry is one app. The same app's text may differ between a list and a read of it alone, so there are two hashes; zero
// is none.
type entry struct {
	app              *api.AppInfo
	inList, byItself uint64
}

func newState() *state {
	return &state{apps: map[string]*entry{}, problems: map[string]string{}, gone: newVerdicts(maxVerdicts)}
}

func byID(a *api.AppInfo, id string) int { return strings.Compare(a.ID, id) }

// put takes in one app. It becomes a new pointer only if it differs from what is there.
func (s *state) put(it item, list bool) {
	if it.problem != "" {
		s.remove(it.id)
		s.changed = s.changed || s.problems[it.id] != it.problem
		s.problems[it.id] = it.problem
		return
	}
	e := s.apps[it.id]
	if e != nil && it.hash == e.hash(list) {
		return
	}
	s.solve(it.id)
	if e == nil {
		e = &entry{}
		s.apps[it.id] = e
	}
	s.gone.fill(it.app, e.app)
	if e.app == nil || !reflect.DeepEqual(e.app, it.app) {
		s.replace(e, it.app)
	}
	if list {
		e.inList = it.hash
	} else {
		e.byItself = it.hash
	}
}

func (e *entry) hash(list bool) uint64 {
	if list {
		return e.inList
	}
	return e.byItself
}

func (s *state) replace(e *entry, app *api.AppInfo) {
	if e.app != nil {
		s.gone.left(e.app, app)
	}
	*e = entry{app: app}
	s.changed = true
	i, found := slices.BinarySearchFunc(s.sorted, app.ID, byID)
	if found {
		s.sorted[i] = app
		return
	}
	s.sorted = slices.Insert(s.sorted, i, app)
}

func (s *state) solve(id string) {
	if _, ok := s.problems[id]; ok {
		delete(s.problems, id)
		s.changed = true
	}
}

// remove forgets an app.
func (s *state) remove(id string) {
	s.solve(id)
	e := s.apps[id]
	if e == nil {
		return
	}
	s.gone.left(e.app, nil)
	delete(s.apps, id)
	if i, found := slices.BinarySearchFunc(s.sorted, id, byID); found {
		s.sorted = slices.Delete(s.sorted, i, i+1)
	}
	s.changed = true
}

// merge takes in a full answer. keep tells of an app that was read later on its own. It returns false, having changed
// nothing, if the answer leans on a text that is no longer there; then it has to be read once more.
func (s *state) merge(items []item, keep func(id string) bool) bool {
	listed := make(map[string]bool, len(items))
	for _, it := range items {
		if e := s.apps[it.id]; it.known && !keep(it.id) && (e == nil || e.inList != it.hash) {
			return false
		}
	}
	for _, it := range items {
		if listed[it.id] { // the first counts
			continue
		}
		listed[it.id] = true
		if !keep(it.id) {
			s.put(it, true)
		}
	}
	for id := range s.apps {
		if !listed[id] && !keep(id) {
			s.remove(id)
		}
	}
	for id := range s.problems {
		if !listed[id] && !keep(id) {
			s.solve(id)
		}
	}
	return true
}

// known maps the texts of the last list to the ids of their apps.
func (s *state) known() map[uint64]string {
	m := make(map[uint64]string, len(s.apps))
	for id, e := range s.apps {
		if e.inList != 0 {
			m[e.inList] = id
		}
	}
	return m
}

// snapshot is the state as an immutable value.
func (s *state) snapshot(index uint64, at time.Time, source string, full bool) *Snapshot {
	s.changed = false
	return &Snapshot{
		Apps: slices.Clone(s.sorted), Index: index, Time: at, Source: source,
		Problems: maps.Clone(s.problems), Full: full,
	}
}
