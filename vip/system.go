package vip

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"

	"berth/vip/nft"
	"berth/vip/route"
	"berth/vip/ruleset"
)

// System is this machine's network namespace.
type System struct {
	Source4, Source6 netip.Addr // of the node; found out when not valid
	ResolvConf       []string   // files that name resolvers

	routes    *route.Routes
	lingering []netip.Prefix // unwanted routes at the last look
	looked    time.Time
	pause     time.Duration // after that look
}

// How often it is looked whether connections to VIPs that are gone have ended: most end in a moment, and the look lists all
// tracked connections.
const (
	minLinger = 100 * time.Millisecond
	maxLinger = 10 * time.Second
)

// Look implements Host.
func (s *System) Look() (*route.Facts, error) {
	f, err := route.Look(s.ResolvConf...)
	if err != nil {
		return nil, err
	}
	if s.Source4.IsValid() {
		f.Source4 = s.Source4
	}
	if s.Source6.IsValid() {
		f.Source6 = s.Source6
	}
	return f, nil
}

// Plan implements Host.
func (s *System) Plan(f *route.Facts, backends []netip.Addr) (route.Bridged, error) {
	return f.Plan(backends)
}

// Hairpin implements Host.
func (s *System) Hairpin(port string) bool { return route.Hairpin(port) }

// SetHairpin implements Host.
func (s *System) SetHairpin(port string, on bool) error { return route.SetHairpin(port, on) }

// Prepare implements Host.
func (s *System) Prepare(f *route.Facts) error {
	device, err := route.EnsureDevice(f.MTU)
	if err != nil {
		return err
	}
	s.routes, err = route.Load(device, f.Source4, f.Source6)
	return err
}

// DropRoutes implements Host. A route stays while connections that began when its VIP existed are open: they would lose
// their way. It leads nowhere, so nobody else can be reached by it.
func (s *System) DropRoutes(want []netip.Prefix) (again time.Duration, err error) {
	unwanted := s.routes.Unwanted(want)
	if len(unwanted) == 0 {
		s.lingering = nil
		return 0, nil
	}
	pause := minLinger
	if slices.Equal(unwanted, s.lingering) {
		if left := s.pause - time.Since(s.looked); left > 0 {
			return left, nil
		}
		pause = min(2*s.pause, maxLinger)
	}
	busy, err := route.Busy(func(a netip.Addr) bool {
		return slices.ContainsFunc(unwanted, func(p netip.Prefix) bool { return p.Contains(a) })
	})
	if err != nil {
		return pause, err
	}
	free := slices.DeleteFunc(slices.Clone(unwanted), func(p netip.Prefix) bool {
		for a := range busy {
			if p.Contains(a) {
				return true
			}
		}
		return false
	})
	err = s.routes.Drop(free)
	s.lingering, s.looked, s.pause = s.routes.Unwanted(want), time.Now(), pause
	if len(s.lingering) == 0 {
		return 0, err
	}
	return pause, err
}

// AddRoutes implements Host.
func (s *System) AddRoutes(want []netip.Prefix) error { return s.routes.Add(want) }

// Sessions implements Host.
func (s *System) Sessions(of func(ruleset.Key, netip.AddrPort) string) (map[string]int, error) {
	return route.Sessions(of)
}

// Forget implements Host.
func (s *System) Forget(match route.Match, v4, v6 bool) (int, error) {
	return route.Forget(match, v4, v6)
}

// Resolve implements Host.
func (s *System) Resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// Strangers implements Host.
func (s *System) Strangers(ctx context.Context, touched func()) error {
	return nft.Monitor(ctx, touched)
}

// Changes implements Host.
func (s *System) Changes(ctx context.Context, changed func()) error {
	return route.Changes(ctx, changed)
}
