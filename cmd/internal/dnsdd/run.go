package dnsdd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/cmd/internal/cli"
	"berth/dnsd"
	"berth/dnsd/forward"
	"berth/dnsd/rest"
	"berth/dnsd/server"
	"berth/dnsd/zone"
	"berth/orchestrator/client"
)

// Options are what a Run needs besides its configuration.
type Options struct {
	Log *slog.Logger // nil discards
	// Signals makes SIGHUP read files anew, as a program of its own does.
	Signals bool
	// Bound is called once all addresses are bound, with what they are: ports that were 0 are known by then.
	Bound func(Bound)
	// Started is called with the loop once it runs; through it, names of virtual addresses are fed.
	Started func(*dnsd.Daemon)
}

// Bound are the addresses of a running daemon.
type Bound struct {
	DNS  []netip.AddrPort
	HTTP string // empty without
}

// daemon is one running dnsd.
type daemon struct {
	c   Config
	opt Options
	log *slog.Logger

	zone      zone.Options
	listeners []*server.Listener
	addrs     []netip.AddrPort
	http      net.Listener
	names     *hosts
	source    *client.Client
	others    []dnsd.Framework
	vips      dnsd.VIPOptions
	forward   *forward.Forwarder
	server    *server.Server
	loop      *dnsd.Daemon

	secondaries []netip.AddrPort
}

// Run checks c, binds all addresses, and answers until ctx ends. A clean stop returns nil. It does not need its source: until
// that was reached once, names of ours get SERVFAIL, and others are answered.
func Run(ctx context.Context, c Config, opt Options) error {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	d := &daemon{c: c, opt: opt, log: opt.Log}
	defer d.close()
	if err := d.bind(ctx); err != nil {
		return err
	}
	if err := d.wire(); err != nil {
		return err
	}
	return d.run(ctx)
}

// bind opens all sockets and then becomes the user it was told to be.
func (d *daemon) bind(ctx context.Context) error {
	who, err := d.c.account()
	if err != nil {
		return err
	}
	if d.zone, err = d.c.zoneOptions(); err != nil {
		return err
	}
	if err := d.c.checkAges(); err != nil {
		return err
	}
	if err := d.listen(ctx); err != nil {
		return err
	}
	if d.c.HTTP != "" {
		var lc net.ListenConfig
		if d.http, err = lc.Listen(ctx, "tcp", d.c.HTTP); err != nil {
			return fmt.Errorf("--http: %w", err)
		}
	}
	if len(d.listeners) == 0 && d.http == nil {
		return cli.Usagef("--listen and --http: expected at least one address")
	}
	if d.c.StateDir != "" {
		if err := os.MkdirAll(d.c.StateDir, 0o700); err != nil {
			d.log.Warn("nothing is kept for the next start", "err", err)
			d.c.StateDir = ""
		}
	}
	if err := who.become(d.c.StateDir, d.zone.Frameworks); err != nil {
		return err
	}
	d.bound()
	return nil
}

func (d *daemon) listen(ctx context.Context) error {
	addrs, err := d.c.listenAddrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		l, err := server.Listen(ctx, a)
		if errors.Is(err, syscall.EAFNOSUPPORT) && a.Addr().IsUnspecified() {
			d.log.Info("this machine lacks a family of addresses", "listen", a.String())
			continue
		}
		if err != nil {
			return err
		}
		d.listeners = append(d.listeners, l)
		d.addrs = append(d.addrs, l.Addr())
	}
	return nil
}

func (d *daemon) bound() {
	b := Bound{DNS: d.addrs}
	if d.http != nil {
		b.HTTP = d.http.Addr().String()
	}
	d.log.Info("dnsd", "version", cli.Version(), "dns", fmt.Sprint(b.DNS), "http", b.HTTP, "domain", d.zone.Domain)
	if d.opt.Bound != nil {
		d.opt.Bound(b)
	}
}

// wire makes the parts.
func (d *daemon) wire() (err error) {
	co, err := d.c.clientOptions(d.addrs, d.log)
	if err != nil {
		return err
	}
	if d.source, err = client.New(co); err != nil {
		return cli.UsageError{Err: err}
	}
	if err := d.wireOthers(co); err != nil {
		return err
	}
	d.names = newHosts()
	d.zone.Resolve = d.names.lookup
	b := zone.NewBuilder(d.zone)
	own, err := d.c.ownAddresses(d.addrs)
	if err != nil {
		return err
	}
	static, err := d.c.static()
	if err != nil {
		return err
	}
	b.SetStatic(static)
	if d.c.VIP != "" {
		if d.vips, err = d.c.vipOptions(); err != nil {
			return err
		}
	}
	empty := zone.NewBuilder(d.zone).Update(nil, 1)
	if err := d.wireServer(empty); err != nil {
		return err
	}
	d.loop = dnsd.New(dnsd.Options{
		Source: d.source, Server: d.server, Builder: b, Infra: d.c.infra(own), Frameworks: d.others, InfraFile: d.c.state(fileInfra),
		StaleAfter: d.c.StaleAfter, ExpireAfter: d.c.ExpireAfter, Log: d.log,
	})
	return nil
}

// wireOthers makes the clients of other frameworks, like the main one's but for URLs, credentials and file.
func (d *daemon) wireOthers(o client.Options) error {
	for i, a := range d.c.Also {
		_, urls, _ := strings.Cut(a, "=")
		o := o
		o.URLs, o.User, o.Password, o.ServiceAccount = cli.SplitList([]string{urls}), "", "", nil
		o.TokenFile, o.CertFile, o.KeyFile = "", "", "" // the main one's are nobody else's business
		o.CacheFile = d.c.state(appsFileOf(d.zone.Frameworks[i]))
		c, err := client.New(o)
		if err != nil {
			return cli.Usagef("--also %s: %v", d.zone.Frameworks[i], err)
		}
		d.others = append(d.others, dnsd.Framework{Name: d.zone.Frameworks[i], Source: c})
	}
	return nil
}

func (d *daemon) wireServer(empty *zone.Zone) error {
	var ours []string
	for _, a := range empty.Apexes() {
		ours = append(ours, a.Name)
	}
	fo, err := d.c.forwardOptions(reachable(d.addrs), ours)
	if err != nil {
		return err
	}
	if d.forward, err = forward.New(fo, d.log); err != nil {
		return err
	}
	sc, err := d.c.serverConfig()
	if err != nil {
		return err
	}
	if d.secondaries, err = d.c.secondaries(); err != nil {
		return err
	}
	d.server, err = server.New(sc, empty, d.forward, d.log)
	return err
}

// stateFiles are the files in the state directory.
var stateFiles = []string{fileApps, fileInfra, fileVIPs}

const (
	fileApps  = "apps.json"
	fileInfra = "infra.json"
	fileVIPs  = "vips.json"
)

// appsFileOf is where the apps of another framework are kept.
func appsFileOf(framework string) string { return "apps-" + framework + ".json" }

// state is the path of a file that is kept, "" if none are.
func (c *Config) state(name string) string {
	if c.StateDir == "" {
		return ""
	}
	return filepath.Join(c.StateDir, name)
}

// run starts everything and waits for its end.
func (d *daemon) run(ctx context.Context) error {
	inside, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	failed := make(chan error, 2)
	if len(d.listeners) > 0 {
		group.Go(func() { failed <- d.server.Run(inside, d.listeners...) })
	}
	if d.http != nil {
		group.Go(func() { failed <- d.serveHTTP(inside) })
	}
	group.Go(func() { _ = d.loop.Run(inside) })
	group.Go(func() { d.followFiles(inside) })
	group.Go(func() { d.names.run(inside, d.loop.Rehost) })
	if len(d.secondaries) > 0 {
		group.Go(func() { d.notify(inside) })
	}
	if d.c.VIP != "" {
		group.Go(func() { d.loop.FollowVIPs(inside, d.vips) })
	}
	if d.opt.Started != nil {
		d.opt.Started(d.loop)
	}
	select {
	case <-ctx.Done():
		if err := d.source.Leave(context.WithoutCancel(ctx)); err != nil {
			d.log.Debug("goodbye not sent", "err", err)
		}
		return nil
	case err := <-failed:
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
}

func (d *daemon) serveHTTP(ctx context.Context) error {
	s := &http.Server{
		Handler: rest.New(rest.Options{
			Daemon: d.loop, Server: d.server.Stats, Forward: d.forward.Stats, Zone: d.zone, Version: cli.Version(),
			URL: "https://github.com/mesosphere/mesos-dns", Config: d.c.shown(d.addrs), Enumeration: d.c.Enumeration,
			RefreshSec: int(d.c.Resync / time.Second), Log: d.log,
		}),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if s.Shutdown(grace) != nil {
			_ = s.Close()
		}
	})
	defer stop()
	if err := s.Serve(d.http); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// close gives everything back that was made, whatever that is by now.
func (d *daemon) close() {
	for _, l := range d.listeners {
		l.Close()
	}
	if d.http != nil {
		_ = d.http.Close()
	}
	if d.forward != nil {
		d.forward.Close()
	}
	if d.source != nil {
		d.source.Close()
	}
	for _, f := range d.others {
		f.Source.(*client.Client).Close()
	}
	if d.names != nil {
		d.names.close()
	}
}
