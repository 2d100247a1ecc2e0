package server

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The examples of RFC 9018 appendix A.
func TestCookiesAreThoseOfTheRFC(t *testing.T) {
	for _, tt := range []struct{ rule, secret, client, ip, want string }{
		{"A.1: a new cookie", "e5e973e5a6b2a43f48e7dc849e37bfcf", "2464c4abcf10c957", "198.51.100.100",
			"2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
		{"A.2: a renewed one", "e5e973e5a6b2a43f48e7dc849e37bfcf", "2464c4abcf10c957", "198.51.100.100",
			"2464c4abcf10c957010000005cf7a871d4a564a1442aca77"},
		{"A.4: by IPv6, with the secret of later", "445536bcd2513298075a5d379663c962", "22681ab97d52c298", "2001:db8:220:1:59de:d0f4:8769:82b8",
			"22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
	} {
		s := secretOf([16]byte(unhex(t, tt.secret)))
		want := unhex(t, tt.want)
		stamp := uint32(want[12])<<24 | uint32(want[13])<<16 | uint32(want[14])<<8 | uint32(want[15])
		ip := netip.MustParseAddr(tt.ip)
		if got := s.appendTo(nil, unhex(t, tt.client), ip, stamp); hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: %x, want %s", tt.rule, got, tt.want)
		}
		for age, ok := range map[int32]bool{0: true, 3600: true, 3601: false, -300: true, -301: false} {
			if s.valid(want, ip, stamp+uint32(age)) != ok {
				t.Errorf("%s: %d seconds later: %v", tt.rule, age, !ok)
			}
		}
		if s.valid(want, ip.Next(), stamp) || s.valid(want[:8], ip, stamp) || s.valid(nil, ip, stamp) {
			t.Errorf("%s: good for somebody else, or without a server's part", tt.rule)
		}
		want[20] ^= 1
		if s.valid(want, ip, stamp) {
			t.Errorf("%s: a changed cookie is good", tt.rule)
		}
	}
}

func withCookie(data string) func(*dns.Msg) {
	return func(m *dns.Msg) {
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: data}}
	}
}

func cookieOf(m *dns.Msg) string {
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if c, ok := o.(*dns.EDNS0_COOKIE); ok {
				return c.Cookie
			}
		}
	}
	return ""
}

func TestWhoSendsACookieGetsOne(t *testing.T) {
	s := newServer(t, testConfig(), fake(echo))
	s.Set(testZone(t, hostApp("/web", 1, 1), hostApp("/big", 200, 1)), false)
	addr := serve(t, s)
	for _, q := range []struct {
		name string
		typ  uint16
	}{
		{"web.marathon.mesos", dns.TypeA}, {"web.marathon.mesos", dns.TypeTXT}, {"no.mesos", dns.TypeA}, {"example.com", dns.TypeA},
		{"big.marathon.mesos", dns.TypeA},
	} {
		for _, network := range []string{"udp", "tcp"} {
			m := ask(t, addr, network, q.name, q.typ, withCookie("0123456789abcdef"))
			got := cookieOf(m)
			if len(got) != 2*cookieSize || !strings.HasPrefix(got, "0123456789abcdef01000000") ||
				!s.config.secret.valid(unhex(t, got), netip.MustParseAddr("127.0.0.1"), uint32(time.Now().Unix())) {
				t.Errorf("%s by %s: cookie %q", q.name, network, got)
			}
			if again := cookieOf(ask(t, addr, network, q.name, q.typ, withCookie(got))); !strings.HasPrefix(again, "0123456789abcdef") {
				t.Errorf("%s by %s: after the server's own: %q", q.name, network, again)
			}
			if none := cookieOf(ask(t, addr, network, q.name, q.typ, withEDNS(1232))); none != "" {
				t.Errorf("%s by %s: nobody asked for a cookie: %q", q.name, network, none)
			}
		}
	}
	for _, bad := range []string{"01", "0123456789abcd", "0123456789abcdef01", strings.Repeat("ab", 41)} {
		for _, typ := range []uint16{dns.TypeA, dns.TypeTXT} {
			if m := ask(t, addr, "udp", "web.marathon.mesos", typ, withCookie(bad)); m.Rcode != dns.RcodeFormatError {
				t.Errorf("a cookie of %d bytes: %v", len(bad)/2, m)
			}
		}
	}
}

// Over the limit, a client that has shown that it hears us is answered.
func TestRateLimitIsNotForWhoHasACookie(t *testing.T) {
	config := testConfig()
	config.RateLimit = 1
	s := newServer(t, config, nil)
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	from := netip.MustParseAddr("198.51.100.7")
	w := &udpWorker{s: s, t: &tally{}}
	out := make([]byte, maxUDP)
	judge := func(cookie string) bool {
		m := new(dns.Msg).SetQuestion("web.marathon.mesos.", dns.TypeA)
		withCookie(cookie)(m)
		p, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		_, done := w.limited(s.view.Load(), from, p, out)
		return !done
	}
	passed := 0
	for range 20 {
		if judge("0123456789abcdef") {
			passed++
		}
	}
	if passed != limitBurst {
		t.Errorf("%d without a cookie of ours", passed)
	}
	good := hex.EncodeToString(s.config.secret.appendTo(nil, unhex(t, "0123456789abcdef"), from, uint32(time.Now().Unix())))
	for range 20 {
		if !judge(good) {
			t.Fatal("limited although it has a cookie of ours")
		}
	}
}
