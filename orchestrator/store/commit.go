package store

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"berth/orchestrator/api"
)

// request is a write waiting for its turn.
type request struct {
	fn    func(*Tx) error
	note  bool
	done  chan struct{}
	index uint64
	err   error
}

// batch is what the writes of one transaction change, on top of the stored state.
type batch struct {
	s           *Store
	apps        map[string]*App
	deployments map[string]*Deployment
	groups      map[string]*Group
	undos       []*Undo
	followers   map[string]string
	drains      map[string]api.Timestamp
	version     api.Timestamp
	index       uint64
	events      []api.Event
	durable     map[string]bool // apps changed by more than mere notes; nil: all of the batch are notes
}

func (b *batch) app(id string) *App {
	if a, ok := b.apps[id]; ok {
		return a
	}
	return b.s.apps[id]
}

func (b *batch) deployment(id string) *Deployment {
	if d, ok := b.deployments[id]; ok {
		return d
	}
	return b.s.deployments[id]
}

// Update makes one write and returns its revision once it is stored; a write that changes nothing gets the current one.
// An error of fn leaves everything as it was and is returned as it is.
func (s *Store) Update(fn func(*Tx) error) (uint64, error) { return s.submit(fn, false) }

// Note makes a write to records of apps that may get lost in a crash: readers see it at once, the file gets it with the
// next Update of the same app, or with Close. It has no revision of its own. It is for what will be measured again anyway.
func (s *Store) Note(fn func(*Tx) error) error {
	_, err := s.submit(fn, true)
	return err
}

func (s *Store) submit(fn func(*Tx) error, note bool) (uint64, error) {
	r := &request{fn: fn, note: note, done: make(chan struct{})}
	s.queue.Lock()
	if s.queue.closed {
		s.queue.Unlock()
		return 0, ErrClosed
	}
	s.queue.waiting = append(s.queue.waiting, r)
	lead := !s.queue.busy
	s.queue.busy = true
	s.queue.Unlock()
	if lead {
		s.lead()
	}
	<-r.done
	return r.index, r.err
}

// lead commits for everybody until nobody waits.
func (s *Store) lead() {
	for {
		s.queue.Lock()
		todo := s.queue.waiting
		s.queue.waiting = nil
		if len(todo) == 0 {
			s.queue.busy = false
			s.queue.idle.Broadcast()
			s.queue.Unlock()
			return
		}
		s.queue.Unlock()
		s.commit(todo)
	}
}

// commit answers every request, whatever happens.
func (s *Store) commit(todo []*request) {
	err := s.attempt(todo)
	for _, r := range todo {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
}

// attempt makes all writes of one transaction.
func (s *Store) attempt(todo []*request) (err error) {
	defer catch(&err)
	b := &batch{
		s: s, apps: map[string]*App{}, deployments: map[string]*Deployment{}, groups: map[string]*Group{},
		version: s.lastVersion, index: s.index,
	}
	for _, r := range todo {
		b.run(r)
	}
	return s.store(b)
}

// call makes the write itself.
func (r *request) call(tx *Tx) (err error) {
	defer catch(&err)
	return r.fn(tx)
}

// catch turns a panic into an error of the write it came from. A write runs in the goroutine of whoever leads, which may
// be another request's: let through, it would end that one and leave all who wait, now and later, waiting for ever.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("a write to the store panicked: %v\n%s", p, debug.Stack())
	}
}

// run makes one write on top of b, or leaves b as it is.
func (b *batch) run(r *request) {
	tx := &Tx{s: b.s, base: b, index: b.index + 1, apps: map[string]*App{}, deployments: map[string]*Deployment{}}
	if r.note {
		tx.index = b.index
	}
	if r.err = r.call(tx); r.err != nil {
		return
	}
	r.index = b.index
	if tx.changed() && !r.note {
		b.index, r.index = tx.index, tx.index
		b.keep(tx.apps)
	}
	maps.Copy(b.apps, tx.apps)
	maps.Copy(b.deployments, tx.deployments)
	maps.Copy(b.groups, tx.groups)
	b.undos = append(b.undos, tx.undos...)
	if tx.followers != nil {
		b.followers = tx.followers
	}
	if tx.drains != nil {
		b.drains = tx.drains
	}
	b.version = max(b.version, tx.version)
	for _, e := range tx.events {
		e.Index = min(e.Index, b.index)
		b.events = append(b.events, e)
	}
}

// keep makes b one that goes to the file, with these apps.
func (b *batch) keep(apps map[string]*App) {
	if b.durable == nil {
		b.durable = make(map[string]bool, len(apps))
	}
	for id := range apps {
		b.durable[id] = true
	}
}

// store writes b to the file, then shows it to readers, then speaks of it.
func (s *Store) store(b *batch) error {
	changes := b.changes(s.opt.Versions)
	if b.durable != nil {
		if err := s.save(b, s.toSave(b, changes)); err != nil {
			return err
		}
	}
	s.remember(b, changes)
	s.show(b, changes)
	if s.opt.OnCommit != nil && len(changes) > 0 {
		s.opt.OnCommit(changes)
	}
	s.hub.publish(b.events)
	return nil
}

// changes lists what b replaces, with bounded histories.
func (b *batch) changes(versions int) []Change {
	out := make([]Change, 0, len(b.apps))
	for id, a := range b.apps {
		old := b.s.apps[id]
		if a == old {
			continue
		}
		if a != nil && len(a.Versions) > versions {
			a.Versions = slices.Clone(a.Versions[len(a.Versions)-versions:])
		}
		out = append(out, Change{old, a})
	}
	return out
}

func (c Change) id() string {
	if c.New != nil {
		return c.New.ID
	}
	return c.Old.ID
}

// show makes b the state.
func (s *Store) show(b *batch, changes []Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index, s.lastVersion = b.index, b.version
	s.showIDs(changes)
	for _, c := range changes {
		s.showApp(c)
	}
	for id, d := range b.deployments {
		if d == nil {
			delete(s.deployments, id)
		} else {
			s.deployments[id] = d
		}
	}
	if b.followers != nil {
		s.followers = b.followers
	}
	if b.drains != nil {
		s.drains = b.drains
	}
	s.showGroups(b)
}

func (s *Store) showGroups(b *batch) {
	if len(b.undos) > 0 {
		s.undos, _ = trimmed(slices.Concat(s.undos, b.undos))
	}
	for id, g := range b.groups {
		if g == nil {
			delete(s.groups, id)
		} else {
			s.groups[id] = g
		}
	}
}

// showIDs keeps the sorted list of ids; apps that come or go together cost one pass.
func (s *Store) showIDs(changes []Change) {
	var come []string
	gone := map[string]bool{}
	for _, c := range changes {
		switch {
		case c.Old == nil:
			come = append(come, c.New.ID)
		case c.New == nil:
			gone[c.Old.ID] = true
		}
	}
	if len(gone) > 0 {
		s.ids = slices.DeleteFunc(s.ids, func(id string) bool { return gone[id] })
	}
	if len(come) > 8 {
		s.ids = append(s.ids, come...)
		slices.Sort(s.ids)
		return
	}
	for _, id := range come {
		at, _ := slices.BinarySearch(s.ids, id)
		s.ids = slices.Insert(s.ids, at, id)
	}
}

func (s *Store) showApp(c Change) {
	id := c.id()
	for t := range c.Old.allTasks {
		delete(s.taskApp, t.ID)
	}
	for t := range c.New.allTasks {
		s.taskApp[t.ID] = id
	}
	if c.New == nil {
		delete(s.apps, id)
		return
	}
	s.apps[id] = c.New
}

// allTasks iterates over living and ended tasks; a nil app has none.
func (a *App) allTasks(yield func(*Task) bool) {
	if a == nil {
		return
	}
	for _, list := range [][]*Task{a.Tasks, a.Ended} {
		for _, t := range list {
			if !yield(t) {
				return
			}
		}
	}
}
