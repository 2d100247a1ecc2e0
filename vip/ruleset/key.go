package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
)

// Proto is a transport protocol by its number in the IP header.
type Proto uint8

// Protocols a VIP can have.
const (
	TCP Proto = 6
	UDP Proto = 17
)

func (p Proto) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	}
	return fmt.Sprintf("%d", uint8(p))
}

// Key is what a packet is looked up by: one service of the table.
type Key struct {
	Addr  netip.Addr
	Proto Proto
	Port  uint16
}

// Compare orders keys by address, IPv4 first, then protocol, then port.
func (k Key) Compare(o Key) int {
	return cmp.Or(k.Addr.Compare(o.Addr), cmp.Compare(k.Proto, o.Proto), cmp.Compare(k.Port, o.Port))
}

// String gives the key in nft's order, 1.1.1.1 . tcp . 80.
func (k Key) String() string { return fmt.Sprintf("%s . %s . %d", k.Addr, k.Proto, k.Port) }

// Service is one entry of the services map with its slots. A connection goes to a slot chosen evenly, so a backend with
// several slots gets several shares; without slots it is refused. Services are never changed once they are made.
type Service struct {
	Key   Key
	Slots []netip.AddrPort
	// Spare are slots that no longer get connections but still exist; see Steps.
	Spare []netip.AddrPort
}

// slot returns the i-th of slots and spare ones.
func (s *Service) slot(i int) (netip.AddrPort, bool) {
	switch n := len(s.Slots); {
	case i < n:
		return s.Slots[i], true
	case i < n+len(s.Spare):
		return s.Spare[i-n], true
	}
	return netip.AddrPort{}, false
}

// Pick names the chain that chooses among the service's slots.
func (s *Service) Pick() Pick { return Pick{V6: s.Key.Addr.Is6(), Slots: len(s.Slots)} }

// Pick is a chain that chooses one of so many slots. Zero slots stand for the chain that refuses.
type Pick struct {
	V6    bool
	Slots int
}

// String is the chain's name.
func (p Pick) String() string {
	if p.Slots == 0 {
		return "refused"
	}
	return fmt.Sprintf("pick%s_%d", digit(p.V6), p.Slots)
}

// constantPicks is up to how many slots the chains are part of the layout.
const constantPicks = 16

// Constant reports whether the chain is always there.
func (p Pick) Constant() bool { return p.Slots <= constantPicks }

// ConstantPicks lists the chains that are always there, without the one that refuses.
func ConstantPicks() []Pick {
	var list []Pick
	for _, v6 := range []bool{false, true} {
		for n := range constantPicks {
			list = append(list, Pick{v6, n + 1})
		}
	}
	return list
}

// Compare orders picks by family and number of slots.
func (p Pick) Compare(o Pick) int {
	return cmp.Or(cmp.Compare(digit(p.V6), digit(o.V6)), cmp.Compare(p.Slots, o.Slots))
}

func digit(v6 bool) string {
	if v6 {
		return "6"
	}
	return "4"
}
