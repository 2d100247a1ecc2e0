package zone

import (
	"net/netip"
	"strconv"
	"strings"
)

const hexDigits = "0123456789abcdef"

// reverseName is the name of an address's PTR record (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reverseName(ip netip.Addr) string {
	if ip.Is4() {
		return reversePrefix(netip.PrefixFrom(ip, 32))
	}
	return reversePrefix(netip.PrefixFrom(ip, 128))
}

// reversePrefix is the name of the zone of a network. A length that is no multiple of a label's bits is rounded down,
// to the wider zone.
func reversePrefix(p netip.Prefix) string {
	var b strings.Builder
	if p.Addr().Is4() {
		a := p.Addr().As4()
		for i := p.Bits()/8 - 1; i >= 0; i-- {
			b.WriteString(strconv.Itoa(int(a[i])))
			b.WriteByte('.')
		}
		return b.String() + "in-addr.arpa"
	}
	a := p.Addr().As16()
	for i := p.Bits()/4 - 1; i >= 0; i-- {
		b.WriteByte(hexDigits[a[i/2]>>(4*(1-i%2))&15])
		b.WriteByte('.')
	}
	return b.String() + "ip6.arpa"
}
