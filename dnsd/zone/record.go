package zone

import (
	"cmp"
	"net/netip"
)

// DNS record types used here (RFC 1035, 2782, 3596).
const (
	TypeA     uint16 = 1
	TypeNS    uint16 = 2
	TypeCNAME uint16 = 5
	TypeSOA   uint16 = 6
	TypePTR   uint16 = 12
	TypeAAAA  uint16 = 28
	TypeSRV   uint16 = 33
)

// Record is one record's data; which fields count depends on the type.
type Record struct {
	Addr                   netip.Addr // A, AAAA
	Target                 string     // NS, CNAME, PTR, SRV: lower case, without the trailing dot
	Priority, Weight, Port uint16     // SRV
}

// entry is one record that a contributor gives to a name.
type entry struct {
	typ  uint16
	ok   bool // from a task that should get traffic
	ttl  uint32
	data Record
}

// group is all that one contributor gives to one name.
type group struct {
	name    string // lower case, without the trailing dot
	entries []entry
}

func addrEntry(ip netip.Addr, ttl uint32, ok bool) entry {
	typ := TypeAAAA
	if ip.Is4() {
		typ = TypeA
	}
	return entry{typ, ok, ttl, Record{Addr: ip}}
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.typ, b.typ), compareRecords(a.data, b.data), cmp.Compare(a.ttl, b.ttl), compareBool(b.ok, a.ok))
}

func compareRecords(a, b Record) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight),
		cmp.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
