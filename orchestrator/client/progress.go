package client

import "time"

// progress knows which apps have to be read anew and up to which index of the store everything is contained.
//
// What it builds on, per event stream:
//
//   - state first, event second: a read sent after an event was received reflects the event's change;
//   - events come in the order of their index, those of one revision together (one write of the server);
//   - a full read sent after the stream was established contains everything up to the stream's beginning, and up to
//     every event received before it was sent.
//
// So with synced set, everything up to the highest index seen or read whole is contained, except what is announced and not yet read:
// the claim ends below the lowest index of a mark that is open. A mark is open from its first event until a read that
// was sent after its last event has been applied. Events of one revision that arrive after their siblings' refetch was
// already delivered could be claimed too early; the quiet time of the coalescer, during which the server's one write
// arrives whole, is what stands against that.
//
// An index belongs to one store's history, so a new stream starts from nothing: after a reset the store may count anew.
type progress struct {
	synced  bool   // a full read has been applied on this stream
	seen    uint64 // highest index of an event
	attach  uint64 // the store's index when the stream began, 0 if unknown
	base    uint64 // what the last full read reflects
	claimed uint64

	dirty  map[string]mark    // to be read
	flight map[string]*flying // being read
	full   *fullRead          // the full read being made
	all    mark               // events that named no app, since the last full read was sent
	wanted bool               // a full read is needed
}

// mark is a change that was announced and not yet read.
type mark struct {
	lo, hi   uint64    // lowest and highest index of its events; 0 without indexes
	attempts int       // reads that failed
	after    time.Time // not to be read before
}

// flying is a single read that was sent.
type flying struct {
	mark       // what it will settle
	next  mark // events that came since
	again bool // there are such
	void  bool // a full read or a new stream overtook it, so its answer is of unknown age
	moot  bool // and brought what it was to bring
}

// fullRead is what a full read that was sent will settle.
type fullRead struct {
	all     mark
	dirty   map[string]mark
	atLeast uint64            // an answer below this index is stale
	read    map[string]uint64 // apps read singly meanwhile, with the index of the answer
}

func newProgress() *progress {
	p := &progress{}
	p.reset()
	return p
}

// reset begins a new stream, or a time without one: nothing is known of what happened before.
func (p *progress) reset() {
	flight := p.flight
	*p = progress{dirty: map[string]mark{}, flight: map[string]*flying{}}
	for id := range flight { // their answers are still to come
		p.flight[id] = &flying{void: true}
	}
}

// event takes in one event.
func (p *progress) event(c change) {
	if c.start { // the first is this stream's own; the others' say nothing of what was sent before them
		if p.attach == 0 {
			p.attach = c.index
		}
		return
	}
	m := mark{lo: c.index, hi: c.index}
	if c.since != 0 {
		m.lo = c.since
	}
	if c.index == 0 { // unknown, but not below what came before it
		m = mark{lo: p.seen, hi: p.seen}
	}
	if c.all {
		p.all = p.all.join(m)
		p.wanted = true
	}
	for _, id := range c.apps {
		p.announce(id, m)
	}
	p.seen = max(p.seen, c.index)
}

// announce opens or widens the mark of an app.
func (p *progress) announce(id string, m mark) {
	if f := p.flight[id]; f != nil {
		f.next, f.again = f.next.join(m), true
		return
	}
	p.dirty[id] = p.dirty[id].join(m)
}

// join covers the events of both, and keeps m's trouble.
func (m mark) join(o mark) mark {
	if o.lo != 0 && (m.lo == 0 || o.lo < m.lo) {
		m.lo = o.lo
	}
	m.hi = max(m.hi, o.hi)
	return m
}

// take sends up to n apps that may be read now into flight.
func (p *progress) take(n int, now time.Time) []string {
	var ids []string
	for id, m := range p.dirty {
		if len(ids) >= n {
			break
		}
		if m.after.After(now) {
			continue
		}
		delete(p.dirty, id)
		p.flight[id] = &flying{mark: m}
		ids = append(ids, id)
	}
	return ids
}

// ready is when take will next return something, and whether it ever will.
func (p *progress) ready() (t time.Time, ok bool) {
	for _, m := range p.dirty {
		if !ok || m.after.Before(t) {
			t, ok = m.after, true
		}
	}
	return t, ok
}

// outcome of a single read.
type outcome int

const (
	applied outcome = iota // to be put into the state
	stale                  // older than what had been announced: to be dropped
	void                   // of unknown age: to be dropped
)

// done settles the single read of id, whose answer reflects index (0 if it does not say). A stale one is repeated at
// retry.
func (p *progress) done(id string, index uint64, retry time.Time) outcome {
	f := p.flight[id]
	delete(p.flight, id)
	known := index != 0
	switch {
	case f.moot && !f.again:
		return void
	case f.void:
		p.requeue(id, f, time.Time{})
		return void
	case known && index < max(f.hi, p.base, p.claimed):
		f.attempts++
		p.requeue(id, f, retry)
		return stale
	case f.again && !(known && index >= f.next.hi):
		p.dirty[id] = f.next
	}
	if p.full != nil {
		p.full.read[id] = index
	}
	return applied
}

// failed puts id back, to be read again at retry, and returns how often in a row it failed.
func (p *progress) failed(id string, retry time.Time) int {
	f := p.flight[id]
	delete(p.flight, id)
	f.attempts++
	p.requeue(id, f, retry)
	return f.attempts
}

func (p *progress) requeue(id string, f *flying, after time.Time) {
	m := f.mark.join(f.next)
	m.after = after
	p.dirty[id] = m
}

// startFull notes that a full read is sent now. With takeDirty it stands for the single reads that wait, too.
func (p *progress) startFull(takeDirty bool) {
	f := &fullRead{all: p.all, atLeast: max(p.attach, p.seen, p.base, p.claimed), read: map[string]uint64{}}
	p.all, p.wanted = mark{}, false
	if takeDirty {
		f.dirty, p.dirty = p.dirty, map[string]mark{}
	}
	p.full = f
}

// dropFull gives back what a full read that is not applied should have settled.
func (p *progress) dropFull() {
	f := p.full
	p.full = nil
	p.all = p.all.join(f.all)
	for id, m := range f.dirty {
		p.reopen(id, m)
	}
}

// reopen puts back a mark that a full read had taken.
func (p *progress) reopen(id string, m mark) {
	if p.flight[id] != nil {
		p.announce(id, m)
		return
	}
	p.dirty[id] = m.join(p.dirty[id])
}

// staleFull reports whether an answer reflecting index is older than what was known when it was asked for.
func (p *progress) staleFull(index uint64) bool { return index != 0 && index < p.full.atLeast }

// endFull settles a full read whose answer, reflecting index, has been applied. An app that was announced and is not
// listed stays open: reading it alone tells whether it is gone or the answer was a lie.
func (p *progress) endFull(index uint64, listed func(id string) bool) {
	full := p.full
	if index == 0 {
		index = full.atLeast // state first, event second
	}
	p.full, p.synced, p.base = nil, true, index
	brought := func(id string, m mark) bool { return m.hi != 0 && m.hi <= index && listed(id) }
	for id, m := range p.dirty {
		if brought(id, m) {
			delete(p.dirty, id)
		}
	}
	for id, m := range full.dirty {
		if !listed(id) {
			p.reopen(id, m)
		}
	}
	if p.all.hi != 0 && p.all.hi <= index {
		p.all, p.wanted = mark{}, false
	}
	for id, f := range p.flight {
		f.void = true
		if m := f.mark.join(f.next); brought(id, m) {
			f.mark, f.next, f.again, f.moot = mark{}, mark{}, false, true
		}
	}
}

// keep reports whether id was read singly during the full read, later than the full answer reflecting index.
func (p *progress) keep(id string, index uint64) bool {
	at, ok := p.full.read[id]
	return ok && (index == 0 || at == 0 || at >= index)
}

// idle reports whether everything announced has been read.
func (p *progress) idle() bool {
	return p.synced && !p.wanted && p.full == nil && len(p.dirty) == 0 && len(p.flight) == 0
}

// claim returns the index up to which everything is contained; 0 while nothing is known.
func (p *progress) claim() uint64 {
	if !p.synced {
		return 0
	}
	c := max(p.seen, p.base)
	below := func(m mark) {
		if m.lo != 0 {
			c = min(c, m.lo-1)
		}
	}
	for _, m := range p.dirty {
		below(m)
	}
	for _, f := range p.flight {
		below(f.mark)
		below(f.next)
	}
	below(p.all)
	if p.full != nil {
		below(p.full.all)
		for _, m := range p.full.dirty {
			below(m)
		}
	}
	p.claimed = max(p.claimed, c)
	return p.claimed
}

// attempts is how often the read of id that is in flight had failed before.
func (p *progress) attempts(id string) int { return p.flight[id].mark.attempts }
