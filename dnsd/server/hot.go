package server

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"berth/dnsd/zone"
)

// Extended DNS Errors (RFC 8914 section 4).
const (
	optionEDE     = 15
	edeStale      = 3
	edeNotReady   = 14
	edeProhibited = 18
)

// view is what a query is answered from: one generation, and what holds for it.
type view struct {
	zone    *zone.Zone
	loaded  bool // apps have been read: what is not in the zone does not exist
	stale   bool // the source has been silent for too long
	expired bool // and for so long that nothing is answered any more; not loaded then
	config  *Config
}

// maxStaleTTL is the longest TTL in seconds of an answer that may be out of date (dns.md section 10).
const maxStaleTTL = 5

// maxTCP is the largest message over TCP.
const maxTCP = 65535

// hot writes the answer to the query p of a client to out and returns its length, or 0 if the query is for slow. out has room for the
// largest answer of the transport. Nothing is allocated.
func (v *view) hot(q *question, from netip.Addr, p, out []byte, tcp bool, r *rnd) int {
	if !v.loaded || !q.parse(p) {
		return 0
	}
	switch q.typ {
	case zone.TypeA, zone.TypeAAAA, zone.TypeSRV:
	default:
		return 0
	}
	res := v.zone.LookupBytes(q.name(), q.typ)
	w := reply{view: v, q: q, from: from, out: out, limit: maxTCP}
	if !tcp {
		w.limit = min(q.size, v.config.MaxUDPSize)
	}
	switch res.Answer {
	case zone.Success:
		if !w.start(p, 0) || !w.answer(res.Set, r) {
			return 0
		}
	case zone.NoData, zone.NXDomain:
		rcode := byte(0)
		if res.Answer == zone.NXDomain {
			rcode = 3
		}
		if res.Apex == nil || v.config.StripWildcards || v.config.rewrites(q.name()) || !w.start(p, rcode) || !w.authority(res.Apex) {
			return 0
		}
	default:
		return 0
	}
	return w.finish()
}

// reply is an answer in the making.
type reply struct {
	view  *view
	q     *question
	from  netip.Addr
	out   []byte
	n     int
	limit int // without the EDNS record
}

// start copies header and question.
func (w *reply) start(p []byte, rcode byte) bool {
	if w.q.edns {
		w.limit -= w.optSize()
	}
	if w.q.end > w.limit {
		return false
	}
	w.n = copy(w.out, p[:w.q.end])
	h := w.out[:headerSize]
	h[2] = bitQR | bitAA | p[2]&bitRD
	h[3] = rcode | p[3]&bitCD | w.view.config.ra()
	clear(h[6:])
	return true
}

func (w *reply) count(at int, n int) { binary.BigEndian.PutUint16(w.out[at:], uint16(n)) }

// sizeOf is the size of a record of a type whose records all have the same, else 0.
func sizeOf(typ uint16) int {
	switch typ {
	case zone.TypeA:
		return zone.AddrSize4
	case zone.TypeAAAA:
		return zone.AddrSize6
	}
	return 0
}

// answer copies the records of a set, and for SRV the addresses of their targets. It reports whether there is an answer.
func (w *reply) answer(set *zone.RRset, r *rnd) bool {
	wire := set.Wire()
	if w.n+len(wire) > w.limit {
		return w.part(set, r)
	}
	n := set.Len()
	at := w.n
	w.count(6, n)
	size := sizeOf(set.Type)
	switch {
	case n == 1 || w.view.config.Order == OrderFixed:
		w.n += copy(w.out[at:], wire)
		if size == 0 {
			w.targets(at, n, r)
		}
	case size != 0:
		w.n += copy(w.out[at:], wire)
		w.view.config.order(w.out[at:w.n], size, r)
	default:
		first := w.view.config.first(n, r)
		cut := zone.Offset(wire, first)
		w.n += copy(w.out[w.n:], wire[cut:])
		w.n += copy(w.out[w.n:], wire[:cut])
		w.targets(at, n, r)
	}
	return true
}

// part copies as many records of a set as fit, from one chosen by the order on, with the sign that there are more. Of a large
// set every answer has others, and it costs what it has.
func (w *reply) part(set *zone.RRset, r *rnd) bool {
	wire, at, n := set.Wire(), w.n, 0
	size := sizeOf(set.Type)
	first := w.view.config.first(set.Len(), r)
	from := first * size
	if size == 0 {
		from = zone.Offset(wire, first)
	}
	for n < set.Len() {
		if from == len(wire) {
			from = 0
		}
		one := zone.RecordSize(wire[from:])
		if w.n+one > w.limit {
			break
		}
		w.n += copy(w.out[w.n:], wire[from:from+one])
		from += one
		n++
	}
	w.count(6, n)
	if !w.view.config.NoTruncateBit {
		w.out[2] |= bitTC
	}
	if size != 0 && w.view.config.Order == OrderRandom {
		w.view.config.order(w.out[at:w.n], size, r)
	}
	return true
}

// targets adds at most one address of each family for each distinct target of the n SRV records that begin at an offset. What
// does not fit is left out without a sign: nobody needs it to understand the answer (RFC 2181 section 9).
func (w *reply) targets(at, n int, r *rnd) {
	var seen [maxCompare]int32 // where targets are
	added := 0
	for i := range n {
		pointer, end := at+zone.SRVHead, at+zone.RecordSize(w.out[at:])
		target := w.out[pointer:end]
		at = end
		if pointer > 0x3FFF {
			break
		}
		if w.has(seen[:min(i, maxCompare)], target) {
			continue
		}
		seen[i%maxCompare] = int32(pointer)
		node := w.view.zone.NodeBytes(zone.AppendText(w.q.text[:0], target))
		if node == nil {
			continue
		}
		for _, typ := range [2]uint16{zone.TypeA, zone.TypeAAAA} {
			if addrs := node.Set(typ); addrs != nil && w.glue(addrs, pointer, r) {
				added++
			}
		}
	}
	w.count(10, added)
}

// has reports whether a name is at one of some places in the answer. A name is whole where it is equal, as its end is in it.
func (w *reply) has(places []int32, name []byte) bool {
	for _, p := range places {
		if bytes.HasPrefix(w.out[p:], name) {
			return true
		}
	}
	return false
}

// maxCompare bounds the search for targets that have been seen; beyond it, a target may be added twice.
const maxCompare = 16

// glue adds one address, whose owner is the name at an offset.
func (w *reply) glue(addrs *zone.RRset, pointer int, r *rnd) bool {
	wire := addrs.Wire()
	size := len(wire) / addrs.Len()
	if w.n+size > w.limit {
		return false
	}
	i := 0
	if addrs.Len() > 1 {
		i = w.view.config.first(addrs.Len(), r)
	}
	copy(w.out[w.n:], wire[i*size:(i+1)*size])
	binary.BigEndian.PutUint16(w.out[w.n:], 0xC000|uint16(pointer))
	w.n += size
	return true
}

// authority adds the SOA record of a negative answer. Its owner is the end of the question's name.
func (w *reply) authority(a *zone.Apex) bool {
	soa := a.AuthorityWire()
	if w.n+2+len(soa) > w.limit {
		return false
	}
	pointer := w.q.end - 4 - (len(a.Name) + 2)
	binary.BigEndian.PutUint16(w.out[w.n:], 0xC000|uint16(pointer))
	w.n += 2 + copy(w.out[w.n+2:], soa)
	w.count(8, 1)
	return true
}

// optSize is the size of the answer's EDNS record.
func (w *reply) optSize() int {
	n := 11
	if w.q.cookie != nil {
		n += 4 + cookieSize
	}
	if w.view.stale {
		n += 4 + 2
	}
	return n
}

// finish adds the EDNS record, for which limit left room.
func (w *reply) finish() int {
	if w.view.stale {
		w.capTTLs()
	}
	if !w.q.edns {
		return w.n
	}
	binary.BigEndian.PutUint16(w.out[10:], binary.BigEndian.Uint16(w.out[10:])+1)
	o := w.out[w.n : w.n+11]
	clear(o)
	o[2] = typeOPT
	binary.BigEndian.PutUint16(o[3:], uint16(w.view.config.MaxUDPSize))
	if w.q.do {
		o[7] = bitDO
	}
	size := w.optSize()
	binary.BigEndian.PutUint16(o[9:], uint16(size-11))
	if w.q.cookie != nil {
		o = append(o, 0, optionCookie, 0, cookieSize)
		o = w.view.config.secret.appendTo(o, w.q.cookie, w.from, uint32(time.Now().Unix()))
	}
	if w.view.stale {
		_ = append(o, 0, optionEDE, 0, 2, 0, edeStale) // in place: out has the room
	}
	return w.n + size
}

// capTTLs shortens the TTLs of an answer that may be out of date. Every record here has a pointer as its owner.
func (w *reply) capTTLs() {
	for at := w.q.end; at < w.n; at += zone.RecordSize(w.out[at:]) {
		if ttl := w.out[at+6 : at+10]; binary.BigEndian.Uint32(ttl) > maxStaleTTL {
			binary.BigEndian.PutUint32(ttl, maxStaleTTL)
		}
	}
}
