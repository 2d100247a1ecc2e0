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

	"github.com/google/nftables"

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

func decodeEntry(e nftables.SetElement) (ruleset.Entry, error) {
	k, rest, err := decodeKey(e.Key)
	if err != nil || len(rest) != 0 {
		return ruleset.Entry{}, errShape
	}
	chain, err := decodeVerdict(e.Val)
	if err != nil {
		return ruleset.Entry{}, err
	}
	p, err := decodePick(chain)
	if p.Slots == 0 {
		p.V6 = k.Addr.Is6()
	}
	return ruleset.Entry{Key: k, Pick: p}, err
}

// decodeVerdict finds the chain's name among the attributes of a verdict: code (8 bytes), then the name.
func decodeVerdict(b []byte) (string, error) {
	if len(b) < 12 {
		return "", errShape
	}
	n := int(binary.NativeEndian.Uint16(b[8:]))
	if n < 4 || 8+n > len(b) {
		return "", errShape
	}
	return string(bytes.TrimRight(b[12:8+n], "\x00")), nil
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

func decodeSlot(e nftables.SetElement) (ruleset.Slot, error) {
	k, rest, err := decodeKey(e.Key)
	n := k.Addr.BitLen() / 8
	if err != nil || len(rest) != 4 || len(e.Val) < n+4 {
		return ruleset.Slot{}, errShape
	}
	to, _ := netip.AddrFromSlice(e.Val[:n])
	return ruleset.Slot{Key: k, Index: int(binary.NativeEndian.Uint32(rest)),
		To: netip.AddrPortFrom(to, binary.BigEndian.Uint16(e.Val[n:]))}, nil
}

func decodeAddr(e nftables.SetElement) (netip.Addr, error) {
	a, ok := netip.AddrFromSlice(e.Key)
	if !ok {
		return a, errShape
	}
	return a, nil
}

func decodePair(e nftables.SetElement) (netip.Addr, error) {
	n := len(e.Key) / 2
	if !bytes.Equal(e.Key[:n], e.Key[n:]) {
		return netip.Addr{}, errShape
	}
	return decodeAddr(nftables.SetElement{Key: e.Key[:n]})
}

func decodeLink(role ruleset.Role, e nftables.SetElement) (ruleset.Link, error) {
	if len(e.Key) < nameLen {
		return ruleset.Link{}, errShape
	}
	return ruleset.Link{Role: role, Name: string(bytes.TrimRight(e.Key[:nameLen], "\x00"))}, nil
}

// decodeRanges pairs the starts and ends of an interval set. Only ranges that are prefixes are ours.
func decodeRanges(list []nftables.SetElement) ([]netip.Prefix, error) {
	type mark struct {
		at  netip.Addr
		end bool
	}
	var marks []mark
	for _, e := range list {
		a, err := decodeAddr(e)
		if err != nil {
			return nil, err
		}
		if !e.IntervalEnd || !a.IsUnspecified() {
			marks = append(marks, mark{a, e.IntervalEnd})
		}
	}
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
