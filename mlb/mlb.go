package mlb

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"berth/mlb/explain"
	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
	"berth/mlb/render"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// Source is where apps come from: the part of client.Client that the loop uses.
type Source interface {
	Watch(ctx context.Context, deliver func(context.Context, *client.Snapshot)) error
	Ack(ctx context.Context, ack api.Ack) error
	Status() client.Status
}

// Proxy is the part of haproxy.HAProxy that the loop uses.
type Proxy interface {
	Check(ctx context.Context, out render.Output, want *haproxy.Sections) error
	Apply(ctx context.Context, c haproxy.Change) (haproxy.Result, error)
	Persist(ctx context.Context, out render.Output, want *haproxy.Sections) error
	Send(ctx context.Context, commands []plan.Command) ([]plan.Command, error)
	AddsCookies(ctx context.Context) bool
	Reload(ctx context.Context, maps []string) error
	Restarted() <-chan struct{}
	Does(out render.Output) bool
	Config() []byte
	Procs(ctx context.Context) (haproxy.Procs, error)
	Sessions(ctx context.Context, servers []haproxy.Server) (map[haproxy.Server]int, error)
	Restarts() uint64
}

// Options configure an LB.
type Options struct {
	Source Source
	Proxy  Proxy
	Model  model.Options
	Render render.Options // without overrides of files and environment
	Spare  SpareOptions   // what is kept in store for apps to come

	TemplateDir string            // watched for templates; "" for none
	Environment map[string]string // templates by name, over those of files

	RetryInterval time.Duration // longest wait before a failed change is tried again; 10 s when 0
	MaxRetries    int           // how often it is tried again until something changes; -1 for ever
	StaleAfter    time.Duration // not ready when the state was last known to be current that long ago; 10 min when 0
	DrainPoll     time.Duration // how often sessions of draining tasks are counted; 200 ms when 0

	Log *slog.Logger // nil discards
}

// LB is one load balancer. Its loop is one goroutine, which owns all fields but those under mu.
type LB struct {
	opt     Options
	log     *slog.Logger
	metrics *metrics
	drain   *drainer
	files   *persister
	behind  error // why the files are not what HAProxy does, when they could not be written

	wake  chan struct{}
	hup   chan chan error
	usr1  chan chan error
	redo  chan string // reasons to render and apply again
	watch chan struct{}

	certNews chan struct{} // something happened to certificate files
	certDirs chan []string // where to look
	certs    certificates

	builder   *model.Builder
	templates *templateSet        // in use
	candidate *templateSet        // to be tried
	held      map[string]*unbound // by service name
	guilty    map[string]verdict
	aside     aside
	tried     *client.Snapshot // in the last attempt
	state     plan.State       // what HAProxy does; its model is without what is kept in store
	stock     stock
	cookies   bool   // see plan.Options, of the worker that runs
	force     string // reason for a reload whatever the plan says
	failures  int    // in a row
	retry     *time.Timer

	mu       sync.Mutex
	snapshot *client.Snapshot // the latest
	status   Status
	view     explain.Input // what was applied last
}

// New prepares an LB; Run runs it.
func New(opt Options) *LB {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&opt.RetryInterval, 10*time.Second)
	def(&opt.StaleAfter, 10*time.Minute)
	def(&opt.DrainPoll, 200*time.Millisecond)
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	l := &LB{
		opt: opt, log: opt.Log, builder: model.NewBuilder(opt.Model), guilty: map[string]verdict{}, held: map[string]*unbound{},
		wake: make(chan struct{}, 1), hup: make(chan chan error), usr1: make(chan chan error),
		redo: make(chan string, 1), watch: make(chan struct{}, 1),
		retry:    time.NewTimer(time.Hour),
		certNews: make(chan struct{}, 1), certDirs: make(chan []string, 1),
	}
	l.certs.standIn = map[string][]string{}
	l.opt.Render.Replace = l.certs.replace
	l.retry.Stop()
	l.metrics = newMetrics(l)
	l.drain = newDrainer(l)
	l.files = newPersister(l)
	l.stock.opt = opt.Spare
	l.templates = newTemplateSet(l.opt.Render, nil)
	return l
}

// Run follows the source and keeps HAProxy in step until ctx ends; it returns ctx's error. What HAProxy does stays as it is.
func (l *LB) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.loadTemplates()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { l.follow(ctx) })
	group.Go(func() { l.drain.run(ctx) })
	group.Go(func() { l.files.run(ctx) })
	group.Go(func() { l.watchCertificates(ctx) })
	if l.opt.TemplateDir != "" {
		group.Go(func() { l.watchTemplates(ctx) })
	}
	return l.loop(ctx)
}

func (l *LB) loop(ctx context.Context) error {
	leftovers := time.NewTicker(time.Second)
	defer leftovers.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.wake:
			l.failures = 0
			l.step(ctx)
		case reason := <-l.redo:
			l.log.Info("applying again", "reason", reason)
			l.loadTemplates()
			l.step(ctx)
		case <-l.opt.Proxy.Restarted():
			l.restarted(ctx)
		case err := <-l.files.result:
			l.written(ctx, err)
		case <-l.retry.C:
			l.step(ctx)
		case <-leftovers.C:
			l.removeLeftovers(ctx)
		case <-l.certNews:
			l.swapCertificates(ctx)
		case done := <-l.hup:
			done <- l.resync(ctx)
		case done := <-l.usr1:
			done <- l.reload(ctx)
		}
	}
}

// follow runs the watch, and starts it anew when asked to.
func (l *LB) follow(ctx context.Context) {
	for ctx.Err() == nil {
		one, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		group.Go(func() {
			select {
			case <-l.watch:
			case <-one.Done():
			}
			cancel()
		})
		if err := l.opt.Source.Watch(one, l.deliver); err != nil && one.Err() == nil {
			l.log.Error("the watch ended", "err", err)
			select {
			case <-one.Done():
			case <-time.After(time.Second):
			}
		}
		cancel()
		group.Wait()
	}
}

// deliver hands a snapshot to the loop; only the newest counts.
func (l *LB) deliver(_ context.Context, s *client.Snapshot) {
	l.mu.Lock()
	l.snapshot = s
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Nudge asks for another pass over the same apps, because something else that the configuration depends on has changed.
func (l *LB) Nudge(reason string) { l.nudge(reason) }

// Resync reads, renders and applies everything anew, and gives apps that were refused another chance: marathon-lb's SIGHUP.
func (l *LB) Resync(ctx context.Context) error { return l.ask(ctx, l.hup) }

// Reload validates the files on disk and makes HAProxy load them as they are: marathon-lb's SIGUSR1.
func (l *LB) Reload(ctx context.Context) error { return l.ask(ctx, l.usr1) }

func (l *LB) ask(ctx context.Context, what chan chan error) error {
	done := make(chan error, 1)
	select {
	case what <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *LB) resync(ctx context.Context) error {
	select {
	case l.watch <- struct{}{}:
	default:
	}
	clear(l.guilty)
	clear(l.held)
	l.failures = 0
	l.loadTemplates()
	l.step(ctx)
	return nil
}

func (l *LB) reload(ctx context.Context) error {
	began := time.Now()
	err := l.files.flush(ctx) // the files may be behind changes that went over the Runtime API
	if err == nil {
		err = l.opt.Proxy.Reload(ctx, mapNames)
	}
	l.metrics.reload("asked for", time.Since(began), err)
	if err != nil {
		l.log.Error("reload as asked for", "err", err)
		return err
	}
	l.log.Info("reloaded as asked for", "took", time.Since(began))
	l.state.Leftover = nil
	if l.state.Output != nil && !l.opt.Proxy.Does(*l.state.Output) {
		l.state.Output = nil // somebody else's text runs until the next change
	}
	return nil
}

var mapNames = []string{render.AppMap, render.CertList, render.DomainMap, render.PathMap, render.PortMap,
	render.RedirectMap, render.CheckMap, render.OwnMap}

// MapNames are the files that belong to a configuration.
func MapNames() []string { return mapNames }

// hastyTries bounds how often in a row a change that failed is tried again at once because HAProxy had died: it may be the
// change that kills it.
const hastyTries = 3

// restarted looks after a HAProxy that had died: it came back with what was on disk.
func (l *LB) restarted(ctx context.Context) {
	l.state.Leftover = nil
	if 0 < l.failures && l.failures <= hastyTries { // they may have failed because HAProxy died meanwhile
		l.step(ctx)
		return
	}
	if l.state.Output == nil || l.opt.Proxy.Does(*l.state.Output) {
		return
	}
	l.force = "haproxy was started again from older files"
	l.step(ctx)
}

// written takes note of files that did not follow what HAProxy had taken as commands, or that do at last. When they did not
// pass its check, a reload finds out which app is to blame.
func (l *LB) written(ctx context.Context, err error) {
	l.behind = nil
	if err == nil {
		l.log.Info("files written")
		l.caughtUp()
		return
	}
	l.log.Error("files not written", "err", err)
	l.failed(err)
	if refuses(err) {
		l.force = "the changed files are not valid: " + err.Error()
		l.step(ctx)
		return
	}
	l.behind = err
}
