package server

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

const (
	rcodeFormErr = dns.RcodeFormatError
	rcodeRefused = dns.RcodeRefused
)

// query is one query on the slow way.
type query struct {
	packet []byte // valid only until the next is read
	from   netip.Addr
	tcp    bool
	view   *view
	tally  *tally

	m     *dns.Msg
	name  string // looked up: lower case, rewritten, without the trailing dot
	asked rewriting
}

// slow answers a query by way of miekg/dns. What has to be asked elsewhere is answered by wait, if that is not nil, for which
// a token was acquired. A reply of nil is no reply: the packet is no query.
func (s *Server) slow(q *query) (reply []byte, wait func(context.Context) []byte) {
	p := q.packet
	if len(p) < headerSize || p[2]&bitQR != 0 {
		q.tally.dropped.Add(1)
		return nil, nil
	}
	if op := p[2] >> 3 & 15; op != dns.OpcodeQuery {
		return bareReply(p, dns.RcodeNotImplemented), nil
	}
	q.m = new(dns.Msg)
	if err := q.m.Unpack(p); err != nil || len(q.m.Question) != 1 || !oneOPT(q.m) {
		return bareReply(p, rcodeFormErr), nil
	}
	if opt := q.m.IsEdns0(); opt != nil && opt.Version() != 0 {
		return q.pack(q.empty(dns.RcodeBadVers)), nil
	}
	if _, ok := q.cookie(); !ok {
		return bareReply(p, rcodeFormErr), nil
	}
	if n := len(q.view.config.Queries); n > 0 && !allowed(q.view.config.Queries, q.from) {
		return q.refuse(s, edeProhibited), nil
	}
	return s.resolve(q)
}

func oneOPT(m *dns.Msg) bool {
	n := 0
	for _, rr := range m.Extra {
		if rr.Header().Rrtype == dns.TypeOPT {
			n++
		}
	}
	return n <= 1
}

// resolve finds out who answers.
func (s *Server) resolve(q *query) ([]byte, func(context.Context) []byte) {
	qu := q.m.Question[0]
	name := lowerName(qu.Name)
	if q.view.config.StripWildcards {
		name = strings.ReplaceAll(name, ".*", "")
	}
	q.name, q.asked = q.view.config.rewrite(name)
	switch {
	case qu.Qclass != dns.ClassINET:
		return q.refuse(s, edeProhibited), nil
	case qu.Qtype == dns.TypeAXFR || qu.Qtype == dns.TypeIXFR:
		return q.transferByUDP(s), nil
	}
	if m, ok := q.special(); ok {
		return q.pack(m), nil
	}
	m, outside := q.local()
	if m != nil && outside == "" {
		return q.pack(m), nil
	}
	return s.elsewhere(q, m, outside)
}

// elsewhere asks the forwarder. begun is an answer of ours that ends in a name of somebody else's, if it is not nil.
func (s *Server) elsewhere(q *query, begun *dns.Msg, outside string) ([]byte, func(context.Context) []byte) {
	asks := q.m.RecursionDesired && s.forward != nil && allowed(q.view.config.Recursive, q.from)
	switch {
	case begun != nil && !asks:
		return q.pack(begun), nil
	case !asks:
		return q.refuse(s, edeProhibited), nil
	case !s.acquire():
		q.tally.shed.Add(1)
		return q.pack(q.empty(dns.RcodeServerFailure)), nil
	}
	q.tally.forwarded.Add(1)
	q.packet = nil
	return nil, func(ctx context.Context) []byte {
		if begun != nil {
			return q.pack(s.followed(ctx, q, begun, outside))
		}
		return q.pack(s.forwarded(ctx, q))
	}
}

// forwarded is the forwarder's answer, as this client is to see it.
func (s *Server) forwarded(ctx context.Context, q *query) *dns.Msg {
	in, err := s.forward.Forward(ctx, q.m, q.tcp)
	switch {
	case errors.Is(err, ErrOff):
		q.tally.refused.Add(1)
		return q.empty(dns.RcodeRefused)
	case err != nil:
		m := q.empty(dns.RcodeServerFailure)
		q.explain(m, dns.ExtendedErrorCodeNetworkError, "")
		return m
	}
	m := in.Copy()
	m.Id, m.Response, m.Opcode = q.m.Id, true, dns.OpcodeQuery
	m.RecursionDesired, m.CheckingDisabled, m.RecursionAvailable = q.m.RecursionDesired, q.m.CheckingDisabled, true
	m.Authoritative = false
	m.Question = q.m.Question
	restoreCase(m.Answer, q.m.Question[0].Name)
	codes := extendedErrors(m)
	m.Extra = withoutOPT(m.Extra)
	q.edns(m)
	for _, e := range codes {
		q.explain(m, e.InfoCode, e.ExtraText)
	}
	return m
}

// restoreCase writes a record's owner as it was asked for, if it is the name that was asked for.
func restoreCase(list []dns.RR, name string) {
	for _, rr := range list {
		if h := rr.Header(); strings.EqualFold(h.Name, name) {
			h.Name = name
		}
	}
}

// followed completes an answer whose last record is a CNAME to a name of somebody else's.
func (s *Server) followed(ctx context.Context, q *query, begun *dns.Msg, outside string) *dns.Msg {
	ask := new(dns.Msg).SetQuestion(dns.Fqdn(outside), q.m.Question[0].Qtype)
	in, err := s.forward.Forward(ctx, ask, q.tcp)
	if err != nil {
		begun.Rcode = dns.RcodeServerFailure
		return begun
	}
	begun.Rcode = in.Rcode
	for _, rr := range in.Answer {
		begun.Answer = append(begun.Answer, dns.Copy(rr))
	}
	return begun
}

func withoutOPT(list []dns.RR) []dns.RR {
	var out []dns.RR
	for _, rr := range list {
		if rr.Header().Rrtype != dns.TypeOPT {
			out = append(out, rr)
		}
	}
	return out
}

func extendedErrors(m *dns.Msg) (out []*dns.EDNS0_EDE) {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				out = append(out, e)
			}
		}
	}
	return out
}

// bare writes a reply of header and code alone, and returns its length.
func bare(p, out []byte, rcode byte) int {
	clear(out[:headerSize])
	copy(out[:2], p[:2])
	out[2] = bitQR | p[2]&(15<<3|bitRD)
	out[3] = rcode | p[3]&bitCD
	return headerSize + copyQuestion(p, out)
}

// copyQuestion adds the question if there is one that can be read, so that the client can tell what was answered.
func copyQuestion(p, out []byte) int {
	var q question
	if len(p) < headerSize+5 || binary.BigEndian.Uint16(p[4:]) != 1 {
		return 0
	}
	at := q.parseName(p)
	if at == 0 || len(p) < at+4 {
		return 0
	}
	out[5] = 1
	return copy(out[headerSize:], p[headerSize:at+4])
}

func bareReply(p []byte, rcode int) []byte {
	out := make([]byte, headerSize+260)
	return out[:bare(p, out, byte(rcode))]
}

// lowerName is a name in the form that zones know.
func lowerName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
