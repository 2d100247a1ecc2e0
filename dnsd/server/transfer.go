package server

import (
	"encoding/binary"
	"slices"

	"github.com/miekg/dns"

	"berth/dnsd/zone"
)

// transferSize is how full a message of a transfer gets, in bytes.
const transferSize = 16 << 10

// isTransfer reports whether a query asks for a transfer; it is decided again once the query has been read properly.
func isTransfer(p []byte) bool {
	var q question
	if len(p) < headerSize || p[2]&(bitQR|15<<3) != 0 {
		return false
	}
	at := q.parseName(p)
	if at == 0 || len(p) < at+4 {
		return false
	}
	typ := binary.BigEndian.Uint16(p[at:])
	return typ == dns.TypeAXFR || typ == dns.TypeIXFR
}

// transferByUDP answers who asks for a transfer where there is none: with the SOA record, which makes the client of an
// incremental one come back by TCP (RFC 1995 section 2).
func (q *query) transferByUDP(s *Server) []byte {
	apex := q.apex()
	if apex == nil || q.m.Question[0].Qtype == dns.TypeAXFR || !allowed(q.view.config.Transfer, q.from) {
		return q.refuse(s, edeProhibited)
	}
	m := q.empty(dns.RcodeSuccess)
	m.Authoritative = true
	m.Answer = []dns.RR{q.soa(apex, apex.TTL)}
	return q.pack(m)
}

// apex is the zone that the question names, nil if it is none of ours or not there yet.
func (q *query) apex() *zone.Apex {
	list := q.view.zone.Apexes()
	i := slices.IndexFunc(list, func(a zone.Apex) bool { return a.Name == q.name })
	if i < 0 || !q.view.loaded {
		return nil
	}
	return &list[i]
}

// transfer sends a whole zone (RFC 5936), also to who asks for the difference to an older one (RFC 1995 section 4 allows that),
// and reports whether the connection is still of use.
func (c *tcpConn) transfer(q *query) bool {
	q.m = new(dns.Msg)
	if err := q.m.Unpack(q.packet); err != nil || len(q.m.Question) != 1 {
		return c.write(append([]byte{0, 0}, bareReply(q.packet, rcodeFormErr)...)) == nil
	}
	q.name = lowerName(q.m.Question[0].Name)
	apex := q.apex()
	if apex == nil || q.m.Question[0].Qclass != dns.ClassINET || !allowed(q.view.config.Transfer, c.from) {
		return c.write(append([]byte{0, 0}, q.refuse(c.s, edeProhibited)...)) == nil
	}
	select {
	case c.s.moving <- struct{}{}:
		defer func() { <-c.s.moving }()
	default:
		c.t.shed.Add(1)
		return c.write(append([]byte{0, 0}, q.pack(q.empty(dns.RcodeServerFailure))...)) == nil
	}
	c.t.transfers.Add(1)
	soa := q.soa(apex, apex.TTL)
	t := transferring{c: c, q: q}
	if q.current(apex) {
		return t.add(soa) && t.flush()
	}
	ok := t.add(soa)
	for _, n := range q.view.zone.Sorted(apex.Name) {
		for i := range n.Sets {
			set := &n.Sets[i]
			for _, r := range set.Records() {
				ok = ok && t.add(q.rr(n.Name+".", set, &r))
			}
		}
	}
	return ok && t.add(soa) && t.flush()
}

// current reports whether the client already has this generation, which it says in an incremental query's authority section.
func (q *query) current(apex *zone.Apex) bool {
	if q.m.Question[0].Qtype != dns.TypeIXFR || len(q.m.Ns) != 1 {
		return false
	}
	soa, ok := q.m.Ns[0].(*dns.SOA)
	return ok && soa.Serial == apex.Serial
}

// transferring is a transfer on its way.
type transferring struct {
	c    *tcpConn
	q    *query
	list []dns.RR
	size int
}

// add puts a record into the present message, and sends that when it is full enough.
func (t *transferring) add(rr dns.RR) bool {
	t.list = append(t.list, rr)
	t.size += dns.Len(rr)
	return t.size < transferSize || t.flush()
}

func (t *transferring) flush() bool {
	if len(t.list) == 0 {
		return true
	}
	m := t.q.empty(dns.RcodeSuccess)
	m.Authoritative, m.Answer = true, t.list
	out := t.q.pack(m)
	t.list, t.size = nil, 0
	return t.c.write(append([]byte{0, 0}, out...)) == nil
}
