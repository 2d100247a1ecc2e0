package forward

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Options of a Forwarder. DefaultOptions has sound values.
type Options struct {
	Off       bool             // answer nothing: every query ends in server.ErrOff
	Resolvers []netip.AddrPort // for every name that Zones does not have
	// Zones are domains with resolvers of their own, in lower case without dots at the ends.
	Zones map[string][]netip.AddrPort
	// Ours are domains that are never asked about.
	Ours []string

	Deadline time.Duration // for one answer, all attempts together
	Timeout  time.Duration // for one attempt
	Hedge    time.Duration // after this long without an answer, the next upstream is asked as well
	PerHost  int           // queries that wait for one upstream at a time

	Entries     int           // cached answers
	MinTTL      time.Duration // of a cached answer
	MaxTTL      time.Duration
	MaxNegative time.Duration // of the absence of a name or type
	FailureTTL  time.Duration // of a failure
	Stale       time.Duration // how long past its end an answer may still be served when nobody answers
	StaleTTL    time.Duration // the TTL it then has
}

// DefaultOptions are those of dns.md section 13, number 8.
func DefaultOptions() Options {
	return Options{
		Deadline: 3 * time.Second, Timeout: 2 * time.Second, Hedge: 200 * time.Millisecond, PerHost: 256,
		Entries: 10_000, MinTTL: 5 * time.Second, MaxTTL: time.Hour, MaxNegative: 30 * time.Minute,
		FailureTTL: 2 * time.Second, Stale: 24 * time.Hour, StaleTTL: 30 * time.Second,
	}
}

// Validate names the value that is wrong.
func (o *Options) Validate() error {
	if err := validList("resolvers", o.Resolvers); err != nil {
		return err
	}
	zones := make([]string, 0, len(o.Zones))
	for zone, list := range o.Zones {
		if zone == "" || strings.Trim(zone, ".") != zone || strings.ToLower(zone) != zone {
			return fmt.Errorf("zone resolvers of %q: expected a name in lower case without a dot at its ends", zone)
		}
		if len(list) == 0 {
			return fmt.Errorf("zone resolvers of %s: expected at least one", zone)
		}
		if err := validList("zone resolvers of "+zone, list); err != nil {
			return err
		}
		zones = append(zones, zone)
	}
	slices.Sort(zones)
	for i, z := range zones {
		for _, other := range append(zones[:i:i], o.Ours...) {
			if inside(z, other) || inside(other, z) {
				return fmt.Errorf("zone resolvers of %s: it overlaps with %s", z, other)
			}
		}
	}
	for _, d := range []time.Duration{o.Deadline, o.Timeout, o.Hedge} {
		if d <= 0 || d > time.Minute {
			return fmt.Errorf("time limit %s: expected more than 0 and at most 1m", d)
		}
	}
	if o.PerHost < 1 || o.Entries < 0 || o.Entries > 10_000_000 {
		return errors.New("cache entries and queries per upstream: expected 0 to 10000000 and at least 1")
	}
	return nil
}

func validList(what string, list []netip.AddrPort) error {
	for i, a := range list {
		if !a.IsValid() || a.Port() == 0 {
			return fmt.Errorf("%s: %s: expected an address and a port", what, a)
		}
		if slices.Contains(list[:i], a) {
			return fmt.Errorf("%s: %s is given twice", what, a)
		}
	}
	return nil
}

// inside reports whether name is zone or below it.
func inside(name, zone string) bool {
	head, ok := strings.CutSuffix(name, zone)
	return ok && (head == "" || head[len(head)-1] == '.')
}

// ParseResolver reads IP or IP:port, also [IPv6]:port; the port is 53 unless given. A zone, as in fe80::1%eth0, is allowed.
func ParseResolver(s string) (netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), 53), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("resolver %.100q: expected an address, as in 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53", s)
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}
