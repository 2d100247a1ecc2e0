package dnsd

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"berth/dnsd/zone"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// Source is what the loop follows; *client.Client is one.
type Source interface {
	Watch(ctx context.Context, deliver func(context.Context, *client.Snapshot)) error
	Ack(ctx context.Context, ack api.Ack) error
	Status() client.Status
	Info(ctx context.Context) (client.Info, error)
}

// Server is who is told of a new zone; *server.Server is one.
type Server interface {
	Set(z *zone.Zone, stale bool)
	Expire()
}

// Options of a loop.
type Options struct {
	Source  Source
	Server  Server
	Builder *zone.Builder // not used by anybody else from now on
	// Infra is what is known of the cluster at the start; the leader is asked for.
	Infra zone.Infra
	// Frameworks are other orchestrators whose apps are served as well; the zone's options name them too.
	Frameworks []Framework
	// InfraFile keeps the leader and the serial for the next start; "" keeps nothing.
	InfraFile string

	StaleAfter  time.Duration // without contact to the source the zone is marked stale [30 s]
	ExpireAfter time.Duration // without contact nothing is answered from it any more; 0 is never
	LeaderEvery time.Duration // how often the source is asked for its leader [30 s]

	Log *slog.Logger // nil discards
}

// Framework is an orchestrator beside the main one.
type Framework struct {
	Name   string // as in names of its apps
	Source Source
}

// Daemon is the loop.
type Daemon struct {
	o        Options
	log      *slog.Logger
	watchers watchers

	fileMu sync.Mutex // guards InfraFile and saved
	saved  kept       // what the file holds

	mu      sync.Mutex // guards what follows
	builder *zone.Builder
	zone    *zone.Zone
	apps    []*api.AppInfo
	others  []*other // as in Options.Frameworks
	infra   zone.Infra
	loaded  bool
	age     age
	floor   uint32 // a serial that may have been used before this start
	changes uint64
	took    time.Duration // of the last change, from its delivery to the server
	tookAll time.Duration // of all changes

	vips     int // names of virtual addresses
	troubles int // names and apps with something to report
	status   Status
}

// New makes a loop.
func New(o Options) *Daemon {
	if o.StaleAfter <= 0 {
		o.StaleAfter = 30 * time.Second
	}
	if o.LeaderEvery <= 0 {
		o.LeaderEvery = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Daemon{o: o, log: o.Log, builder: o.Builder, infra: o.Infra}
	d.saved = loadKept(o.InfraFile)
	if d.saved.Leader != "" {
		d.infra.Leader = d.saved.Leader
	}
	d.floor = d.saved.Serial
	for _, f := range o.Frameworks {
		d.others = append(d.others, &other{Framework: f})
	}
	d.builder.SetInfra(d.infra)
	return d
}

// Run follows the source until ctx ends.
func (d *Daemon) Run(ctx context.Context) error {
	inside, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { d.watchAge(inside) })
	group.Go(func() { d.watchLeader(inside) })
	for _, f := range d.others {
		group.Go(func() {
			_ = f.Source.Watch(inside, func(ctx context.Context, s *client.Snapshot) { d.deliverOf(ctx, f, s) })
		})
	}
	return d.o.Source.Watch(ctx, d.deliver)
}

// deliver takes a snapshot in. What it contains is answered before it is acknowledged.
func (d *Daemon) deliver(ctx context.Context, s *client.Snapshot) {
	began := time.Now()
	d.mu.Lock()
	first := !d.loaded
	d.apps, d.loaded = s.Apps, true
	d.status.Index, d.status.Source, d.status.Time = s.Index, s.Source, s.Time
	d.status.Unreadable = s.Problems
	changed := d.update(began)
	troubles := d.builder.Troubles()
	more := troubles > d.troubles
	d.troubles = troubles
	d.mu.Unlock()
	if more {
		d.log.Warn("names collide or cannot be sent, or labels cannot be read: see /v2/problems", "count", troubles)
	}
	if changed {
		z := d.Zone()
		d.log.Info("zone changed", "serial", z.Serial(), "names", z.Count().Names, "records", z.Count().Records,
			"apps", len(s.Apps), "took", time.Since(began))
	}
	if err := d.o.Source.Ack(ctx, api.Ack{Index: s.Index}); err != nil && !errors.Is(err, context.Canceled) {
		d.log.Warn("acknowledge", "index", s.Index, "err", err)
	}
	if first {
		d.ackOthers(ctx)
	}
	d.keep()
}

// update makes the zone anew and gives it to the server, once apps have been read; d.mu is held. It reports whether anything
// changed.
func (d *Daemon) update(now time.Time) bool {
	if !d.loaded {
		return false
	}
	serial := max(uint32(now.Unix()), d.floor+1)
	for _, f := range d.others {
		if f.loaded {
			d.builder.UpdateOf(f.Name, f.apps, serial)
		}
	}
	z := d.builder.Update(d.apps, serial)
	age := d.ageAt(now)
	if z == d.zone && age == d.age {
		return false
	}
	changed := z != d.zone
	d.zone, d.age = z, age
	d.serve()
	if changed {
		d.changes++
		d.took = time.Since(now)
		d.tookAll += d.took
		d.watchers.wake()
	}
	return changed
}

// age is how long ago the source was heard of, in classes.
type age int

const (
	fresh age = iota
	stale
	expired
)

// serve gives zone and age to the server; d.mu is held.
func (d *Daemon) serve() {
	if d.age == expired {
		d.o.Server.Expire()
	} else {
		d.o.Server.Set(d.zone, d.age == stale)
	}
}

// ageAt is the age of what is served; d.mu is held. With several sources it is stale when one of them is, and expired when
// all are.
func (d *Daemon) ageAt(now time.Time) age {
	oldest := d.ageOf(d.o.Source, d.status.Time, now)
	youngest := oldest
	for _, f := range d.others {
		if f.loaded {
			a := d.ageOf(f.Source, f.time, now)
			oldest, youngest = max(oldest, a), min(youngest, a)
		}
	}
	if youngest == expired {
		return expired
	}
	return min(oldest, stale)
}

// ageOf is the age of what is known of one source, which last was the time of its snapshot.
func (d *Daemon) ageOf(s Source, last, now time.Time) age {
	if sync := s.Status().LastSync; !sync.IsZero() {
		last = sync
	}
	switch silence := now.Sub(last); {
	case d.o.ExpireAfter > 0 && silence > d.o.ExpireAfter:
		return expired
	case silence > d.o.StaleAfter:
		return stale
	}
	return fresh
}

// watchAge notices when the source falls silent, and when it is back.
func (d *Daemon) watchAge(ctx context.Context) {
	tick := time.NewTicker(max(d.o.StaleAfter/30, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			d.checkAge(now)
		}
	}
}

func (d *Daemon) checkAge(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	age := d.ageAt(now)
	if !d.loaded || age == d.age {
		return
	}
	d.age = age
	d.serve()
	switch age {
	case fresh:
		d.log.Info("the source answers again")
	case stale:
		d.log.Warn("the source does not answer: serving what was known", "err", d.o.Source.Status().LastError)
	case expired:
		d.log.Error("the source has not answered for too long: nothing is answered for it", "err", d.o.Source.Status().LastError)
	}
}

// SetVIPs takes in the names of virtual addresses, whole names below l4lb.thisdcos.directory. Whoever calls it has put the
// addresses in force before, and takes them out of force only after they are gone from here.
func (d *Daemon) SetVIPs(vips map[string][]netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.builder.SetVIPs(vips)
	d.vips = len(vips)
	d.update(time.Now())
}

// Rehost takes in that hosts, agents or orchestrators listed by name, have other addresses than before.
func (d *Daemon) Rehost(hosts ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.builder.Rehost(hosts...)
	d.update(time.Now())
}

// SetStatic replaces the records that come from files.
func (d *Daemon) SetStatic(s zone.Static) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.builder.SetStatic(s)
	d.update(time.Now())
}

// Zone returns the present zone, nil before the first.
func (d *Daemon) Zone() *zone.Zone {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.zone
}
