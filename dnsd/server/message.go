package server

import (
	"github.com/miekg/dns"
)

// empty is a reply without records.
func (q *query) empty(rcode int) *dns.Msg {
	m := new(dns.Msg)
	m.Id, m.Response, m.Rcode = q.m.Id, true, rcode
	m.RecursionDesired, m.CheckingDisabled = q.m.RecursionDesired, q.m.CheckingDisabled
	m.RecursionAvailable = q.view.config.Recursion
	m.Question = q.m.Question
	q.edns(m)
	return m
}

// edns adds an EDNS record if the client sent one (RFC 6891 section 7).
func (q *query) edns(m *dns.Msg) {
	asked := q.m.IsEdns0()
	if asked == nil {
		return
	}
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(uint16(q.view.config.MaxUDPSize))
	if asked.Do() {
		opt.SetDo()
	}
	q.answerCookie(opt)
	m.Extra = append(m.Extra, opt)
}

// explain says why, to who can hear it (RFC 8914).
func (q *query) explain(m *dns.Msg, code uint16, text string) {
	if opt := m.IsEdns0(); opt != nil {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
	}
}

func (q *query) refuse(s *Server, code uint16) []byte {
	q.tally.refused.Add(1)
	m := q.empty(dns.RcodeRefused)
	q.explain(m, code, "")
	return q.pack(m)
}

// limit is how large the reply may be.
func (q *query) limit() int {
	if q.tcp {
		return maxTCP
	}
	if opt := q.m.IsEdns0(); opt != nil {
		return min(max(minUDP, int(opt.UDPSize())), q.view.config.MaxUDPSize)
	}
	return minUDP
}

// pack turns a reply into bytes, fitted to what the client can take. A reply that cannot be sent becomes SERVFAIL rather than
// silence.
func (q *query) pack(m *dns.Msg) []byte {
	m.Compress = true
	q.fit(m, q.limit())
	out, err := m.Pack()
	if err == nil && len(out) > q.limit() { // longer than was computed
		m.Answer, m.Ns, m.Truncated = nil, nil, !q.view.config.NoTruncateBit
		m.Extra = withoutAll(m.IsEdns0())
		out, err = m.Pack()
	}
	if err == nil {
		return out
	}
	fail := q.empty(dns.RcodeServerFailure)
	fail.Extra = nil
	if out, err := fail.Pack(); err == nil {
		return out
	}
	return bareReply([]byte{byte(q.m.Id >> 8), byte(q.m.Id), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, dns.RcodeServerFailure)
}

// fit leaves out additional records, from the end and without a sign, as nobody needs them to understand the answer (RFC 2181
// section 9); then records of the answer, with the sign.
func (q *query) fit(m *dns.Msg, limit int) {
	size := m.Len()
	if size <= limit {
		return
	}
	opt := m.IsEdns0()
	extra := withoutOPT(m.Extra)
	for len(extra) > 0 && size > limit {
		size -= shortest(extra[len(extra)-1])
		extra = extra[:len(extra)-1]
	}
	m.Extra = extra
	if opt != nil {
		m.Extra = append(extra[:len(extra):len(extra)], opt)
	}
	if len(extra) > 0 && m.Len() > limit {
		m.Extra = withoutAll(opt)
	}
	if m.Len() > limit {
		m.Truncate(limit)
	}
	if q.view.config.NoTruncateBit {
		m.Truncated = false
	}
}

// shortest is the least a record takes: its owner as a pointer.
func shortest(rr dns.RR) int { return dns.Len(rr) - len(rr.Header().Name) + 1 }

func withoutAll(opt *dns.OPT) []dns.RR {
	if opt == nil {
		return nil
	}
	return []dns.RR{opt}
}
