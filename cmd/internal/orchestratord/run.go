package orchestratord

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"berth/cmd/internal/cli"
	"berth/orchestrator/audit"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/store"
	"berth/orchestrator/ui"
)

// Options are what a Run needs besides its configuration.
type Options struct {
	Log *slog.Logger // nil discards
	// Stderr takes the audit log if it is to go there; nil is the process's own.
	Stderr io.Writer
	// AwaitRepair lets a Run with a damaged state file wait, and say so to who asks, until the file is another. Otherwise
	// that is an error.
	AwaitRepair bool
	// Started is called once the API takes requests, with its URL as seen from this machine.
	Started func(url string)

	open opener // for tests
}

// engine is what Run serves and keeps running.
type engine interface {
	httpapi.Backend
	Run(ctx context.Context) error
	Ready() error
	Close() error // only if Run was never called
}

// opener makes the engine; port is where the API listens. release gives back what the engine used, after its end.
type opener func(ctx context.Context, c Config, r resolved, port int, log *slog.Logger) (e engine, release func(), err error)

// Timeouts of the HTTP server. Bodies and answers have their own in httpapi, because streams last.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 10 * time.Second // for requests under way at the end
	maxHeader     = 64 << 10
)

// Run checks c, starts the orchestrator and its API, and serves until ctx ends. A clean stop returns nil and leaves the
// tasks running.
func Run(ctx context.Context, c Config, opt Options) error {
	r, err := c.resolve()
	if err != nil {
		return err
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.open == nil {
		opt.open = open
	}
	ln, err := listen(ctx, c.Listen)
	if err != nil {
		return err
	}
	defer ln.Close() // for the returns before Serve, which closes it too
	addr, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return fmt.Errorf("listen on %s: not a TCP address", ln.Addr())
	}
	if c, err = c.named(); err != nil {
		return err
	}
	e, release, err := opt.open(ctx, c, r, addr.Port, opt.Log)
	for opt.AwaitRepair && errors.Is(err, store.ErrDamaged) {
		opt.Log.Error("THE STATE CANNOT BE READ: the tasks run on, nothing is started or stopped; waiting for the file to be "+
			"replaced", "error", err)
		if ln, err = awaitRepair(ctx, c, r, ln); err != nil || ctx.Err() != nil {
			return err
		}
		defer ln.Close()
		e, release, err = opt.open(ctx, c, r, addr.Port, opt.Log)
	}
	if err != nil {
		return err
	}
	defer release()
	records, closeAudit, err := openAudit(c, opt)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	defer closeAudit()
	api, err := newAPI(c, r, addr.Port, e, records, opt.Log)
	if err != nil {
		return errors.Join(err, e.Close())
	}
	warnIfOpen(opt.Log, r, ln.Addr())
	warnIfShared(opt.Log, c.CredentialsFile, c.TokenFile, c.TLSKey)
	d := &daemon{
		engine: e, api: api, listener: netutil.LimitListener(ln, c.MaxConnections), certificates: r.certificates,
		reload: reloads(c, r, api, opt.Log), log: opt.Log,
	}
	return d.run(ctx, func() {
		opt.Log.Info("orchestrator started", "listen", ln.Addr().String(), "data", c.Data, "driver", c.Driver)
		if opt.Started != nil {
			opt.Started(r.scheme() + "://" + net.JoinHostPort(reachable(r.host), strconv.Itoa(addr.Port)))
		}
	})
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen on %s: the port is in use; choose another with --listen: %w", addr, err)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen on %s: not allowed; choose a port from 1024 with --listen: %w", addr, err)
	case err != nil:
		return nil, cli.UsageError{Err: fmt.Errorf("listen on %s, see --listen: %w", addr, err)}
	}
	return ln, nil
}

// warnIfOpen says loudly that everybody who reaches the port owns this machine. It is no refusal: behind a firewall, in
// a compose file, or with Marathon's own habits, people want exactly that.
func warnIfOpen(log *slog.Logger, r resolved, addr net.Addr) {
	clientCA := r.certificates != nil && r.certificates.c.TLSClientCA != ""
	switch {
	case loopback(r.host) || clientCA:
		return
	case len(r.credentials) > 0:
		if r.certificates == nil {
			log.Warn("passwords and tokens travel unencrypted; give a certificate with --tls-cert", "listen", addr.String())
		}
		return
	}
	log.Warn("THE API IS OPEN: everybody who reaches this address can run programs on this machine; give credentials "+
		"with --credentials-file or --token-file, or listen on 127.0.0.1", "listen", addr.String())
}

func newAPI(c Config, r resolved, port int, e engine, records func(httpapi.AuditRecord), log *slog.Logger) (
	*httpapi.Server, error,
) {
	return httpapi.New(e, httpapi.Options{
		Credentials:  r.credentials,
		Audit:        records,
		MaxBody:      c.MaxBody,
		MaxRequests:  c.MaxRequests,
		Origins:      c.Origins,
		Advertise:    net.JoinHostPort(advertised(c, r), strconv.Itoa(port)),
		Version:      c.Version,
		LegacyFields: c.LegacyFields,
		UI:           ui.Handler(),
		Ready:        e.Ready,
		Registry:     registry(r.certificates),
		Log:          log,
	})
}

// openAudit returns what takes audit records, nil if none are wanted, and how to end it.
func openAudit(c Config, opt Options) (records func(httpapi.AuditRecord), end func(), err error) {
	switch c.AuditLog {
	case "":
		return nil, func() {}, nil
	case "-":
		if opt.Stderr == nil {
			opt.Stderr = os.Stderr
		}
		enc, mu := json.NewEncoder(opt.Stderr), sync.Mutex{}
		return func(r httpapi.AuditRecord) {
			mu.Lock()
			defer mu.Unlock()
			_ = enc.Encode(r) // there is nowhere else to tell
		}, func() {}, nil
	}
	l, err := audit.Open(audit.Options{
		File: c.AuditLog, Size: int64(c.AuditLogSize) << 20, Keep: c.AuditLogKeep, Log: opt.Log,
	})
	if err != nil {
		return nil, nil, cli.Usagef("--audit-log: %v", err)
	}
	return func(r httpapi.AuditRecord) { l.Add(r) }, func() { _ = l.Close() }, nil
}

// reloads is what may change while the daemon runs.
func reloads(c Config, r resolved, api *httpapi.Server, log *slog.Logger) *reloader {
	re := newReloader(log)
	re.add("credentials", []string{c.CredentialsFile, c.TokenFile}, func() error {
		list, err := c.readCredentials()
		if err != nil {
			return err
		}
		return api.SetCredentials(list)
	})
	if certs := r.certificates; certs != nil {
		certs.note(log)
		re.add("certificate", certs.files(), func() error {
			if err := certs.load(); err != nil {
				return err
			}
			certs.note(log)
			return nil
		})
	}
	return re
}

// advertised is the host under which others find the API: where it listens, or the agent's if that is everywhere.
func advertised(c Config, r resolved) string {
	if ip := net.ParseIP(r.host); r.host != "" && (ip == nil || !ip.IsUnspecified()) {
		return r.host
	}
	if c.AgentHost != "" {
		return c.AgentHost
	}
	return c.AgentIP
}

// reachable is the host under which this machine itself finds the API.
func reachable(host string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

// daemon is what runs between start and stop.
type daemon struct {
	engine       engine
	api          *httpapi.Server
	listener     net.Listener
	certificates *certificates // nil: plain HTTP
	reload       *reloader
	log          *slog.Logger
}

// run serves until ctx ends or a part fails. At the end the API stops first: what it accepted is still stored.
func (d *daemon) run(ctx context.Context, started func()) error {
	srv := &http.Server{
		Handler:           d.api,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	srv.RegisterOnShutdown(d.api.Close)
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := d.engine.Run(engineCtx); err != nil {
			return fmt.Errorf("run the orchestrator: %w", err)
		}
		if gctx.Err() == nil {
			return errors.New("run the orchestrator: it ended by itself")
		}
		return nil
	})
	g.Go(func() error {
		d.reload.run(gctx)
		return nil
	})
	g.Go(func() error {
		if err := d.serve(srv); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the API: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		defer stopEngine()
		<-gctx.Done()
		return d.stop(srv)
	})
	started()
	return g.Wait()
}

func (d *daemon) serve(srv *http.Server) error {
	if d.certificates == nil {
		return srv.Serve(d.listener)
	}
	srv.TLSConfig = d.certificates.server()
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	return srv.ServeTLS(d.listener, "", "")
}

func (d *daemon) stop(srv *http.Server) error {
	d.log.Info("orchestrator stops; its tasks run on")
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		d.log.Warn("requests cut off at the end", "error", err)
		return srv.Close()
	}
	return nil
}
