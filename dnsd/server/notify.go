package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"berth/dnsd/zone"
)

// How often and how long a secondary is asked to take notice (RFC 1996 section 3.6 has longer times for the internet).
const (
	notifyTries   = 3
	notifyTimeout = time.Second
)

// Notify tells a secondary by UDP that a zone has changed (RFC 1996), and returns when it has answered. What the secondary does
// then, usually to ask for a transfer, is its own business.
func Notify(ctx context.Context, to netip.AddrPort, a *zone.Apex) error {
	m := new(dns.Msg).SetNotify(a.Name + ".")
	m.Answer = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: a.Name + ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: a.TTL},
		Ns:  a.SOA.Mname + ".", Mbox: a.SOA.Rname + ".", Serial: a.Serial,
		Refresh: a.SOA.Refresh, Retry: a.SOA.Retry, Expire: a.SOA.Expire, Minttl: a.SOA.Minimum,
	}}
	c := &dns.Client{Timeout: notifyTimeout}
	var errs []error
	for range notifyTries {
		in, _, err := c.ExchangeContext(ctx, m, to.String())
		switch {
		case err == nil && in.Rcode == dns.RcodeSuccess:
			return nil
		case err == nil:
			return fmt.Errorf("notify %s of %s: it answers %s", to, a.Name, dns.RcodeToString[in.Rcode])
		case ctx.Err() != nil:
			return ctx.Err()
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("notify %s of %s: %w", to, a.Name, errors.Join(errs...))
}
