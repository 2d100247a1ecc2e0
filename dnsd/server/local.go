package server

import (
	"net"
	"strings"

	"github.com/miekg/dns"

	"berth/dnsd/zone"
)

// maxAliases bounds a chain of CNAME records.
const maxAliases = 8

// local answers from our zones. Both results are zero if the name is not ours; outside is the name that a chain of CNAME
// records of ours ends in, if that is somebody else's.
func (q *query) local() (m *dns.Msg, outside string) {
	typ := q.m.Question[0].Qtype
	name := q.name
	for hop := 0; ; hop++ {
		res := q.view.zone.Lookup(name, typ)
		if res.Answer == zone.Outside {
			if m == nil {
				return nil, ""
			}
			return m, name
		}
		if m == nil {
			m = q.empty(dns.RcodeSuccess)
			m.Authoritative = true
		}
		switch {
		case !q.view.loaded || res.Answer == zone.Pending:
			m.Authoritative, m.Rcode = false, dns.RcodeServerFailure
			why := "no apps have been read yet"
			if q.view.expired {
				why = "the source of these records has not answered for too long"
			}
			q.explain(m, dns.ExtendedErrorCodeNotReady, why)
			return m, ""
		case res.Answer == zone.Alias && typ != dns.TypeANY && hop < maxAliases:
			m.Answer = append(m.Answer, q.records(name, res.Set)...)
			name = res.Set.First().Target
			continue
		}
		q.fill(m, name, typ, &res)
		return m, ""
	}
}

// fill puts what was found into m.
func (q *query) fill(m *dns.Msg, name string, typ uint16, res *zone.Result) {
	if q.view.stale {
		q.explain(m, dns.ExtendedErrorCodeStaleAnswer, "the source of these records does not answer")
	}
	switch {
	case typ == dns.TypeSOA && res.Apex != nil && name == res.Apex.Name:
		m.Answer = append(m.Answer, q.soa(res.Apex, res.Apex.TTL))
	case typ == dns.TypeANY && res.Node != nil && len(res.Node.Sets) > 0:
		q.any(m, name, res)
	case res.Answer == zone.Success || res.Answer == zone.Alias:
		m.Answer = append(m.Answer, q.records(name, res.Set)...)
		q.additional(m, res.Set)
	default:
		if res.Answer == zone.NXDomain {
			m.Rcode = dns.RcodeNameError
		}
		if apex := res.Apex; apex != nil {
			m.Ns = append(m.Ns, q.soa(apex, apex.NegativeTTL()))
		}
	}
}

// any gives one set, or by TCP all of them if so configured: enough for who debugs, too little to be worth an attack (RFC
// 8482).
func (q *query) any(m *dns.Msg, name string, res *zone.Result) {
	if !q.tcp || !q.view.config.FullAny {
		m.Answer = append(m.Answer, q.records(name, &res.Node.Sets[0])...)
		return
	}
	for i := range res.Node.Sets {
		m.Answer = append(m.Answer, q.records(name, &res.Node.Sets[i])...)
	}
	if res.Apex != nil && name == res.Apex.Name {
		m.Answer = append(m.Answer, q.soa(res.Apex, res.Apex.TTL))
	}
}

// records turns a set into records whose owner is written as the client wrote it, in the order that is configured.
func (q *query) records(name string, set *zone.RRset) []dns.RR {
	owner := q.write(name)
	r := rnd{state: uint64(q.m.Id)<<32 | 0x9E3779B9}
	r.next()
	n := min(set.Len(), q.limit()/zone.AddrSize4+1) // more would be cut off again: no record is smaller
	list := set.From(q.view.config.first(set.Len(), &r), n)
	out := make([]dns.RR, n)
	for i := range list {
		out[i] = q.rr(owner, set, &list[i])
	}
	return out
}

// write turns a name of ours into one for the client.
func (q *query) write(name string) string {
	if asked := q.m.Question[0].Name; name == q.name {
		return asked
	}
	return q.asked.back(name) + "."
}

func (q *query) rr(owner string, set *zone.RRset, r *zone.Record) dns.RR {
	h := dns.RR_Header{Name: owner, Rrtype: set.Type, Class: dns.ClassINET, Ttl: q.ttl(set.TTL)}
	target := q.asked.back(r.Target) + "."
	switch set.Type {
	case zone.TypeA:
		return &dns.A{Hdr: h, A: net.IP(r.Addr.AsSlice())}
	case zone.TypeAAAA:
		return &dns.AAAA{Hdr: h, AAAA: net.IP(r.Addr.AsSlice())}
	case zone.TypeNS:
		return &dns.NS{Hdr: h, Ns: target}
	case zone.TypeCNAME:
		return &dns.CNAME{Hdr: h, Target: target}
	case zone.TypePTR:
		return &dns.PTR{Hdr: h, Ptr: target}
	}
	return &dns.SRV{Hdr: h, Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: target}
}

func (q *query) ttl(ttl uint32) uint32 {
	if q.view.stale {
		return min(ttl, maxStaleTTL)
	}
	return ttl
}

// additional gives at most one address of each family for each distinct target.
func (q *query) additional(m *dns.Msg, set *zone.RRset) {
	if set.Type != zone.TypeSRV && set.Type != zone.TypeNS || len(m.Answer) < set.Len() {
		return
	}
	seen := map[string]bool{}
	for _, r := range set.Records() {
		target := r.Target
		node := q.view.zone.Node(target)
		if seen[target] || node == nil {
			continue
		}
		seen[target] = true
		for _, typ := range []uint16{zone.TypeA, zone.TypeAAAA} {
			if addrs := node.Set(typ); addrs != nil {
				one := addrs.From(int(q.m.Id)%addrs.Len(), 1)
				m.Extra = append(m.Extra, q.rr(q.asked.back(target)+".", addrs, &one[0]))
			}
		}
	}
}

func (q *query) soa(a *zone.Apex, ttl uint32) dns.RR {
	owner := q.asked.back(a.Name) + "."
	if asked := q.m.Question[0].Name; len(owner) <= len(asked) && strings.EqualFold(asked[len(asked)-len(owner):], owner) {
		owner = asked[len(asked)-len(owner):]
	}
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: q.ttl(ttl)},
		Ns:  q.asked.back(a.SOA.Mname) + ".", Mbox: q.asked.back(a.SOA.Rname) + ".", Serial: a.Serial,
		Refresh: a.SOA.Refresh, Retry: a.SOA.Retry, Expire: a.SOA.Expire, Minttl: a.SOA.Minimum,
	}
}

// special answers names that mean this machine, or nothing, everywhere (RFC 6761, 6762, 7686): they are not asked for
// elsewhere.
func (q *query) special() (*dns.Msg, bool) {
	top := q.name[strings.LastIndexByte(q.name, '.')+1:]
	switch top {
	case "localhost", "local", "invalid", "onion":
	default:
		return nil, false
	}
	if q.view.zone.Lookup(q.name, zone.TypeA).Answer != zone.Outside {
		return nil, false // a name of that kind was given to us
	}
	m := q.empty(dns.RcodeNameError)
	if top != "localhost" {
		return m, true
	}
	m.Rcode = dns.RcodeSuccess
	h := dns.RR_Header{Name: q.m.Question[0].Name, Rrtype: q.m.Question[0].Qtype, Class: dns.ClassINET, Ttl: 60}
	switch h.Rrtype {
	case dns.TypeA:
		m.Answer = []dns.RR{&dns.A{Hdr: h, A: net.IPv4(127, 0, 0, 1)}}
	case dns.TypeAAAA:
		m.Answer = []dns.RR{&dns.AAAA{Hdr: h, AAAA: net.IPv6loopback}}
	}
	return m, true
}
