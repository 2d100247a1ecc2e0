package store

import (
	"maps"
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
	followers   map[string]string
	version     api.Timestamp
	index       uint64
	events      []api.Event
	durable     bool // at least one write is not a mere note
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

// Note makes a write that may get lost in a crash: readers see it at once, the file gets it with the next Update. It has
// no revision of its own. It is for what will be measured again anyway.
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

func (s *Store) commit(todo []*request) {
	b := &batch{
		s: s, apps: map[string]*App{}, deployments: map[string]*Deployment{}, version: s.lastVersion, index: s.index,
	}
	for _, r := range todo {
		b.run(r)
	}
	err := s.store(b)
	for _, r := range todo {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
}

// run makes one write on top of b, or leaves b as it is.
func (b *batch) run(r *request) {
	tx := &Tx{s: b.s, base: b, index: b.index + 1, apps: map[string]*App{}, deployments: map[string]*Deployment{}}
	if r.note {
		tx.index = b.index
	}
	if r.err = r.fn(tx); r.err != nil {
		return
	}
	r.index = b.index
	if tx.changed() && !r.note {
		b.index, r.index, b.durable = tx.index, tx.index, true
	}
	maps.Copy(b.apps, tx.apps)
	maps.Copy(b.deployments, tx.deployments)
	if tx.followers != nil {
		b.followers = tx.followers
	}
	b.version = max(b.version, tx.version)
	for _, e := range tx.events {
		e.Index = min(e.Index, b.index)
		b.events = append(b.events, e)
	}
}

// store writes b to the file, then shows it to readers, then speaks of it.
func (s *Store) store(b *batch) error {
	changes := b.changes(s.opt.Versions)
	if b.durable {
		if err := s.save(b, compact(s.dirty, changes)); err != nil {
			return err
		}
		s.dirty = nil
	} else {
		s.dirty = compact(s.dirty, changes)
	}
	s.mu.Lock()
	s.show(b, changes)
	s.mu.Unlock()
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

// compact joins changes not yet in the file with newer ones: one per app, from its oldest record to its newest.
func compact(older, newer []Change) []Change {
	if len(older) == 0 {
		return newer
	}
	at := map[string]int{}
	var out []Change
	for _, c := range slices.Concat(older, newer) {
		id := c.id()
		if i, ok := at[id]; ok {
			out[i].New = c.New
			continue
		}
		at[id] = len(out)
		out = append(out, c)
	}
	return slices.DeleteFunc(out, func(c Change) bool { return c.Old == nil && c.New == nil })
}

func (c Change) id() string {
	if c.New != nil {
		return c.New.ID
	}
	return c.Old.ID
}

// show makes b the state; s.mu is held.
func (s *Store) show(b *batch, changes []Change) {
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
