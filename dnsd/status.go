package dnsd

import (
	"context"
	"sync"
	"time"

	"berth/dnsd/zone"
	"berth/orchestrator/client"
)

// Status is how the loop does.
type Status struct {
	Loaded     bool              `json:"loaded"`  // apps have been read
	Stale      bool              `json:"stale"`   // and the source has been silent for too long since
	Expired    bool              `json:"expired"` // for so long that nothing is answered
	Index      uint64            `json:"index"`
	Source     string            `json:"source"` // a URL, or "disk"
	Time       time.Time         `json:"time"`   // when the source last confirmed what is served
	Serial     uint32            `json:"serial"`
	Apps       int               `json:"apps"`
	Names      int               `json:"names"`
	Records    int               `json:"records"`
	VIPs       int               `json:"vips"`      // names of virtual addresses
	Fallbacks  int               `json:"fallbacks"` // names of apps served although no task passes its checks
	Types      map[string]int    `json:"types"`     // records by type
	Changes    uint64            `json:"changes"`
	Took       time.Duration     `json:"lastChangeNanoseconds"`
	TookAll    time.Duration     `json:"changesNanoseconds"`   // of all changes together
	Unreadable map[string]string `json:"unreadable,omitempty"` // apps by id, with the reason
	Watch      client.Status     `json:"watch"`
	Frameworks []FrameworkStatus `json:"frameworks,omitempty"` // others than the main one
}

// Status returns the state of the loop.
func (d *Daemon) Status() Status {
	watch := d.o.Source.Status()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	s.Loaded, s.Stale, s.Expired, s.Changes, s.Took, s.Apps = d.loaded, d.age >= stale, d.age == expired, d.changes, d.took, len(d.apps)
	s.Frameworks = d.frameworkStatus(time.Now())
	s.Watch, s.VIPs, s.Fallbacks, s.TookAll = watch, d.vips, d.builder.Fallbacks(), d.tookAll
	if watch.LastSync.After(s.Time) {
		s.Time = watch.LastSync
	}
	if d.zone != nil {
		c := d.zone.Count()
		s.Serial, s.Names, s.Records, s.Types = d.zone.Serial(), c.Names, c.Records, map[string]int{}
		for i, typ := range zone.CountedTypes {
			s.Types[zone.TypeName(typ)] = c.Types[i]
		}
	}
	return s
}

// Problems lists names that collide or cannot be sent.
func (d *Daemon) Problems() []zone.Problem {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.builder.Problems()
}

// Next waits until the zone has another serial than the one given, and returns it. Before the first zone it waits for that.
func (d *Daemon) Next(ctx context.Context, serial uint32) (*zone.Zone, error) {
	for {
		changed := d.watchers.next()
		d.mu.Lock()
		z, loaded := d.zone, d.loaded
		d.mu.Unlock()
		if loaded && z != nil && z.Serial() != serial {
			return z, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// watchers are woken by closing a channel that all of them wait for.
type watchers struct {
	mu sync.Mutex
	ch chan struct{}
}

func (w *watchers) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ch == nil {
		w.ch = make(chan struct{})
	}
	return w.ch
}

func (w *watchers) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ch != nil {
		close(w.ch)
		w.ch = nil
	}
}
