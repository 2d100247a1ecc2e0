package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"berth/vip/ruleset"
)

// elements are those of one set.
type elements struct {
	set  string
	list []nftables.SetElement
}

// encode groups elements by set. Values are left out for a deletion: the kernel finds an element by its key.
func encode(e *ruleset.Elements, values bool) []elements {
	by := map[string]int{}
	var out []elements
	add := func(set string, list ...nftables.SetElement) {
		i, ok := by[set]
		if !ok {
			i = len(out)
			by[set] = i
			out = append(out, elements{set: set})
		}
		out[i].list = append(out[i].list, list...)
	}
	for _, s := range e.Slots {
		el := nftables.SetElement{Key: append(keyBytes(s.Key), binary.NativeEndian.AppendUint32(nil, uint32(s.Index))...)}
		if values {
			el.Val = append(s.To.Addr().AsSlice(), portBytes(s.To.Port())...)
		}
		add("backends"+digit(s.Key.Addr), el)
	}
	for _, x := range e.Entries {
		el := nftables.SetElement{Key: keyBytes(x.Key)}
		if values {
			el.VerdictData = &expr.Verdict{Kind: expr.VerdictGoto, Chain: x.Pick.String()}
		}
		add("services"+digit(x.Key.Addr), el)
	}
	for _, a := range e.VIPs {
		add("vips"+digit(a), nftables.SetElement{Key: a.AsSlice()})
	}
	for _, p := range e.Ranges {
		add("ranges"+digit(p.Addr()), nftables.SetElement{Key: p.Addr().AsSlice()},
			nftables.SetElement{Key: lastAddr(p).Next().AsSlice(), IntervalEnd: true})
	}
	for _, a := range e.Hairpin {
		add("hairpin"+digit(a), nftables.SetElement{Key: append(a.AsSlice(), a.AsSlice()...)})
	}
	for _, l := range e.Links {
		key := nameBytes(l.Name)
		if l.Role == ruleset.SameL2 {
			key = append(key, key...)
		}
		add(string(l.Role), nftables.SetElement{Key: key})
	}
	return out
}

func digit(a netip.Addr) string {
	if a.Is6() {
		return v6.digit
	}
	return v4.digit
}

// keyBytes is address, protocol and port, each filled up to 4 bytes.
func keyBytes(k ruleset.Key) []byte {
	b := append(make([]byte, 0, 28), k.Addr.AsSlice()...)
	b = append(b, byte(k.Proto), 0, 0, 0)
	return append(b, portBytes(k.Port)...)
}

func portBytes(p uint16) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 0, 4), p), 0, 0)
}

const nameLen = 16 // IFNAMSIZ

func nameBytes(name string) []byte {
	b := make([]byte, nameLen, 2*nameLen)
	copy(b, name)
	return b
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		host := 8*(i+1) - p.Bits()
		if host >= 8 {
			b[i] = 0xff
		} else if host > 0 {
			b[i] |= 1<<host - 1
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
