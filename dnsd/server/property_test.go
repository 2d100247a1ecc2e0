package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"berth/dnsd/zone"
)

func staticRecords(t testing.TB, text string) zone.Static {
	t.Helper()
	var s zone.Static
	if err := s.ParseRecords(strings.NewReader(text), 60); err != nil {
		t.Fatal(err)
	}
	return s
}

// bySlow answers a packet the long way.
func bySlow(s *Server, p []byte, tcp bool) []byte {
	reply, _ := s.slow(&query{packet: p, from: netip.MustParseAddr("127.0.0.1"), tcp: tcp, view: s.view.Load(), tally: &tally{}})
	return reply
}

func byHot(s *Server, p []byte, tcp bool) []byte {
	var q question
	out := make([]byte, 2+maxTCP)
	n := s.view.Load().hot(&q, netip.MustParseAddr("127.0.0.1"), p, out, tcp, &rnd{state: 1})
	return out[:n]
}

// What the fast way answers, the slow way answers alike.
func TestHotEqualsSlow(t *testing.T) {
	c := testConfig()
	c.Order = OrderFixed
	s := newServer(t, c, nil)
	z := testZone(t, hostApp("/a/web", 3, 2), dualApp("/db"), hostApp("/big", 40, 1), hostApp("/o.o/x", 1, 1))
	var names []string
	for n := range z.Nodes {
		names = append(names, n.Name)
	}
	hot := 0
	rapid.Check(t, func(t *rapid.T) {
		s.Set(z, rapid.Bool().Draw(t, "stale"))
		name := rapid.SampledFrom(names).Draw(t, "name")
		switch rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			name = "no." + name
		case 1:
			name = strings.ToUpper(name)
		}
		m := new(dns.Msg).SetQuestion(name+".", rapid.SampledFrom([]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV}).Draw(t, "type"))
		m.RecursionDesired, m.CheckingDisabled = rapid.Bool().Draw(t, "rd"), rapid.Bool().Draw(t, "cd")
		if rapid.Bool().Draw(t, "edns") {
			m.SetEdns0(rapid.Uint16().Draw(t, "size"), rapid.Bool().Draw(t, "do"))
			if n := rapid.SampledFrom([]int{0, 7, 8, 9, 16, 24, 40, 41}).Draw(t, "cookie"); n > 0 {
				c := &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: strings.Repeat("a7", n)}
				m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")}, c)
			}
		}
		p, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		tcp := rapid.Bool().Draw(t, "tcp")
		fast := byHot(s, p, tcp)
		if len(fast) == 0 {
			return
		}
		hot++
		a, b := new(dns.Msg), new(dns.Msg)
		if err := a.Unpack(fast); err != nil {
			t.Fatalf("%v: %x", err, fast)
		}
		if err := b.Unpack(bySlow(s, p, tcp)); err != nil {
			t.Fatal(err)
		}
		// Which additional records fit, and which of several addresses is chosen, may differ.
		if x, y := withoutOPT(a.Extra), withoutOPT(b.Extra); tcp && len(x) != len(y) {
			t.Fatalf("additional: %v and %v", x, y)
		}
		if diff := cmp.Diff(edns(a), edns(b)); diff != "" && !s.view.Load().stale {
			t.Fatal(diff)
		}
		a.Extra, b.Extra = nil, nil
		if a.Truncated && b.Truncated { // one may get one more in than the other
			if !tcp && len(fast) > min(max(minUDP, int(ednsSize(m))), c.MaxUDPSize) || len(a.Answer) < len(b.Answer)-1 || !subset(a.Answer, whole(t, s, m)) {
				t.Fatalf("%d bytes, %d records; the slow way has %d", len(fast), len(a.Answer), len(b.Answer))
			}
			return
		}
		if diff := cmp.Diff(flat(b), flat(a)); diff != "" {
			t.Fatal(diff)
		}
	})
	if hot < 20 {
		t.Errorf("only %d questions went the fast way", hot)
	}
}

// edns prints an EDNS record without the time and hash of a cookie.
func edns(m *dns.Msg) string {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok {
				c.Cookie = c.Cookie[:24] + strings.Repeat("0", len(c.Cookie)-24)
			}
		}
	}
	return fmt.Sprint(m.IsEdns0())
}

func ednsSize(m *dns.Msg) uint16 {
	if opt := m.IsEdns0(); opt != nil {
		return opt.UDPSize()
	}
	return 0
}

// whole is all records of an answer.
func whole(t *rapid.T, s *Server, m *dns.Msg) []dns.RR {
	p, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	in := new(dns.Msg)
	if err := in.Unpack(bySlow(s, p, true)); err != nil || in.Truncated {
		t.Fatal(err, in)
	}
	return in.Answer
}

func subset(part, all []dns.RR) bool {
	seen := map[string]bool{}
	for _, rr := range all {
		seen[rr.String()] = true
	}
	for _, rr := range part {
		if !seen[rr.String()] {
			return false
		}
		delete(seen, rr.String())
	}
	return true
}

// Whatever comes, there is no panic, and whatever is a query gets a reply that can be read.
func FuzzPacket(f *testing.F) {
	s := newServer(f, testConfig(), nil)
	s.Set(testZone(f, hostApp("/a/web", 3, 2), dualApp("/db")), false)
	for _, m := range []*dns.Msg{
		new(dns.Msg).SetQuestion("web-a.marathon.mesos.", dns.TypeA),
		new(dns.Msg).SetQuestion("_web-a._tcp.marathon.mesos.", dns.TypeSRV).SetEdns0(1232, true),
		new(dns.Msg).SetQuestion("x.mesos.thisdcos.global.", dns.TypeSRV),
		new(dns.Msg).SetQuestion("mesos.", dns.TypeAXFR),
		new(dns.Msg).SetNotify("mesos."),
	} {
		p, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p)
	}
	f.Add([]byte{})
	f.Add(make([]byte, 12))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) > maxUDP {
			return
		}
		_ = isTransfer(p)
		for _, tcp := range []bool{false, true} {
			reply := byHot(s, p, tcp)
			if len(reply) == 0 {
				reply = bySlow(s, p, tcp)
			}
			if len(p) < headerSize || p[2]&bitQR != 0 {
				if reply != nil {
					t.Errorf("reply %x to no query", reply)
				}
				continue
			}
			m := new(dns.Msg)
			if err := m.Unpack(reply); err != nil {
				t.Errorf("reply %x: %v", reply, err)
			}
			if !m.Response || m.Id != uint16(p[0])<<8|uint16(p[1]) {
				t.Errorf("reply %v", m)
			}
			if !tcp && len(reply) > s.config.MaxUDPSize {
				t.Errorf("%d bytes by UDP", len(reply))
			}
		}
	})
}

func BenchmarkHot(b *testing.B) {
	s := newServer(b, testConfig(), nil)
	s.Set(testZone(b, hostApp("/a/web", 4, 1)), false)
	v := s.view.Load()
	for _, tt := range []struct {
		name string
		typ  uint16
	}{{"web-a.marathon.mesos.", dns.TypeA}, {"_web-a._tcp.marathon.mesos.", dns.TypeSRV}, {"no.mesos.", dns.TypeA}} {
		b.Run(tt.name+dns.TypeToString[tt.typ], func(b *testing.B) {
			p, err := new(dns.Msg).SetQuestion(tt.name, tt.typ).SetEdns0(1232, false).Pack()
			if err != nil {
				b.Fatal(err)
			}
			out := make([]byte, maxUDP)
			var q question
			from := netip.MustParseAddr("127.0.0.1")
			r := rnd{state: 1}
			b.ReportAllocs()
			for b.Loop() {
				if v.hot(&q, from, p, out, false, &r) == 0 {
					b.Fatal("not on the fast way")
				}
			}
		})
	}
}
