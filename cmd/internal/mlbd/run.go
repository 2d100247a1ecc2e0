package mlbd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"berth/mlb"
	"berth/mlb/haproxy"
	"berth/mlb/render"
	"berth/orchestrator/client"
)

// Options are what a Run needs besides its configuration.
type Options struct {
	Log *slog.Logger // nil discards
	// Environment are templates by name, over those of the directory: see mlb.EnvironmentTemplates.
	Environment map[string]string
	// Signals makes SIGHUP read everything anew and SIGUSR1 reload the files on disk, as a program of its own does.
	Signals bool
	// Started is called once the present state has been applied.
	Started func(mlb.Status)
}

// daemon is one running mlb.
type daemon struct {
	c     Config
	opt   Options
	log   *slog.Logger
	paths haproxy.Paths
	proxy *haproxy.HAProxy
	names *resolver
	lb    *mlb.LB
}

// Run checks c, takes HAProxy over or starts it, and keeps it in step until ctx ends. A clean stop returns nil; by then
// HAProxy has ended as well, unless it was to be left.
func Run(ctx context.Context, c Config, opt Options) error {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := c.check(); err != nil {
		return err
	}
	d := &daemon{c: c, opt: opt, log: opt.Log}
	source, err := d.wire(ctx)
	if d.proxy != nil {
		defer d.proxy.Close()
	}
	if d.names != nil {
		defer d.names.close()
	}
	if err != nil {
		return err
	}
	defer source.Close()
	if err := d.run(ctx); err != nil {
		return err
	}
	if d.c.LeaveHAProxy || d.c.Once {
		return nil // what HAProxy carries is not over
	}
	if err := source.Leave(context.WithoutCancel(ctx)); err != nil {
		d.log.Debug("goodbye not sent", "err", err)
	}
	return nil
}

// wire makes the parts.
func (d *daemon) wire(ctx context.Context) (*client.Client, error) {
	binary, err := haproxy.Find(ctx, d.c.HAProxyBinary)
	if err != nil {
		return nil, err
	}
	if d.paths, err = haproxy.NewPaths(d.c.HAProxyConfig, d.c.RunDir); err != nil {
		return nil, err
	}
	certs, err := d.c.certificates(filepath.Join(d.paths.Dir(), "self-signed.pem"))
	if err != nil {
		return nil, err
	}
	if d.proxy, err = haproxy.New(haproxy.Options{
		Binary: binary, Paths: d.paths, Archive: d.c.Archive, SkipCheck: d.c.SkipValidation, KeepStates: d.c.ServerStates,
		CheckTimeout: d.c.CheckTimeout, ReloadTimeout: d.c.ReloadTimeout, Log: d.log,
	}); err != nil {
		return nil, err
	}
	co, err := d.c.clientOptions(d.paths, d.log)
	if err != nil {
		return nil, err
	}
	source, err := client.New(co)
	if err != nil {
		return nil, err
	}
	ro := d.c.renderOptions(d.paths.Dir(), certs)
	ro.MaxConn = d.c.connections()
	ro.HAProxy = render.Version{Major: binary.Version.Major, Minor: binary.Version.Minor}
	ro.StatsSocket, ro.AdminSocket, ro.SpareSocket = d.paths.Stats, d.paths.Admin, d.paths.Spare
	if d.c.ServerStates {
		ro.StateFile = d.paths.State
	}
	mo := d.c.modelOptions()
	d.names = newResolver(patience, func(host string) { d.lb.Nudge("the address of " + host + " changed") })
	mo.Reserved, mo.Resolve = ro.Reserved(), d.names.lookup
	d.lb = mlb.New(mlb.Options{
		Source: source, Proxy: d.proxy, Model: mo, Render: ro, TemplateDir: d.c.TemplateDir, Environment: d.opt.Environment,
		Spare:         d.c.spare(),
		RetryInterval: time.Duration(d.c.ReloadInterval * float64(time.Second)), MaxRetries: d.c.MaxReloadRetries,
		StaleAfter: d.c.StaleAfter, Log: d.log,
	})
	return source, nil
}

// run brings HAProxy up, runs everything, and ends it in order.
func (d *daemon) run(ctx context.Context) error {
	inside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { _ = d.proxy.Run(inside) }) // ends with inside, after the last word to HAProxy
	if err := d.begin(ctx); err != nil {
		if ctx.Err() != nil {
			return d.end()
		}
		return err
	}
	listeners, err := d.listen(ctx)
	if err != nil {
		return errors.Join(err, d.end())
	}
	for _, l := range listeners {
		group.Go(func() {
			if err := d.lb.ServeAdmin(inside, l); err != nil {
				d.log.Error("admin pages", "err", err)
			}
		})
	}
	looping, stop := context.WithCancel(ctx)
	defer stop()
	if d.opt.Signals {
		group.Go(func() { d.signals(looping) })
	}
	group.Go(func() { d.announce(looping, stop) })
	_ = d.lb.Run(looping)
	return d.end()
}

// begin adopts a running HAProxy, or starts it from what an earlier mlb left on disk. That the old files cannot be started is
// no reason to give up: the present state will do.
func (d *daemon) begin(ctx context.Context) error {
	if d.proxy.Adopt(ctx, mlb.MapNames()) {
		d.log.Info("took over the running haproxy")
		return nil
	}
	if err := d.c.preflight(ctx); err != nil {
		return err
	}
	err := d.proxy.Start(ctx, mlb.MapNames())
	switch {
	case err == nil:
		d.log.Info("haproxy started with the last configuration", "config", d.paths.Config)
	case errors.Is(err, haproxy.ErrNoConfig):
	default:
		d.log.Warn("haproxy does not start with the last configuration", "err", err)
	}
	return ctx.Err()
}

// listen opens the admin socket, which only HAProxy can reach, and the listener of its own if there is one.
func (d *daemon) listen(ctx context.Context) ([]net.Listener, error) {
	_ = os.Remove(d.paths.Admin) // left by an mlb that was killed; two at a time are not possible with one configuration
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", d.paths.Admin)
	if err != nil {
		return nil, fmt.Errorf("admin socket: %w", err)
	}
	if err := d.letHAProxyIn(); err != nil {
		_ = l.Close()
		return nil, err
	}
	if d.c.AdminListen == "" {
		return []net.Listener{l}, nil
	}
	own, err := lc.Listen(ctx, "tcp", d.c.AdminListen)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("--admin-listen: %w", err)
	}
	d.log.Info("admin pages", "listen", own.Addr().String())
	return []net.Listener{l, own}, nil
}

// letHAProxyIn gives the admin socket to the user HAProxy becomes, and to nobody else.
func (d *daemon) letHAProxyIn() error {
	if err := os.Chmod(d.paths.Admin, 0o600); err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	name := d.c.haproxyUser()
	if name == "" || os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("--haproxy-user %s: %w", name, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err == nil {
		err = os.Chown(d.paths.Admin, uid, -1)
	}
	if err == nil {
		err = os.Chmod(d.paths.Run, 0o711) // may pass, may not look around
	}
	if err != nil {
		return fmt.Errorf("admin socket: %w", err)
	}
	return nil
}

// signals does what signals ask for, until ctx ends.
func (d *daemon) signals(ctx context.Context) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGHUP, syscall.SIGUSR1)
	defer signal.Stop(got)
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-got:
			do := d.lb.Resync
			if s == syscall.SIGUSR1 {
				do = d.lb.Reload
			}
			_ = do(ctx) // it logs
		}
	}
}

// announce waits for the first success, tells it, and with --once makes an end.
func (d *daemon) announce(ctx context.Context, stop context.CancelFunc) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if s := d.lb.Status(); !s.LastSuccess.IsZero() {
			if d.opt.Started != nil {
				d.opt.Started(s)
			}
			if d.c.Once {
				stop()
			}
			return
		}
	}
}

// end fails the health page, waits, and stops HAProxy softly; or leaves it.
func (d *daemon) end() error {
	if d.c.LeaveHAProxy || d.c.Once {
		d.log.Info("haproxy is left running")
		return nil
	}
	bound := d.c.ShutdownDelay + d.c.ShutdownTimeout + 10*time.Second
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := d.proxy.FailHealth(ctx); err != nil {
		d.log.Debug("health page", "err", err)
	} else {
		time.Sleep(d.c.ShutdownDelay)
	}
	began := time.Now()
	if err := d.proxy.Stop(ctx, d.c.ShutdownTimeout); err != nil {
		return err
	}
	d.log.Info("haproxy stopped", "took", time.Since(began))
	return nil
}
