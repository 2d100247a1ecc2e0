package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/internal/vipd"
	"berth/cmd/internal/vipns"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/vip"
)

func newVIP() *cobra.Command {
	list, show := newVIPList(), newVIPShow()
	for _, c := range []*cobra.Command{list, show} {
		addRemoteFlags(c.Flags())
		c.Flags().String("vip", "http://127.0.0.1:8124", "status `URL` of the vip to ask; empty computes from the apps")
	}
	cmd := group("vip", "show virtual addresses and what is behind them", list, show, vipns.IsolatedCommand(envPrefix),
		vipns.GateCommand(envPrefix))
	cmd.Long = "Shows the virtual addresses (VIPs) that port labels such as VIP_0=1.1.1.1:80 and VIP_0=/name:80 ask for.\n" +
		"The vip of this node is asked, or that of --vip. Where none answers, and --vip was not given, or where it is empty, they\n" +
		"are computed from the orchestrator's apps, as a vip without flags on another node would have them; connections are not\n" +
		"known then. isolated and gate serve VIPs in a network namespace instead of on this machine."
	return cmd
}

// vips are what the vip of this node knows; counted is false when none answered and they were computed from the apps.
func (r *remote) vips() (list vip.Listing, counted bool, err error) {
	base, _ := r.cmd.Flags().GetString("vip")
	if base != "" {
		list, err = vipd.Ask(r.ctx, base)
		if !errors.Is(err, syscall.ECONNREFUSED) || r.cmd.Flags().Changed("vip") {
			return list, true, err
		}
		r.say("no vip answers at %s; computed from the apps, without connections", base)
	}
	apps, err := r.c.Apps(r.ctx, client.ReadOptions{Embed: []string{"apps.tasks", "apps.readiness"}})
	if err != nil {
		return list, false, explain("list apps", err)
	}
	list, err = vipd.Compute(apps, lookUp(r.ctx, apps))
	return list, false, err
}

const (
	lookUpTimeout = 3 * time.Second // for all names together
	maxLookUps    = 100
)

// lookUp finds the addresses of agents that are listed by name, as far as that can be done in a moment.
func lookUp(ctx context.Context, apps []*api.AppInfo) map[string][]netip.Addr {
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	hosts := map[string][]netip.Addr{}
	for _, a := range apps {
		for _, t := range a.Tasks {
			if _, known := hosts[t.Host]; known || t.Host == "" || len(hosts) >= maxLookUps {
				continue
			}
			if _, err := netip.ParseAddr(t.Host); err == nil {
				continue
			}
			hosts[t.Host], _ = net.DefaultResolver.LookupNetIP(ctx, "ip", t.Host)
		}
	}
	return hosts
}
