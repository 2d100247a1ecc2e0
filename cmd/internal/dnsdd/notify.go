package dnsdd

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"berth/cmd/internal/cli"
	"berth/dnsd/forward"
	"berth/dnsd/server"
	"berth/dnsd/zone"
)

// notifyEvery is the least time between two notices to one secondary: what changes meanwhile goes with the next.
const notifyEvery = time.Second

// secondaries are the servers to be told of changes.
func (c *Config) secondaries() ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, s := range cli.SplitList(c.Notify) {
		a, err := forward.ParseResolver(s)
		if err != nil || slices.Contains(out, a) {
			return nil, cli.Usagef("--notify %q: expected the address of a secondary, as in 192.0.2.1 or 192.0.2.1:53, each once", s)
		}
		out = append(out, a)
	}
	return out, nil
}

// notify tells secondaries of each change of the main zone, until ctx ends.
func (d *daemon) notify(ctx context.Context) {
	serial := uint32(0)
	for {
		z, err := d.loop.Next(ctx, serial)
		if err != nil {
			return
		}
		serial = z.Serial()
		var group sync.WaitGroup
		for _, to := range d.secondaries {
			group.Go(func() { d.notifyOne(ctx, to, z) })
		}
		group.Wait()
		select {
		case <-ctx.Done():
			return
		case <-time.After(notifyEvery):
		}
	}
}

func (d *daemon) notifyOne(ctx context.Context, to netip.AddrPort, z *zone.Zone) {
	apexes := z.Apexes()
	i := slices.IndexFunc(apexes, func(a zone.Apex) bool { return a.Name == z.Domain() })
	if err := server.Notify(ctx, to, &apexes[i]); err != nil && ctx.Err() == nil {
		d.log.Warn("a secondary was not told of a change", "err", err)
	}
}
