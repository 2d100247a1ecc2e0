package nft

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/vip/ruleset"
)

var errShape = errors.New("an element has an unexpected shape")

func decodeKey(b []byte) (k ruleset.Key, rest []byte, err error) {
	n := 4
	if len(b) >= 24 {
		n = 16
	}
	if len(b) < n+8 {
		return k, nil, errShape
	}
	k.Addr, _ = netip.AddrFromSlice(b[:n])
	k.Proto = ruleset.Proto(b[n])
	k.Port = binary.BigEndian.Uint16(b[n+4:])
	return k, b[n+8:], nil
}

func decodeEntry(e element) (ruleset.Entry, error) {
	k, rest, err := decodeKey(e.key)
	if err != nil || len(rest) != 0 {
		return ruleset.Entry{}, errShape
	}
	p, err := decodePick(text(e.chain))
	if p.Slots == 0 {
		p.V6 = k.Addr.Is6()
	}
	return ruleset.Entry{Key: k, Pick: p}, err
}

func decodePick(chain string) (ruleset.Pick, error) {
	if chain == (ruleset.Pick{}).String() {
		return ruleset.Pick{}, nil
	}
	rest, ok := strings.CutPrefix(chain, "pick")
	d, n, ok2 := strings.Cut(rest, "_")
	slots, err := strconv.Atoi(n)
	if !ok || !ok2 || err != nil || slots < 1 || d != v4.digit && d != v6.digit {
		return ruleset.Pick{}, fmt.Errorf("chain %q: not one of vip's", chain)
	}
	return ruleset.Pick{V6: d == v6.digit, Slots: slots}, nil
}

func decodeSlot(e element) (ruleset.Slot, error) {
	k, rest, err := decodeKey(e.key)
	n := k.Addr.BitLen() / 8
	if err != nil || len(rest) != 4 || len(e.value) < n+4 {
		return ruleset.Slot{}, errShape
	}
	to, _ := netip.AddrFromSlice(e.value[:n])
	return ruleset.Slot{Key: k, Index: int(binary.NativeEndian.Uint32(rest)),
		To: netip.AddrPortFrom(to, binary.BigEndian.Uint16(e.value[n:]))}, nil
}

func decodeAddr(e element) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(e.key)
	if !ok {
		return a, errShape
	}
	return a, nil
}

func decodePair(e element) (netip.Addr, error) {
	n := len(e.key) / 2
	if !bytes.Equal(e.key[:n], e.key[n:]) {
		return netip.Addr{}, errShape
	}
	return decodeAddr(element{key: e.key[:n]})
}

func decodeLink(role ruleset.Role, e element) (ruleset.Link, error) {
	if len(e.key) < nameLen {
		return ruleset.Link{}, errShape
	}
	return ruleset.Link{Role: role, Name: text(e.key[:nameLen])}, nil
}

// mark is the start of an interval, or the first address behind its end.
type mark struct {
	at  netip.Addr
	end bool
}

func decodeMark(e element) (mark, error) {
	a, err := decodeAddr(e)
	return mark{a, e.end}, err
}

// decodeRanges pairs the marks of an interval set. Only ranges that are prefixes are ours.
func decodeRanges(marks []mark) ([]netip.Prefix, error) {
	// The end of what reaches to the last address of all.
	marks = slices.DeleteFunc(marks, func(m mark) bool { return m.end && m.at.IsUnspecified() })
	slices.SortFunc(marks, func(a, b mark) int {
		if c := a.at.Compare(b.at); c != 0 || a.end == b.end {
			return c
		} else if a.end {
			return -1
		}
		return 1
	})
	var out []netip.Prefix
	for i := 0; i+1 < len(marks); i += 2 {
		if marks[i].end || !marks[i+1].end {
			return nil, errShape
		}
		p, ok := prefix(marks[i].at, marks[i+1].at)
		if !ok {
			return nil, errShape
		}
		out = append(out, p)
	}
	return out, nil
}

func prefix(first, behind netip.Addr) (netip.Prefix, bool) {
	for bits := range first.BitLen() + 1 {
		p := netip.PrefixFrom(first, bits)
		if p.Masked() == p && lastAddr(p).Next() == behind {
			return p, true
		}
	}
	return netip.Prefix{}, false
}
