package zone

import (
	"encoding/binary"
	"net/netip"
	"strings"
)

// Sizes in a record as it is sent (RFC 1035 section 4.1.3).
const (
	// rrHead is what precedes a record's data: a pointer to the question's name, type, class, TTL, length.
	rrHead = 12
	// AddrSize4 and AddrSize6 are the sizes of whole A and AAAA records, SRVHead is where an SRV record's target begins.
	AddrSize4 = rrHead + 4
	AddrSize6 = rrHead + 16
	SRVHead   = rrHead + 6
)

// classIN is the Internet class.
const classIN = 1

// appendName writes a name uncompressed.
func appendName(b []byte, name string) []byte {
	for name != "" {
		var label string
		label, name, _ = strings.Cut(name, ".")
		b = append(b, byte(len(label)))
		b = append(b, label...)
	}
	return append(b, 0)
}

// appendRecord writes a whole record whose owner is the question's name: offset 12, where every question begins. So a
// record made once serves every way of writing the name in capitals.
func appendRecord(b []byte, typ uint16, ttl uint32, r *Record) []byte {
	b = append(b, 0xC0, 12)
	return appendUnowned(b, typ, ttl, func(b []byte) []byte { return r.appendData(b, typ) })
}

func appendUnowned(b []byte, typ uint16, ttl uint32, data func([]byte) []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, classIN)
	b = binary.BigEndian.AppendUint32(b, ttl)
	at := len(b)
	b = data(append(b, 0, 0))
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	return b
}

// appendData leaves names uncompressed, as RFC 2782 demands of SRV.
func (r *Record) appendData(b []byte, typ uint16) []byte {
	switch typ {
	case TypeA, TypeAAAA:
		return append(b, r.Addr.AsSlice()...)
	case TypeSRV:
		b = binary.BigEndian.AppendUint16(b, r.Priority)
		b = binary.BigEndian.AppendUint16(b, r.Weight)
		b = binary.BigEndian.AppendUint16(b, r.Port)
	}
	return appendName(b, r.Target)
}

// wireSize is how much appendRecord appends, so that it never has to grow.
func (r *Record) wireSize(typ uint16) int {
	switch typ {
	case TypeA:
		return AddrSize4
	case TypeAAAA:
		return AddrSize6
	case TypeSRV:
		return SRVHead + len(r.Target) + 2
	}
	return rrHead + len(r.Target) + 2
}

// Wire returns the set's records as they are sent, one after the other, each with a pointer to offset 12 as owner. The
// caller must not change it.
func (s *RRset) Wire() []byte { return s.wire }

// Len returns the number of records.
func (s *RRset) Len() int { return int(s.n) }

// First returns the first record.
func (s *RRset) First() Record { return parseRecord(s.Type, s.wire) }

// Records returns all records.
func (s *RRset) Records() []Record { return s.From(0, s.Len()) }

// From returns n records, from the first-th on; the first follows the last.
func (s *RRset) From(first, n int) []Record {
	out := make([]Record, 0, n)
	rest := s.wire[Offset(s.wire, first):]
	for range n {
		if len(rest) == 0 {
			rest = s.wire
		}
		out = append(out, parseRecord(s.Type, rest))
		rest = rest[RecordSize(rest):]
	}
	return out
}

// RecordSize is the size of the record that b begins with, whose owner is a pointer.
func RecordSize(b []byte) int { return rrHead + int(binary.BigEndian.Uint16(b[rrHead-2:])) }

// Offset is where the i-th of several records begins.
func Offset(wire []byte, i int) int {
	at := 0
	for range i {
		at += RecordSize(wire[at:])
	}
	return at
}

// parseRecord undoes appendRecord.
func parseRecord(typ uint16, b []byte) (r Record) {
	data := b[rrHead:RecordSize(b)]
	switch typ {
	case TypeA, TypeAAAA:
		r.Addr, _ = netip.AddrFromSlice(data)
		return r
	case TypeSRV:
		r.Priority, r.Weight = binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:])
		r.Port, data = binary.BigEndian.Uint16(data[4:]), data[6:]
	}
	var text [maxName + 1]byte
	r.Target = string(AppendText(text[:0], data))
	return r
}

// AppendText writes an uncompressed name as text, without the trailing dot. The root is no text.
func AppendText(text, name []byte) []byte {
	if len(name) < 2 {
		return text
	}
	at := len(text)
	text = append(text, name[1:len(name)-1]...)
	for i := at + int(name[0]); i < len(text); i += 1 + int(name[i-at+1]) {
		text[i] = '.' // in the place of the next label's length
	}
	return text
}

// newSet makes a set of records that are sorted and without repeats.
func newSet(typ uint16, ttl uint32, list []Record) RRset {
	set := RRset{Type: typ, TTL: ttl, n: uint32(len(list))}
	size := 0
	for i := range list {
		size += list[i].wireSize(typ)
	}
	set.wire = make([]byte, 0, size)
	for i := range list {
		set.wire = appendRecord(set.wire, typ, ttl, &list[i])
	}
	return set
}

// AuthorityWire returns the SOA record for a negative answer without its owner, which must be put before it.
func (a *Apex) AuthorityWire() []byte { return a.soa }

func (a *Apex) seal(serial uint32) {
	a.Serial = serial
	a.soa = appendUnowned(nil, TypeSOA, a.NegativeTTL(), func(b []byte) []byte {
		b = appendName(appendName(b, a.SOA.Mname), a.SOA.Rname)
		for _, v := range []uint32{serial, a.SOA.Refresh, a.SOA.Retry, a.SOA.Expire, a.SOA.Minimum} {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		return b
	})
}
