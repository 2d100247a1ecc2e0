package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Options are what a Run needs besides its configuration.
type Options struct {
	Log *slog.Logger // nil discards
	Out io.Writer    // where people are told what is up; nil discards
}

// Run starts everything and returns when ctx has ended and everything has stopped.
func Run(ctx context.Context, c Config, opt Options) error {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	opt.Log = slog.New(quiet{opt.Log.Handler(), func() bool { return ctx.Err() != nil }})
	if opt.Out == nil {
		opt.Out = io.Discard
	}
	if err := c.validate(); err != nil {
		return err
	}
	if err := findHAProxy(); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o711); err != nil { // tasks of other users reach their sandboxes below it
		return fmt.Errorf("make the state directory, see --dir: %w", err)
	}
	release, err := lock(c.Dir)
	if err != nil {
		return err
	}
	defer release()
	p, err := newPlan(c, opt)
	if err != nil {
		return err
	}
	return p.run(ctx)
}

// plan is a run with its ports settled.
type plan struct {
	c     Config
	opt   Options
	ports map[string]int
	host  string // of the API
	urls  URLs
	said  []string

	virtual VIP
}

func newPlan(c Config, opt Options) (*plan, error) {
	last, _, err := ReadState(c.Dir)
	if err != nil {
		opt.Log.Warn("state of the last run is not used", "error", err)
	}
	api, err := c.apiPort()
	if err != nil {
		return nil, err
	}
	// Our own ports of a killed run are free again, HAProxy's are held by the HAProxy that it left behind.
	own := append(c.localPorts(), api)
	for _, e := range own {
		e.prefer(last.Ports[e.name])
		delete(last.Ports, e.name)
	}
	ports := append(c.proxyPorts(), own...)
	said, err := choose(ports, os.Geteuid() == 0, last.Ports)
	if err != nil {
		return nil, err
	}
	p := &plan{c: c, opt: opt, ports: map[string]int{}, host: api.address, said: said}
	for _, e := range ports {
		p.ports[e.name] = e.number
	}
	p.urls = urls(p.ports, reachable(p.host))
	return p, nil
}

// reachable is the host under which this machine finds an address.
func reachable(host string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return host
}

func (p *plan) run(ctx context.Context) error {
	state := State{PID: os.Getpid(), Ports: p.ports, URLs: p.urls}
	if err := state.write(p.c.Dir); err != nil {
		return fmt.Errorf("write the state, see --dir: %w", err)
	}
	daemons := []daemon{
		p.orchestrator(),
		p.mlb(),
		p.dnsd(),
		p.vip(),
	}
	err := supervise(ctx, daemons, func() error {
		p.tell()
		state.Ready, state.VIP = true, p.virtual
		return state.write(p.c.Dir)
	})
	if !p.c.Keep {
		err = errors.Join(err, p.stopTasks())
	}
	if e := os.Remove(filepath.Join(p.c.Dir, stateFile)); e != nil && !errors.Is(e, fs.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// stopTimeout bounds the end of all tasks together.
const stopTimeout = 30 * time.Second

// tell prints where everything is.
func (p *plan) tell() {
	w := p.opt.Out
	for _, s := range p.said {
		fmt.Fprintln(w, s)
	}
	fmt.Fprintf(w, `berth dev is up; Ctrl-C stops it%s

  API          %s
  web UI       %s/ui/
  host names   %s, with TLS %s
  stats page   %s
  DNS          dig @127.0.0.1 -p %d NAME.marathon.mesos
  VIPs         %s
  state        %s

  export BERTH_URL=%s
  berth app add FILE --wait

`, p.withTasks(), p.urls.API, p.urls.API, p.urls.HTTP, p.urls.HTTPS, p.urls.Stats, p.ports["dns"], p.whereVIPs(), p.c.Dir, p.urls.API)
}

func (p *plan) whereVIPs() string {
	if p.virtual.PID == 0 {
		return "none: " + strings.ReplaceAll(p.virtual.Reason, "\n", " ")
	}
	return "berth dev exec curl http://1.1.1.1/" // in a namespace: the machine's own 1.1.1.1 is a stranger's
}

func (p *plan) withTasks() string {
	if p.c.Keep {
		return ""
	}
	return " and its tasks"
}
