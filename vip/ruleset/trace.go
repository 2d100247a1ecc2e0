package ruleset

import "net/netip"

// Packet is the first packet of a connection.
type Packet struct {
	In       string // interface it comes in by; empty when it is sent by this node
	Out      string // interface it leaves by after translation, for the choice of masquerading
	Src, Dst netip.Addr
	Proto    Proto
	Port     uint16 // destination port
	Random   uint32 // chooses the slot
}

// Verdict is what becomes of a packet.
type Verdict string

// Verdicts.
const (
	Untouched  Verdict = "untouched" // no business of this table
	Translated Verdict = "translated"
	Refused    Verdict = "refused" // TCP reset, else ICMP port unreachable
)

// Trace says what the rules do with a packet.
func (r *Ruleset) Trace(p Packet) (v Verdict, to netip.AddrPort, masquerade bool) {
	if p.In == "" || !r.has(Link{Uplink, p.In}) {
		if s := r.Find(Key{p.Dst, p.Proto, p.Port}); s != nil {
			if len(s.Slots) == 0 {
				return Refused, netip.AddrPort{}, false
			}
			to = s.Slots[p.Random%uint32(len(s.Slots))]
			return Translated, to, r.masquerades(p, to.Addr())
		}
	}
	if r.Owns(p.Dst) {
		return Refused, netip.AddrPort{}, false
	}
	return Untouched, netip.AddrPort{}, false
}

func (r *Ruleset) masquerades(p Packet, to netip.Addr) bool {
	if r.Layout.MasqueradeAll {
		return true
	}
	if p.Src == to {
		for _, a := range r.Hairpin {
			if a == to {
				return true
			}
		}
	}
	return p.In != "" && p.In == p.Out && r.has(Link{SameL2, p.In})
}

func (r *Ruleset) has(l Link) bool {
	for _, x := range r.Links {
		if x == l {
			return true
		}
	}
	return false
}
