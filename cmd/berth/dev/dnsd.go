package dev

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"berth/cmd/internal/dnsdd"
)

// dnsdConfig is the name server's configuration in this run. Names outside of the cluster are refused: this machine's own
// resolver goes on answering those.
func (p *plan) dnsdConfig() dnsdd.Config {
	c := dnsdd.DefaultConfig()
	c.Marathon = []string{p.urls.API}
	c.Listen = []string{p.urls.DNS}
	c.HTTP = net.JoinHostPort("127.0.0.1", strconv.Itoa(p.ports["dns-http"]))
	c.External = false
	c.StateDir = filepath.Join(p.c.Dir, "dnsd")
	return c
}

func (p *plan) dnsd() daemon {
	var up atomic.Bool
	return daemon{
		name: "dnsd",
		run: func(ctx context.Context) error {
			bound := func(dnsdd.Bound) { up.Store(true) }
			return dnsdd.Run(ctx, p.dnsdConfig(), dnsdd.Options{Log: p.opt.Log, Bound: bound})
		},
		ready: func(context.Context) error {
			if !up.Load() {
				return errNotBound
			}
			return nil
		},
	}
}

var errNotBound = errors.New("dnsd does not listen yet")
