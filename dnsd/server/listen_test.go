package server

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// A client that asks one of several addresses takes answers from that one alone.
func TestAnswersLeaveFromTheAddressThatWasAsked(t *testing.T) {
	s := newServer(t, testConfig(), fake(echo))
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, wild := range []string{"0.0.0.0:0", "[::]:0"} {
		l, err := Listen(ctx, netip.MustParseAddrPort(wild))
		if err != nil {
			t.Logf("no %s here: %v", wild, err)
			continue
		}
		done := make(chan struct{})
		inside, stop := context.WithCancel(ctx)
		go func() {
			defer close(done)
			_ = s.Run(inside, l)
		}()
		targets := []string{"127.0.0.1", "127.0.0.9"}
		if wild[0] == '[' {
			targets = []string{"::1"}
		}
		for _, to := range targets {
			for _, name := range []string{"web.marathon.mesos.", "example.com."} { // answered at once, and later
				c, err := net.Dial("udp", netip.AddrPortFrom(netip.MustParseAddr(to), l.Addr().Port()).String())
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(5 * time.Second))
				conn := &dns.Conn{Conn: c}
				if err := conn.WriteMsg(new(dns.Msg).SetQuestion(name, dns.TypeA)); err != nil {
					t.Fatal(err)
				}
				if m, err := conn.ReadMsg(); err != nil || len(m.Answer) != 1 {
					t.Errorf("%s at %s: %v %v", name, to, m, err)
				}
				_ = c.Close()
			}
		}
		stop()
		<-done
	}
}

func TestAPortThatIsTakenIsFoundOut(t *testing.T) {
	first, err := Listen(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if second, err := Listen(t.Context(), first.Addr()); err == nil {
		second.Close()
		t.Error("two servers have one address")
	}
}

// Garbage gets an answer or none, and the next query is answered in any case.
func TestGarbageHarmsNobody(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	addr := serve(t, s)
	c, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range [][]byte{{}, {1}, make([]byte, 11), make([]byte, 12), make([]byte, 9000), {0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0}} {
		if _, err := c.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if m := ask(t, addr, "udp", "web.marathon.mesos", dns.TypeA); len(m.Answer) != 1 {
		t.Error(m)
	}
	tc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer tc.Close()
	if _, err := tc.Write([]byte{0, 3, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	_ = tc.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := tc.Read(make([]byte, 10)); n != 0 || err == nil {
		t.Errorf("garbage by TCP: %d bytes, %v", n, err)
	}
}
