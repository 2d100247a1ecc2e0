package vipns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync"

	"github.com/vishvananda/netlink"

	"berth/cmd/internal/cli"
	"berth/cmd/internal/dnsdd"
	"berth/cmd/internal/vipd"
	"berth/dnsd"
	"berth/vip"
	"berth/vip/route"
	"berth/vip/ruleset"
)

// Config is everything the inside can be told.
type Config struct {
	Marathon string // URL of the orchestrator, as the gate's side reaches it
	Gate     string // unix socket
	Dir      string // for files of its own
	Status   string // unix socket to serve vip's status at; "" for none
	// Mounts puts a resolv.conf of its own in place, for which a mount namespace of its own is needed.
	Mounts bool
}

// source is the address that backends see, of the block for documentation (RFC 5737): it exists nowhere.
var source = netip.MustParseAddr("192.0.2.1")

// resolver answers for the names of VIPs inside.
const resolver = "127.0.0.1:53"

// Run makes the network namespace it finds itself in one for VIPs, until ctx ends. It refuses one that has a way out.
func Run(ctx context.Context, c Config, log *slog.Logger) error {
	at, err := c.api()
	if err != nil {
		return err
	}
	if err := prepare(); err != nil {
		return err
	}
	if c.Mounts {
		if err := mountResolver(c.Dir, resolver); err != nil {
			log.Warn("names are not looked up inside", "err", err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	carry := newCarrier(ctx, c.Gate, log)
	defer carry.wait()
	defer cancel(nil)
	if err := carry.carry([]netip.AddrPort{at}); err != nil {
		return err
	}
	names := &names{}
	var group sync.WaitGroup
	defer group.Wait()
	run := func(name string, f func() error) {
		group.Go(func() {
			if err := f(); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	run("dnsd", func() error {
		return dnsdd.Run(ctx, c.dnsd(at), dnsdd.Options{Log: log.With("daemon", "dnsd"), Started: names.answeredBy})
	})
	run("vip", func() error {
		return vipd.Run(ctx, c.vip(at), vipd.Options{Log: log.With("daemon", "vip"),
			Published: func(r ruleset.Result) {
				if err := carry.carry(append(backends(r), at)); err != nil {
					log.Warn("some backends cannot be reached", "err", err)
				}
				names.set(vip.Names(r))
			},
			Started: func(lb *vip.LB, _ net.Addr) {
				if c.Status != "" {
					run("status", func() error { return serveStatus(ctx, lb, c.Status) })
				}
			}})
	})
	<-ctx.Done()
	group.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// api is the orchestrator's address, the same inside as outside.
func (c *Config) api() (netip.AddrPort, error) {
	u, err := url.Parse(c.Marathon)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" {
		return netip.AddrPort{}, cli.Usagef("--marathon %q: expected http://ADDRESS:PORT", c.Marathon)
	}
	port := 80
	if u.Port() != "" {
		if port, err = strconv.Atoi(u.Port()); err != nil {
			return netip.AddrPort{}, cli.Usagef("--marathon %q: expected http://ADDRESS:PORT", c.Marathon)
		}
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil || port < 1 || port > 65535 {
		return netip.AddrPort{}, cli.Usagef("--marathon %q: expected the orchestrator's IP address and port", c.Marathon)
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}

// ErrWayOut means that packets could leave the namespace.
var ErrWayOut = errors.New("this network namespace has interfaces besides lo")

// prepare checks that nothing leads out, switches lo on and gives it the source address.
func prepare() error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("list interfaces: %w", err)
	}
	for _, l := range links {
		// The kernel puts devices of tunnels into every new namespace; they are down. Our own may be there from before.
		if name := l.Attrs().Name; name != "lo" && name != route.Device && l.Attrs().Flags&net.FlagUp != 0 {
			return fmt.Errorf("%w: %s is up; VIPs such as 1.1.1.1 are served only where nothing leads out", ErrWayOut, l.Attrs().Name)
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("lo: %w", err)
	}
	return own(source)
}

func (c *Config) vip(at netip.AddrPort) vipd.Config {
	v := vipd.DefaultConfig()
	v.Marathon = []string{"http://" + at.String()}
	v.Subscriber = "vip-namespace"
	v.Listen = "127.0.0.1:8124"
	v.LockDir = c.Dir
	v.NodeAddrs = []string{source.String()}
	v.NoIPv6 = true // backends of IPv4 are all there is
	return v
}

// dnsd answers inside, not on the machine, as the addresses of VIPs lead somewhere only in here.
func (c *Config) dnsd(at netip.AddrPort) dnsdd.Config {
	d := dnsdd.DefaultConfig()
	d.Marathon = []string{"http://" + at.String()}
	d.Listen = []string{resolver}
	d.HTTP = ""
	d.External = false
	d.StateDir = ""
	return d
}

// backends are the addresses that the rules lead to, of TCP.
func backends(r ruleset.Result) (list []netip.AddrPort) {
	for _, s := range r.Ruleset.Services {
		if s.Key.Proto == ruleset.TCP {
			list = append(list, s.Slots...)
		}
	}
	return list
}

// serveStatus answers status requests at a unix socket, which the machine can reach.
func serveStatus(ctx context.Context, lb *vip.LB, socket string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return lb.Serve(ctx, l)
}

// names brings the names of VIPs to dnsd, whichever is there first.
type names struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
	to    *dnsd.Daemon
}

func (n *names) set(known map[string][]netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known = known
	n.tell()
}

func (n *names) answeredBy(d *dnsd.Daemon) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = d
	n.tell()
}

// tell is called with mu held.
func (n *names) tell() {
	if n.to != nil && n.known != nil {
		n.to.SetVIPs(n.known)
	}
}
