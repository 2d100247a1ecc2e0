package ruleset

import (
	"crypto/sha1" //nolint:gosec // spreads names over a range; nothing is kept secret by it
	"maps"
	"math/big"
	"net/netip"
	"slices"
)

// pool hands out the addresses of one range to names. A name starts at a place that its hash decides and takes the next
// free address upwards, so that nodes which never talk to each other give the same answer: always, unless two names meet.
// Then the one that is first in order, or was there first, has the place.
type pool struct {
	prefix netip.Prefix
	last   netip.Addr
	size   *big.Int // last - first
	byName map[string]netip.Addr
	byAddr map[netip.Addr]string
	fresh  []string // names that got an address since Fresh was asked
}

// maxProbes bounds the search for a free address.
const maxProbes = 1 << 16

func newPool(p netip.Prefix) *pool {
	first := new(big.Int).SetBytes(p.Addr().AsSlice())
	bits := p.Addr().BitLen() - p.Bits()
	size := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	size.Sub(size, big.NewInt(1))
	last := addrOf(new(big.Int).Add(first, size), p.Addr().BitLen()/8)
	return &pool{prefix: p, last: last, size: size, byName: map[string]netip.Addr{}, byAddr: map[netip.Addr]string{}}
}

func addrOf(n *big.Int, bytes int) netip.Addr {
	a, _ := netip.AddrFromSlice(n.FillBytes(make([]byte, bytes)))
	return a
}

// remember gives a name an address it had, if that is still possible.
func (p *pool) remember(name string, a netip.Addr) {
	if _, taken := p.byAddr[a]; taken || !p.prefix.Contains(a) {
		return
	}
	if _, has := p.byName[name]; has {
		return
	}
	p.byName[name], p.byAddr[a] = a, name
}

// assign finds an address for a name, or none when the range is full where it looks. reserved addresses are passed over.
func (p *pool) assign(name, framework string, reserved func(netip.Addr) bool) (netip.Addr, bool) {
	if a, ok := p.byName[name]; ok {
		return a, true
	}
	a := p.start(name + "." + framework)
	for range maxProbes {
		if _, taken := p.byAddr[a]; !taken && !edge(a) && !reserved(a) {
			p.byName[name], p.byAddr[a] = a, name
			p.fresh = append(p.fresh, name)
			return a, true
		}
		if a == p.last {
			a = p.prefix.Addr()
		} else {
			a = a.Next()
		}
	}
	return netip.Addr{}, false
}

// start is first + SHA-1(name) mod (last - first), the rule DC/OS has for IPv6.
func (p *pool) start(name string) netip.Addr {
	sum := sha1.Sum([]byte(name)) //nolint:gosec // see above
	n := new(big.Int).SetBytes(sum[:])
	n.Mod(n, p.size)
	n.Add(n, new(big.Int).SetBytes(p.prefix.Addr().AsSlice()))
	return addrOf(n, p.prefix.Addr().BitLen()/8)
}

// edge reports addresses that look like a network's own or its broadcast address.
func edge(a netip.Addr) bool {
	if a.Is4() {
		last := a.As4()[3]
		return last == 0 || last == 255
	}
	b := a.As16()
	return [8]byte(b[8:]) == [8]byte{}
}

func (p *pool) forget(name string) {
	if a, ok := p.byName[name]; ok {
		delete(p.byName, name)
		delete(p.byAddr, a)
	}
}

// rememberAll takes over what names had, in their order.
func rememberAll(p4, p6 *pool, had map[string]Assignment) {
	for _, name := range slices.Sorted(maps.Keys(had)) {
		if a := had[name].V4; a.IsValid() && !edge(a) {
			p4.remember(name, a)
		}
		if a := had[name].V6; a.IsValid() && !edge(a) {
			p6.remember(name, a)
		}
	}
}
