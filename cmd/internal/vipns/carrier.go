package vipns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
)

// maxPorts bounds the addresses at which the inside listens.
const maxPorts = 512

// carrier is the inside's end: it listens where backends are on the machine, and carries what is connected there.
type carrier struct {
	socket string // of the gate
	log    *slog.Logger

	mu    sync.Mutex
	ctx   context.Context
	group sync.WaitGroup
	open  map[netip.AddrPort]func() // closes the listener
}

func newCarrier(ctx context.Context, socket string, log *slog.Logger) *carrier {
	return &carrier{ctx: ctx, socket: socket, log: log, open: map[netip.AddrPort]func(){}}
}

// carry listens at the addresses wanted and at no others. Connections of an address that is no longer wanted live on. The
// error tells of those at which that was not possible.
func (c *carrier) carry(want []netip.AddrPort) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := map[netip.AddrPort]bool{}
	var errs []error
	for _, a := range want {
		wanted[a] = true
	}
	for a, stop := range c.open {
		if !wanted[a] {
			stop()
			delete(c.open, a)
		}
	}
	for a := range wanted {
		if c.open[a] != nil {
			continue
		}
		if len(c.open) >= maxPorts {
			errs = append(errs, fmt.Errorf("%s: not carried: expected at most %d addresses of backends", a, maxPorts))
			break
		}
		if err := c.listen(a); err != nil {
			errs = append(errs, fmt.Errorf("%s: not carried: %w", a, err))
		}
	}
	return errors.Join(errs...)
}

func (c *carrier) listen(a netip.AddrPort) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if err := own(a.Addr()); err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(c.ctx, "tcp", a.String())
	if err != nil {
		return err
	}
	c.open[a] = func() { l.Close() }
	c.group.Go(func() {
		err := accept(c.ctx, l, func(ctx context.Context, near net.Conn) error {
			far, err := through(ctx, c.socket, a)
			if err != nil {
				c.log.Debug("not carried", "to", a.String(), "err", err)
				_ = near.(*net.TCPConn).SetLinger(0) // what the machine refuses is refused here
				return err
			}
			defer far.Close()
			return splice(ctx, near, far)
		})
		if err != nil {
			c.log.Warn("no longer carried", "to", a.String(), "err", err)
		}
	})
	return nil
}

// wait returns when ctx has ended and all connections are closed.
func (c *carrier) wait() { c.group.Wait() }

// own gives the namespace an address of the machine, that of a container, to listen at. It has those of loopback anyway.
func own(a netip.Addr) error {
	if a.IsLoopback() {
		return nil
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	ip := net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
	err = netlink.AddrAdd(lo, &netlink.Addr{IPNet: &ip})
	if errors.Is(err, syscall.EEXIST) {
		return nil
	}
	return err
}
