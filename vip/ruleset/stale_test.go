package ruleset

import (
	"net/netip"
	"testing"
)

func TestWhichTrackedConnectionsEnd(t *testing.T) {
	vip, port := netip.MustParseAddr("1.1.1.1"), uint16(80)
	a, b := netip.MustParseAddrPort("10.0.0.1:80"), netip.MustParseAddrPort("10.0.0.2:80")
	untranslated := netip.AddrPortFrom(vip, port)
	state := func(p Proto, slots ...netip.AddrPort) *Ruleset {
		return &Ruleset{Services: []*Service{{Key: Key{vip, p, port}, Slots: slots}}}
	}
	for _, c := range []struct {
		rule       string
		proto      Proto
		have, want []netip.AddrPort
		lost       bool
		by         netip.AddrPort
		end        bool
		urgent     bool
	}{
		{"udp to a backend that is gone", UDP, []netip.AddrPort{a, b}, []netip.AddrPort{b}, false, a, true, true},
		{"udp to one that stays", UDP, []netip.AddrPort{a, b}, []netip.AddrPort{b}, false, b, false, true},
		{"udp from before there was a backend", UDP, nil, []netip.AddrPort{b}, false, untranslated, true, true},
		{"tcp to a backend that is gone drains", TCP, []netip.AddrPort{a, b}, []netip.AddrPort{b}, false, a, false, false},
		{"tcp to a node that is lost", TCP, []netip.AddrPort{a, b}, []netip.AddrPort{b}, true, a, true, true},
		{"tcp from before there was a backend", TCP, nil, []netip.AddrPort{b}, false, untranslated, true, false},
		{"tcp of a restarted table", TCP, nil, []netip.AddrPort{b}, false, b, false, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			s := StaleAfter(state(c.proto, c.have...), state(c.proto, c.want...), func(Key, netip.AddrPort) bool { return c.lost })
			if got := s.Match(Key{vip, c.proto, port}, c.by); got != c.end {
				t.Fatalf("ends: %v, want %v", got, c.end)
			}
			if got := s.Urgent(); got != c.urgent {
				t.Errorf("urgent: %v, want %v", got, c.urgent)
			}
			if v4, v6 := s.Families(); v4 == s.Empty() || v6 {
				t.Errorf("families: %v, %v", v4, v6)
			}
		})
	}
	r := state(UDP, a)
	if !StaleAfter(r, r, nil).Empty() {
		t.Error("nothing changed, and something ends")
	}
}
