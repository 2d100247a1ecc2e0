package forward

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"

	"berth/dnsd/server"
)

// Forwarder answers queries by asking others. It is safe for concurrent use.
type Forwarder struct {
	o     Options
	log   *slog.Logger
	cache *cache
	zones []route // the longest name first

	mu        sync.RWMutex
	resolvers []*upstream // for everything else

	flight singleflight.Group
	tries  sync.WaitGroup // questions on their way to upstreams
	fresh  sync.WaitGroup // refreshes of cached answers
	ctx    context.Context
	cancel context.CancelFunc

	requests, failures atomic.Uint64
	probes             probes
}

// route is a domain with resolvers of its own.
type route struct {
	zone string
	ups  []*upstream
}

// New checks the options. log may be nil. Close ends what it starts.
func New(o Options, log *slog.Logger) (*Forwarder, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Forwarder{o: o, log: log}
	f.cache = newCache(&f.o)
	f.resolvers = f.upstreams(o.Resolvers)
	for zone, list := range o.Zones {
		f.zones = append(f.zones, route{zone, f.upstreams(list)})
	}
	slices.SortFunc(f.zones, func(a, b route) int { return len(b.zone) - len(a.zone) })
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

func (f *Forwarder) upstreams(list []netip.AddrPort) []*upstream {
	out := make([]*upstream, len(list))
	for i, a := range list {
		out[i] = newUpstream(a, f.o.PerHost)
	}
	return out
}

// SetResolvers replaces the resolvers for names without a route, as when the system's have changed. Those that stay keep what
// is known of them.
func (f *Forwarder) SetResolvers(list []netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fresh := make([]*upstream, 0, len(list))
	for _, a := range list {
		i := slices.IndexFunc(f.resolvers, func(u *upstream) bool { return u.addr == a })
		if i >= 0 {
			fresh = append(fresh, f.resolvers[i])
		} else {
			fresh = append(fresh, newUpstream(a, f.o.PerHost))
		}
	}
	f.resolvers = fresh
}

// Close ends all questions on their way and waits for that.
func (f *Forwarder) Close() {
	f.cancel()
	f.fresh.Wait()
	f.tries.Wait()
}

// Forward implements server.Forwarder.
func (f *Forwarder) Forward(ctx context.Context, m *dns.Msg, tcp bool) (*dns.Msg, error) {
	qu := m.Question[0]
	k := key{name: strings.ToLower(qu.Name), typ: qu.Qtype, class: qu.Qclass, cd: m.CheckingDisabled}
	if opt := m.IsEdns0(); opt != nil {
		k.do = opt.Do()
	}
	ups := f.route(strings.TrimSuffix(k.name, "."))
	if f.o.Off || len(ups) == 0 || f.probes.seen(k) {
		return nil, server.ErrOff
	}
	f.requests.Add(1)
	if in, refresh := f.cache.get(k, time.Now()); in != nil {
		if refresh {
			f.fresh.Go(func() {
				if _, err := f.ask(f.ctx, k, ups, tcp); err != nil {
					f.cache.give(k)
				}
			})
		}
		return in, nil
	}
	in, err := f.ask(ctx, k, ups, tcp)
	if err == nil {
		return in, nil
	}
	if old := f.cache.expired(k, time.Now()); old != nil {
		return old, nil
	}
	f.failures.Add(1)
	f.log.Debug("forward", "name", qu.Name, "type", dns.TypeToString[qu.Qtype], "err", err)
	return nil, err
}

// route returns the upstreams for a name.
func (f *Forwarder) route(name string) []*upstream {
	for _, r := range f.zones {
		if inside(name, r.zone) {
			return r.ups
		}
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.resolvers
}

// ask puts a question to upstreams, once for all who have it at the moment, and keeps the answer.
func (f *Forwarder) ask(ctx context.Context, k key, ups []*upstream, tcp bool) (*dns.Msg, error) {
	results := f.flight.DoChan(k.flight(tcp), func() (any, error) {
		in, err := f.race(f.ctx, ups, k.question(), tcp)
		switch {
		case f.ctx.Err() != nil:
		case err != nil:
			f.cache.put(k, failure(k), time.Now())
		default:
			f.cache.put(k, in, time.Now())
		}
		return in, err
	})
	select {
	case r := <-results:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*dns.Msg), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// flight names a question among those on their way.
func (k key) flight(tcp bool) string {
	b := append([]byte(k.name), 0, byte(k.typ>>8), byte(k.typ), byte(k.class>>8), byte(k.class))
	for _, v := range []bool{k.do, k.cd, tcp} {
		c := byte('0')
		if v {
			c = '1'
		}
		b = append(b, c)
	}
	return string(b)
}

// question is what upstreams are asked: nothing of the client's but the question and what it wants of DNSSEC.
func (k key) question() *dns.Msg {
	m := new(dns.Msg)
	m.RecursionDesired, m.CheckingDisabled = true, k.cd
	m.Question = []dns.Question{{Name: k.name, Qtype: k.typ, Qclass: k.class}}
	return m.SetEdns0(bufferSize, k.do)
}

// failure is remembered so that a name whose servers are down is not asked about without end (RFC 9520).
func failure(k key) *dns.Msg {
	m := k.question()
	m.Response, m.Rcode = true, dns.RcodeServerFailure
	return m
}
