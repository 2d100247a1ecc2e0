package route

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Routes keeps the routes of VIPs. It has one user at a time.
type Routes struct {
	device int
	source [2]netip.Addr
	have   map[netip.Prefix]bool
}

// Load reads the routes of vip that exist, and removes those that lead elsewhere or have another source.
func Load(device int, source4, source6 netip.Addr) (*Routes, error) {
	r := &Routes{device: device, source: [2]netip.Addr{source4, source6}, have: map[netip.Prefix]bool{}}
	list, err := list()
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		p, ok := prefixOf(x.Dst)
		src, _ := netip.AddrFromSlice(x.Src)
		if ok && x.LinkIndex == device && src.Unmap() == r.sourceOf(p) {
			r.have[p] = true
			continue
		}
		if err := netlink.RouteDel(&x); err != nil && !errors.Is(err, syscall.ESRCH) {
			return nil, fmt.Errorf("remove route %s: %w", x.Dst, explain(err))
		}
	}
	return r, nil
}

func list() (all []netlink.Route, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		l, err := netlink.RouteListFiltered(family, &netlink.Route{Protocol: Protocol, Table: unix.RT_TABLE_MAIN},
			netlink.RT_FILTER_PROTOCOL|netlink.RT_FILTER_TABLE)
		if errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EOPNOTSUPP) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", explain(err))
		}
		all = append(all, l...)
	}
	return all, nil
}

func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(a.Unmap(), bits), ok
}

func (r *Routes) sourceOf(p netip.Prefix) netip.Addr {
	if p.Addr().Is4() {
		return r.source[0]
	}
	return r.source[1]
}

// Unwanted lists the routes there are that are not wanted, sorted.
func (r *Routes) Unwanted(want []netip.Prefix) []netip.Prefix {
	wanted := map[netip.Prefix]bool{}
	for _, p := range want {
		wanted[p] = true
	}
	return slices.DeleteFunc(r.Prefixes(), func(p netip.Prefix) bool { return wanted[p] })
}

// Drop removes routes. It comes before the rules go.
func (r *Routes) Drop(list []netip.Prefix) error {
	var errs []error
	for _, p := range list {
		if err := netlink.RouteDel(r.route(p)); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("remove route %s: %w", p, explain(err)))
			continue
		}
		delete(r.have, p)
	}
	return errors.Join(errs...)
}

// Add makes the routes that are missing. It comes after the rules. A route of somebody else to the same address stays, and
// is an error for that address alone.
func (r *Routes) Add(want []netip.Prefix) error {
	var errs []error
	for _, p := range want {
		if r.have[p] {
			continue
		}
		if err := netlink.RouteAdd(r.route(p)); err != nil {
			if len(errs) < 10 {
				errs = append(errs, fmt.Errorf("add route %s: %w", p, explain(err)))
			}
			continue
		}
		r.have[p] = true
	}
	return errors.Join(errs...)
}

func (r *Routes) route(p netip.Prefix) *netlink.Route {
	x := &netlink.Route{LinkIndex: r.device, Dst: &net.IPNet{IP: p.Addr().AsSlice(),
		Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, Protocol: Protocol, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}
	if p.Addr().Is4() {
		x.Scope = netlink.SCOPE_LINK
	}
	if s := r.sourceOf(p); s.IsValid() {
		x.Src = s.AsSlice()
	}
	return x
}

// Prefixes lists the routes there are, sorted.
func (r *Routes) Prefixes() []netip.Prefix {
	out := make([]netip.Prefix, 0, len(r.have))
	for p := range r.have {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	return out
}

// RemoveAll deletes every route of vip.
func RemoveAll() error {
	all, err := list()
	if err != nil {
		return err
	}
	for _, x := range all {
		if err := netlink.RouteDel(&x); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("remove route %s: %w", x.Dst, explain(err))
		}
	}
	return nil
}
