package forward

import (
	"container/list"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// key is what tells one question from another. DO and CD change what an upstream answers.
type key struct {
	name       string // lower case
	typ, class uint16
	do, cd     bool
}

// maxCached is the largest answer that is kept, in bytes: so the number of entries bounds the memory. Larger ones come by TCP
// alone and are rare.
const maxCached = 4096

// cache keeps the answers used last, at most a given number. The messages in it are never changed.
type cache struct {
	o *Options

	mu    sync.Mutex
	items map[key]*list.Element
	used  *list.List // of *item, the last used first

	hits, misses, stale uint64
}

type item struct {
	key           key
	m             *dns.Msg
	stored, until time.Time
	asking        bool // somebody refreshes it already
}

func newCache(o *Options) *cache {
	return &cache{o: o, items: map[key]*list.Element{}, used: list.New()}
}

// get returns the answer to a question if it is still good, with TTLs that are left. refresh says that it will not be for
// long and that nobody else was told so.
func (c *cache) get(k key, now time.Time) (m *dns.Msg, refresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[k]
	if e == nil || !now.Before(e.Value.(*item).until) {
		c.misses++
		return nil, false
	}
	c.hits++
	c.used.MoveToFront(e)
	it := e.Value.(*item)
	life := it.until.Sub(it.stored)
	if left := it.until.Sub(now); !it.asking && left < life/10 && it.m.Rcode != dns.RcodeServerFailure {
		it.asking, refresh = true, true
	}
	age := uint32(now.Sub(it.stored) / time.Second)
	return aged(it.m, func(ttl uint32) uint32 { return ttl - min(ttl, age) }), refresh
}

// expired returns an answer that is past its end but may be served in need.
func (c *cache) expired(k key, now time.Time) *dns.Msg {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[k]
	if e == nil {
		return nil
	}
	it := e.Value.(*item)
	if it.m.Rcode == dns.RcodeServerFailure || now.After(it.until.Add(c.o.Stale)) {
		return nil
	}
	c.stale++
	ttl := uint32(c.o.StaleTTL / time.Second)
	m := aged(it.m, func(uint32) uint32 { return ttl })
	if opt := m.IsEdns0(); opt == nil {
		m.Extra = append(m.Extra, &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}})
	}
	opt := m.IsEdns0()
	opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer})
	return m
}

// put keeps an answer for as long as its records allow, within limits. A failure does not displace an answer that may still be
// of use in need.
func (c *cache) put(k key, m *dns.Msg, now time.Time) {
	life := c.life(m)
	if life <= 0 || c.o.Entries == 0 || m.Truncated || m.Len() > maxCached {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	it := &item{key: k, m: m, stored: now, until: now.Add(life)}
	if e := c.items[k]; e != nil {
		old := e.Value.(*item)
		if m.Rcode == dns.RcodeServerFailure && old.m.Rcode != dns.RcodeServerFailure {
			old.asking = false
			return
		}
		e.Value = it
		c.used.MoveToFront(e)
		return
	}
	c.items[k] = c.used.PushFront(it)
	if c.used.Len() > c.o.Entries {
		last := c.used.Back()
		delete(c.items, last.Value.(*item).key)
		c.used.Remove(last)
	}
}

// life is how long an answer may be kept.
func (c *cache) life(m *dns.Msg) time.Duration {
	switch m.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	case dns.RcodeServerFailure:
		return c.o.FailureTTL
	default:
		return 0
	}
	if m.Rcode == dns.RcodeSuccess && len(m.Answer) > 0 {
		return min(max(shortestTTL(m.Answer), c.o.MinTTL), c.o.MaxTTL)
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			ttl := time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
			return min(max(ttl, c.o.MinTTL), c.o.MaxNegative)
		}
	}
	return 0 // absence without an SOA record is not to be remembered (RFC 2308 section 5)
}

func shortestTTL(list []dns.RR) time.Duration {
	ttl := list[0].Header().Ttl
	for _, rr := range list[1:] {
		ttl = min(ttl, rr.Header().Ttl)
	}
	return time.Duration(ttl) * time.Second
}

// aged copies m with other TTLs.
func aged(m *dns.Msg, ttl func(uint32) uint32) *dns.Msg {
	out := m.Copy()
	for _, section := range [][]dns.RR{out.Answer, out.Ns, out.Extra} {
		for _, rr := range section {
			if h := rr.Header(); h.Rrtype != dns.TypeOPT {
				h.Ttl = ttl(h.Ttl)
			}
		}
	}
	return out
}

// give says that a refresh has come to nothing.
func (c *cache) give(k key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.items[k]; e != nil {
		e.Value.(*item).asking = false
	}
}
