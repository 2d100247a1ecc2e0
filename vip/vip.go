package vip

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/vip/nft"
	"berth/vip/route"
	"berth/vip/ruleset"
)

// Source is where apps come from: the part of client.Client that the loop uses.
type Source interface {
	Watch(ctx context.Context, deliver func(context.Context, *client.Snapshot)) error
	Ack(ctx context.Context, ack api.Ack) error
	Status() client.Status
}

// Kernel is the table: the part of nft.Conn that the loop uses.
type Kernel interface {
	Read() (r *ruleset.Ruleset, odd []string, err error)
	Apply(b *ruleset.Batch) error
	Counters() (nft.Counters, error)
}

// Host is everything of this machine besides the table; System is the real one.
type Host interface {
	Look() (*route.Facts, error)
	Plan(f *route.Facts, backends []netip.Addr) (route.Bridged, error)
	Hairpin(port string) bool
	SetHairpin(port string, on bool) error
	Prepare(f *route.Facts) error // the device, and the routes there are
	// DropRoutes removes routes; again is how long until it should be called once more, 0 when nothing is left.
	DropRoutes(want []netip.Prefix) (again time.Duration, err error)
	AddRoutes(want []netip.Prefix) error
	// Sessions counts open TCP connections by what of says of each; "" does not count.
	Sessions(of func(ruleset.Key, netip.AddrPort) string) (map[string]int, error)
	Forget(match route.Match, v4, v6 bool) (int, error)
	Resolve(ctx context.Context, host string) ([]netip.Addr, error)
	// Strangers and Changes call their function when another process touched the table, and when interfaces changed.
	Strangers(ctx context.Context, touched func()) error
	Changes(ctx context.Context, changed func()) error
}

// Options configure an LB.
type Options struct {
	Source  Source
	Kernel  Kernel
	Host    Host
	Ruleset ruleset.Options // Nodes, Hosts and Remembered are filled in; Reserved is added to

	Uplinks   []string      // names of the interfaces to the outside; found out when nil
	NoGuard   bool          // serve what comes in by the uplinks too
	Resync    time.Duration // how often the host is looked at again; 30 s when 0
	Compare   time.Duration // how often the whole table is compared; 10 min when 0
	Retry     time.Duration // wait after a failure; 1 s when 0
	StateFile string        // remembers the addresses of names; "" for none
	// Published is called by the loop with each result once it is in force, before it is acknowledged. nil does nothing.
	Published func(ruleset.Result)

	Log *slog.Logger // nil discards
}

// LB keeps one network namespace in step. Its loop is one goroutine, which owns all fields but those under mu.
type LB struct {
	opt     Options
	log     *slog.Logger
	metrics *metrics
	wake    chan struct{}

	apps     []*api.AppInfo
	builder  *ruleset.Builder
	facts    *route.Facts
	hosts    *hosts
	plan     route.Bridged
	planned  []netip.Addr // hairpin addresses the plan was made for
	have     *ruleset.Ruleset
	want     *ruleset.Ruleset // what have becomes when leftovers are gone
	known    bool             // have is what the kernel has
	prepared bool
	memory   *memory
	retry    *time.Timer
	// leftovers fires when slots and chains that are out of use can go.
	leftovers *time.Timer
	linger    *time.Timer // fires when routes that had to stay may go
	drain     *time.Timer // another count of connections to tasks that are being stopped
	second    *time.Timer // a second look at what was applied

	mu       sync.Mutex
	snapshot *client.Snapshot // the latest
	look     bool             // the host has to be looked at
	compare  bool             // the table has to be read
	state    state

	stale []*ruleset.Stale // for forgetAside
	aside chan struct{}

	tally tally
}

// state is what others see.
type state struct {
	result     ruleset.Result
	have       *ruleset.Ruleset // in force
	facts      *route.Facts
	warnings   []string
	index      uint64
	generation uint64 // batches applied
	programmed time.Time
	err        string
	repairs    uint64
	forgotten  uint64
}

// New prepares an LB; Run runs it.
func New(opt Options) *LB {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&opt.Resync, 30*time.Second)
	def(&opt.Compare, 10*time.Minute)
	def(&opt.Retry, time.Second)
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := &LB{opt: opt, log: opt.Log, wake: make(chan struct{}, 1), aside: make(chan struct{}, 1), hosts: newHosts(opt.Host.Resolve), look: true, compare: true,
		memory: newMemory(opt.StateFile), retry: time.NewTimer(time.Hour),
		leftovers: time.NewTimer(time.Hour), linger: time.NewTimer(time.Hour), second: time.NewTimer(time.Hour),
		drain: time.NewTimer(time.Hour)}
	l.retry.Stop()
	l.second.Stop()
	l.drain.Stop()
	l.leftovers.Stop()
	l.linger.Stop()
	l.metrics = newMetrics(l)
	return l
}

// Run follows the source and keeps the table in step until ctx ends; it returns ctx's error. The table and the routes stay,
// so that connections do.
func (l *LB) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := l.memory.load(time.Now()); err != nil {
		l.log.Warn("addresses of names not remembered", "err", err)
	}
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { l.follow(ctx) })
	group.Go(func() { l.forgetAside(ctx) })
	group.Go(func() { l.listen(ctx, "strangers", l.opt.Host.Strangers, func() { l.mark(false, true) }) })
	group.Go(func() { l.listen(ctx, "interfaces", l.opt.Host.Changes, func() { l.mark(true, false) }) })
	return l.loop(ctx)
}

func (l *LB) loop(ctx context.Context) error {
	resync, compare := time.NewTicker(l.opt.Resync), time.NewTicker(l.opt.Compare)
	defer resync.Stop()
	defer compare.Stop()
	for {
		select {
		case <-ctx.Done():
			l.memory.save(l.builder, time.Now(), l.log)
			return ctx.Err()
		case <-resync.C:
			l.hosts.expire()
			l.mark(true, false)
			l.memory.save(l.builder, time.Now(), l.log)
		case <-compare.C:
			l.mark(false, true)
		case <-l.drain.C:
			l.acknowledge(ctx)
		case <-l.second.C:
			l.mark(false, true)
		case <-l.retry.C:
			l.step(ctx)
		case <-l.leftovers.C:
			l.tidy()
		case <-l.linger.C:
			l.dropRoutes()
		case <-l.wake:
			l.step(ctx)
		}
	}
}

// Resync looks at the host and compares the table soon, without waiting for it.
func (l *LB) Resync() { l.mark(true, true) }

// mark notes what has to be looked at and wakes the loop.
func (l *LB) mark(look, compare bool) {
	l.mu.Lock()
	l.look, l.compare = l.look || look, l.compare || compare
	l.mu.Unlock()
	l.poke()
}

func (l *LB) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// follow takes snapshots over from the watch.
func (l *LB) follow(ctx context.Context) {
	_ = l.opt.Source.Watch(ctx, func(_ context.Context, s *client.Snapshot) {
		l.mu.Lock()
		l.snapshot = s
		l.mu.Unlock()
		l.poke()
	})
}

// listen runs one source of notifications and starts it again when it ends; without it the regular comparisons remain.
func (l *LB) listen(ctx context.Context, what string, run func(context.Context, func()) error, f func()) {
	for ctx.Err() == nil {
		err := run(ctx, f)
		if ctx.Err() != nil {
			return
		}
		l.log.Warn("notifications ended", "of", what, "err", err)
		f()
		select {
		case <-ctx.Done():
		case <-time.After(l.opt.Resync):
		}
	}
}
