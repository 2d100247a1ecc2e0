package vipd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"berth/orchestrator/client"
	"berth/vip"
	"berth/vip/nft"
	"berth/vip/ruleset"
)

// Options are what a Run needs besides its configuration.
type Options struct {
	Log *slog.Logger // nil discards
	// Started is called once the loop runs, with the address of the status endpoint, nil without one.
	Started func(*vip.LB, net.Addr)
	// Published is called with each result once it is in force; it delays the acknowledgement.
	Published func(ruleset.Result)
	// Signals makes SIGHUP look at the host and compare the table at once, as a program of its own does.
	Signals bool
}

// resolvConf name the resolvers of this node; the second is where systemd-resolved lists those behind its own.
var resolvConf = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// Run checks c, asks the kernel whether it can do what is needed, and keeps this network namespace in step until ctx ends.
// A clean stop returns nil and leaves the rules in force.
func Run(ctx context.Context, c Config, opt Options) error {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	rules, err := c.rules()
	if err != nil {
		return err
	}
	if err := c.checkListen(); err != nil {
		return err
	}
	unlock, err := vip.Lock(c.LockDir)
	if err != nil {
		return err
	}
	defer unlock()
	conn, err := nft.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Probe(); err != nil {
		return err
	}
	source, err := c.source(ctx, &rules, opt.Log)
	if err != nil {
		return err
	}
	defer source.Close()
	return c.serve(ctx, opt, rules, conn, source)
}

// source connects to the orchestrator, the addresses of which no VIP may take.
func (c *Config) source(ctx context.Context, rules *ruleset.Options, log *slog.Logger) (*client.Client, error) {
	if c.StateDir != "" {
		if err := os.MkdirAll(c.StateDir, 0o700); err != nil {
			return nil, fmt.Errorf("state directory: %w", err)
		}
	}
	o, err := c.client()
	if err != nil {
		return nil, err
	}
	o.Log = log
	for _, s := range c.Marathon {
		for _, a := range addresses(ctx, s) {
			rules.Reserved = append(rules.Reserved, ruleset.Reserved{Prefix: netip.PrefixFrom(a, a.BitLen()),
				Reason: "the orchestrator's"})
		}
	}
	return client.New(o)
}

// addresses of a URL's host, as far as they can be found out.
func addresses(ctx context.Context, s string) (list []netip.Addr) {
	u, err := url.Parse(s)
	if err != nil {
		return nil
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return []netip.Addr{a.Unmap()}
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	for _, a := range found {
		list = append(list, a.Unmap())
	}
	return list
}

func (c *Config) serve(ctx context.Context, opt Options, rules ruleset.Options, conn *nft.Conn, source *client.Client) error {
	v4, v6, err := c.sources(rules)
	if err != nil {
		return err
	}
	o := vip.Options{Source: source, Kernel: conn, Host: &vip.System{Source4: v4, Source6: v6, ResolvConf: resolvConf},
		Ruleset: rules, NoGuard: c.NoGuard, Published: opt.Published, Log: opt.Log}
	if len(c.Uplinks) > 0 {
		o.Uplinks = c.Uplinks
	}
	if c.StateDir != "" {
		o.StateFile = filepath.Join(c.StateDir, "addresses.json")
	}
	lb := vip.New(o)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	defer group.Wait()
	var addr net.Addr
	if c.Listen != "" {
		on, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", c.Listen, err)
		}
		addr = on.Addr()
		opt.Log.Info("listening", "address", addr.String())
		group.Go(func() {
			if err := lb.Serve(ctx, on); err != nil {
				cancel(err)
			}
		})
	}
	if opt.Signals {
		got := make(chan os.Signal, 1)
		signal.Notify(got, syscall.SIGHUP)
		group.Go(func() { hangups(ctx, got, lb.Resync) })
	}
	if opt.Started != nil {
		opt.Started(lb, addr)
	}
	err = lb.Run(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	cancel(nil)
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// hangups calls f for each SIGHUP until ctx ends.
func hangups(ctx context.Context, got chan os.Signal, f func()) {
	defer signal.Stop(got)
	for {
		select {
		case <-ctx.Done():
			return
		case <-got:
			f()
		}
	}
}
