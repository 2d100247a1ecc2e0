package zone

import (
	"encoding/binary"
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

// seal makes the set's wire form.
func (s *RRset) seal() {
	n := 0
	for i := range s.Records {
		n += s.Records[i].wireSize(s.Type)
	}
	s.wire = make([]byte, 0, n)
	for i := range s.Records {
		s.wire = appendRecord(s.wire, s.Type, s.TTL, &s.Records[i])
	}
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
