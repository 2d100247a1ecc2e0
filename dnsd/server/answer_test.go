package server

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"berth/dnsd/zone"
	"berth/orchestrator/api"
)

// flat is what a reply says, without order.
func flat(m *dns.Msg) []string {
	out := []string{dns.RcodeToString[m.Rcode]}
	for flag, on := range map[string]bool{"aa": m.Authoritative, "tc": m.Truncated, "rd": m.RecursionDesired, "ra": m.RecursionAvailable, "cd": m.CheckingDisabled} {
		if on {
			out = append(out, flag)
		}
	}
	for section, list := range map[string][]dns.RR{"answer": m.Answer, "authority": m.Ns, "additional": m.Extra} {
		for _, rr := range list {
			if rr.Header().Rrtype != dns.TypeOPT {
				out = append(out, section+" "+strings.Join(strings.Fields(rr.String()), " "))
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestAnswers(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, hostApp("/a/web", 1, 1), dualApp("/db")), false)
	addr := serve(t, s)
	soa := " SOA ns1.mesos. root.ns1.mesos. 1 60 600 86400 60"
	for _, tt := range []struct {
		rule, name string
		typ        uint16
		want       []string
	}{
		{"an app's address", "web-a.marathon.mesos", dns.TypeA, []string{"NOERROR", "aa", "answer web-a.marathon.mesos. 5 IN A 10.0.0.0", "ra", "rd"}},
		{"the case of the question is kept", "WeB-a.MARATHON.mesos", dns.TypeA, []string{"NOERROR", "aa", "answer WeB-a.MARATHON.mesos. 5 IN A 10.0.0.0", "ra", "rd"}},
		{"both families", "db.marathon.mesos", dns.TypeAAAA, []string{"NOERROR", "aa", "answer db.marathon.mesos. 5 IN AAAA fd00::1", "answer db.marathon.mesos. 5 IN AAAA fd00::2", "ra", "rd"}},
		{"another type: no data, with the zone's SOA", "web-a.marathon.mesos", dns.TypeAAAA, []string{"NOERROR", "aa", "authority mesos. 60 IN" + soa, "ra", "rd"}},
		{"a type nobody has", "web-a.marathon.mesos", dns.TypeMX, []string{"NOERROR", "aa", "authority mesos. 60 IN" + soa, "ra", "rd"}},
		{"DS is ours too", "web-a.marathon.mesos", dns.TypeDS, []string{"NOERROR", "aa", "authority mesos. 60 IN" + soa, "ra", "rd"}},
		{"an ancestor exists", "_tcp.marathon.mesos", dns.TypeA, []string{"NOERROR", "aa", "authority mesos. 60 IN" + soa, "ra", "rd"}},
		{"no such name", "no.marathon.mesos", dns.TypeA, []string{"NXDOMAIN", "aa", "authority mesos. 60 IN" + soa, "ra", "rd"}},
		{"no such name, SRV too", "_no._tcp.marathon.mesos", dns.TypeSRV, []string{"NXDOMAIN", "aa", "authority mesos. 60 IN" + soa, "ra", "rd"}},
		{"SOA at the apex", "mesos", dns.TypeSOA, []string{"NOERROR", "aa", "answer mesos. 60 IN" + soa, "ra", "rd"}},
		{"SOA elsewhere", "marathon.mesos", dns.TypeSOA, []string{"NOERROR", "aa", "authority mesos. 60 IN" + soa, "ra", "rd"}},
		{"NS at the apex", "mesos", dns.TypeNS, []string{"NOERROR", "aa", "additional ns1.mesos. 60 IN A 10.9.0.3", "answer mesos. 60 IN NS ns1.mesos.", "ra", "rd"}},
		{"ANY gives one set", "db.marathon.mesos", dns.TypeANY, []string{"NOERROR", "aa", "answer db.marathon.mesos. 5 IN A 9.0.0.1", "ra", "rd"}},
		{"leader", "leader.mesos", dns.TypeA, []string{"NOERROR", "aa", "answer leader.mesos. 60 IN A 10.9.0.1", "ra", "rd"}},
		{"DC/OS copy", "web-a.marathon.mesos.thisdcos.directory", dns.TypeA, []string{"NOERROR", "aa", "answer web-a.marathon.mesos.thisdcos.directory. 5 IN A 10.0.0.0", "ra", "rd"}},
		{"DC/OS global", "web-a.marathon.autoip.dcos.thisdcos.global", dns.TypeA, []string{"NOERROR", "aa", "answer web-a.marathon.autoip.dcos.thisdcos.global. 5 IN A 10.0.0.0", "ra", "rd"}},
		{"DC/OS cluster key", "leader.mesos.abc.dcos.directory", dns.TypeA, []string{"NOERROR", "aa", "answer leader.mesos.abc.dcos.directory. 60 IN A 10.9.0.1", "ra", "rd"}},
		{"DC/OS copy, no such name", "no.mesos.thisdcos.directory", dns.TypeA, []string{"NXDOMAIN", "aa", "authority mesos.thisdcos.directory. 60 IN SOA ns1.mesos.thisdcos.directory. root.ns1.mesos.thisdcos.directory. 1 60 600 86400 60", "ra", "rd"}},
		{"reverse", "1.0.0.9.in-addr.arpa", dns.TypePTR, []string{"NOERROR", "aa", "answer 1.0.0.9.in-addr.arpa. 60 IN PTR db-tdihx-s2.marathon.mesos.", "ra", "rd"}},
		{"localhost", "localhost", dns.TypeA, []string{"NOERROR", "answer localhost. 60 IN A 127.0.0.1", "ra", "rd"}},
		{"invalid stays here", "x.invalid", dns.TypeA, []string{"NXDOMAIN", "ra", "rd"}},
		{"others: refused without a forwarder", "example.com", dns.TypeA, []string{"REFUSED", "ra", "rd"}},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(tt.rule+"/"+network, func(t *testing.T) {
				if diff := cmp.Diff(tt.want, flat(ask(t, addr, network, tt.name, tt.typ))); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestSRVHasTargetsAddresses(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, dualApp("/db"), hostApp("/web", 3, 2)), false)
	addr := serve(t, s)
	m := ask(t, addr, "udp", "_web._db._tcp.marathon.mesos", dns.TypeSRV)
	if len(m.Answer) != 1 || len(m.Extra) != 2 {
		t.Fatalf("answer %v, additional %v", m.Answer, m.Extra)
	}
	target := m.Answer[0].(*dns.SRV).Target
	for _, rr := range m.Extra {
		if rr.Header().Name != target {
			t.Errorf("additional %s, target %s", rr, target)
		}
	}
	m = ask(t, addr, "udp", "_web._tcp.marathon.mesos", dns.TypeSRV, withEDNS(4096))
	if len(m.Answer) != 6 || len(withoutOPT(m.Extra)) != 3 { // two ports, but a target's address once
		t.Errorf("answer %v, additional %v", m.Answer, m.Extra)
	}
}

func TestLargeAnswers(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, hostApp("/big", 1500, 1), hostApp("/some", 60, 1)), false)
	addr := serve(t, s)
	for _, tt := range []struct {
		rule, network, name string
		typ                 uint16
		edns                uint16
		answers             func(n int) bool
		truncated           bool
	}{
		{"512 bytes without EDNS", "udp", "some.marathon.mesos", dns.TypeA, 0, func(n int) bool { return n > 20 && n < 60 }, true},
		{"what the client offers", "udp", "some.marathon.mesos", dns.TypeA, 1232, func(n int) bool { return n == 60 }, false},
		{"but not more than we allow", "udp", "big.marathon.mesos", dns.TypeA, 65000, func(n int) bool { return n > 60 && n < 80 }, true},
		{"all over TCP", "tcp", "big.marathon.mesos", dns.TypeA, 0, func(n int) bool { return n == 1500 }, false},
		{"an SRV answer without its additional records is whole", "udp", "_some._tcp.marathon.mesos", dns.TypeSRV, 4096, func(n int) bool { return n == 21 || n > 0 }, true},
		{"SRV over TCP", "tcp", "_some._tcp.marathon.mesos", dns.TypeSRV, 0, func(n int) bool { return n == 60 }, false},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			m := ask(t, addr, tt.network, tt.name, tt.typ, func(m *dns.Msg) {
				if tt.edns > 0 {
					m.SetEdns0(tt.edns, true)
				}
			})
			if !tt.answers(len(m.Answer)) || m.Truncated != tt.truncated {
				t.Errorf("%d answers, truncated %v", len(m.Answer), m.Truncated)
			}
			if opt := m.IsEdns0(); (opt != nil) != (tt.edns > 0) || opt != nil && (!opt.Do() || opt.UDPSize() != 1232) {
				t.Errorf("EDNS %v", opt)
			}
		})
	}
}

func TestOddQueries(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	addr := serve(t, s)
	const name = "web.marathon.mesos"
	for _, tt := range []struct {
		rule   string
		change func(*dns.Msg)
		rcode  int
	}{
		{"two questions", func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }, dns.RcodeFormatError},
		{"no question", func(m *dns.Msg) { m.Question = nil }, dns.RcodeFormatError},
		{"another opcode", func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }, dns.RcodeNotImplemented},
		{"another class", func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }, dns.RcodeRefused},
		{"an unknown EDNS version", func(m *dns.Msg) { m.SetEdns0(4096, false); m.IsEdns0().SetVersion(1) }, dns.RcodeBadVers},
		{"two EDNS records", func(m *dns.Msg) { m.SetEdns0(4096, false); m.Extra = append(m.Extra, m.Extra[0]) }, dns.RcodeFormatError},
		{"an unknown EDNS option", func(m *dns.Msg) {
			m.SetEdns0(4096, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_LOCAL{Code: 65001, Data: []byte("x")}}
		}, dns.RcodeSuccess},
		{"a transfer by UDP", func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeAXFR }, dns.RcodeRefused},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			if m := ask(t, addr, "udp", name, dns.TypeA, tt.change); m.Rcode != tt.rcode {
				t.Errorf("rcode %s, want %s", dns.RcodeToString[m.Rcode], dns.RcodeToString[tt.rcode])
			}
		})
	}
}

func TestNotLoadedIsServerFailureAndStaleIsSaid(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	addr := serve(t, s)
	m := ask(t, addr, "udp", "web.marathon.mesos", dns.TypeA, withEDNS(1232))
	if codes := extendedErrors(m); m.Rcode != dns.RcodeServerFailure || m.Authoritative || len(codes) != 1 || codes[0].InfoCode != edeNotReady {
		t.Errorf("before the first load: %v", m)
	}
	z := testZone(t, hostApp("/web", 1, 1))
	s.Set(z, true)
	for _, name := range []string{"web.marathon.mesos", "leader.mesos", "no.mesos"} {
		m = ask(t, addr, "udp", name, dns.TypeA, withEDNS(1232))
		if codes := extendedErrors(m); len(codes) != 1 || codes[0].InfoCode != edeStale {
			t.Errorf("%s: %v", name, m)
		}
		for _, rr := range append(m.Answer, m.Ns...) {
			if rr.Header().Ttl > maxStaleTTL {
				t.Errorf("%s: TTL %d", name, rr.Header().Ttl)
			}
		}
	}
	s.Set(z, false)
	if m := ask(t, addr, "udp", "leader.mesos", dns.TypeA, withEDNS(1232)); len(extendedErrors(m)) != 0 || len(m.Answer) != 1 {
		t.Errorf("fresh again: %v", m)
	}
}

// While apps of one framework are unknown, nothing is said not to exist.
func TestPendingIsServerFailure(t *testing.T) {
	o := zone.DefaultOptions()
	o.Frameworks = []string{"other"}
	o, err := o.Validate()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, testConfig(), nil)
	s.Set(zone.NewBuilder(o).Update([]*api.AppInfo{hostApp("/web", 1, 1)}, 1), false)
	addr := serve(t, s)
	if m := ask(t, addr, "udp", "web.marathon.mesos", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("what is known: %v", m)
	}
	for _, typ := range []uint16{dns.TypeA, dns.TypeTXT} {
		m := ask(t, addr, "udp", "web.other.mesos", typ, withEDNS(1232))
		if codes := extendedErrors(m); m.Rcode != dns.RcodeServerFailure || m.Authoritative || len(codes) != 1 || codes[0].InfoCode != edeNotReady {
			t.Errorf("what is not: %v", m)
		}
	}
}

func TestTransfer(t *testing.T) {
	c := testConfig()
	s := newServer(t, c, nil)
	z := testZone(t, hostApp("/web", 400, 2))
	s.Set(z, false)
	addr := serve(t, s)
	tr := &dns.Transfer{DialTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second}
	ch, err := tr.In(new(dns.Msg).SetAxfr("mesos."), addr)
	if err != nil {
		t.Fatal(err)
	}
	records := 0
	for e := range ch {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		records += len(e.RR)
	}
	want := 2 // the SOA record, first and last
	for _, n := range z.Sorted("mesos") {
		for i := range n.Sets {
			want += n.Sets[i].Len()
		}
	}
	if records != want {
		t.Errorf("%d records, want %d", records, want)
	}
	c.Transfer = nil
	closed := newServer(t, c, nil)
	closed.Set(z, false)
	if m := ask(t, serve(t, closed), "tcp", "mesos", dns.TypeAXFR); m.Rcode != dns.RcodeRefused {
		t.Errorf("not allowed: %v", m)
	}
}

// fake forwards by itself.
type fake func(m *dns.Msg) (*dns.Msg, error)

func (f fake) Forward(_ context.Context, m *dns.Msg, _ bool) (*dns.Msg, error) { return f(m) }

func echo(m *dns.Msg) (*dns.Msg, error) {
	r := new(dns.Msg).SetReply(m)
	r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: strings.ToLower(m.Question[0].Name), Rrtype: dns.TypeA, Class: 1, Ttl: 7}, A: net.IPv4(192, 0, 2, 1)}}
	return r, nil
}

func TestForwarding(t *testing.T) {
	c := testConfig()
	s := newServer(t, c, fake(echo))
	addr := serve(t, s)
	for _, network := range []string{"udp", "tcp"} {
		m := ask(t, addr, network, "ExAmple.com", dns.TypeA)
		if diff := cmp.Diff([]string{"NOERROR", "answer ExAmple.com. 7 IN A 192.0.2.1", "ra", "rd"}, flat(m)); diff != "" {
			t.Error(network, diff)
		}
	}
	off := newServer(t, c, fake(func(*dns.Msg) (*dns.Msg, error) { return nil, ErrOff }))
	if m := ask(t, serve(t, off), "udp", "example.com", dns.TypeA); m.Rcode != dns.RcodeRefused {
		t.Errorf("off: %v", m)
	}
	c.Recursive = prefixes("192.0.2.0/24")
	strange := newServer(t, c, fake(echo))
	if m := ask(t, serve(t, strange), "udp", "example.com", dns.TypeA); m.Rcode != dns.RcodeRefused {
		t.Errorf("not a client for that: %v", m)
	}
}

func TestTooManyWaitingGetServerFailure(t *testing.T) {
	c := testConfig()
	c.Forwards = 1
	hold := make(chan struct{})
	s := newServer(t, c, fake(func(m *dns.Msg) (*dns.Msg, error) { <-hold; return echo(m) }))
	addr := serve(t, s)
	first := make(chan *dns.Msg, 1)
	go func() {
		m, _ := dns.Exchange(new(dns.Msg).SetQuestion("one.example.", dns.TypeA), addr)
		first <- m
	}()
	for deadline := time.Now().Add(30 * time.Second); s.Stats().InFlight == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the first query does not wait")
		}
	}
	if m := ask(t, addr, "udp", "two.example", dns.TypeA); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("the second: %v", m)
	}
	close(hold)
	if m := <-first; m == nil || m.Rcode != dns.RcodeSuccess {
		t.Errorf("the first: %v", m)
	}
}

func TestTCPAnswersManyQueriesOfOneConnection(t *testing.T) {
	s := newServer(t, testConfig(), fake(echo))
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	conn, err := dns.DialTimeout("tcp", serve(t, s), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	want := map[uint16]bool{}
	for i := range 200 {
		name := "web.marathon.mesos."
		if i%2 == 0 {
			name = "example.com."
		}
		m := new(dns.Msg).SetQuestion(name, dns.TypeA)
		m.Id = uint16(i)
		want[m.Id] = true
		if err := conn.WriteMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 200 {
		m, err := conn.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		if !want[m.Id] || len(m.Answer) != 1 {
			t.Errorf("unexpected or empty: %v", m)
		}
		delete(want, m.Id)
	}
}

func TestRateLimit(t *testing.T) {
	l := newLimiter(10)
	ip, other := prefixes("198.51.100.7/32")[0].Addr(), prefixes("203.0.113.7/32")[0].Addr()
	now := time.Unix(1000, 0)
	counts := map[verdict]int{}
	for range 40 {
		counts[l.judge(ip, now)]++
	}
	if diff := cmp.Diff(map[verdict]int{send: 20, truncate: 10, drop: 10}, counts); diff != "" {
		t.Error(diff)
	}
	if l.judge(other, now) != send || l.judge(ip, now.Add(time.Second)) != send {
		t.Error("another network, or a second later, is over the limit as well")
	}
}

func TestStaticAliasIsFollowed(t *testing.T) {
	b := builder(t)
	var st = staticRecords(t, "registry.component.thisdcos.directory CNAME leader.mesos\nout.mesos CNAME www.example.com\nloop.mesos CNAME loop.mesos\ndb.internal A 10.7.7.7")
	b.SetStatic(st)
	s := newServer(t, testConfig(), fake(echo))
	s.Set(b.Update(nil, 1), false)
	addr := serve(t, s)
	for _, tt := range []struct {
		name string
		n    int
	}{{"registry.component.thisdcos.directory", 2}, {"out.mesos", 2}, {"db.internal", 1}} {
		if m := ask(t, addr, "udp", tt.name, dns.TypeA); len(m.Answer) != tt.n || m.Rcode != 0 {
			t.Errorf("%s: %v", tt.name, m)
		}
	}
	if m := ask(t, addr, "udp", "loop.mesos", dns.TypeA); len(m.Answer) > maxAliases+2 {
		t.Errorf("a loop: %v", m)
	}
}

func TestAnswersAreCountedByTheTimeTheyTook(t *testing.T) {
	s := newServer(t, testConfig(), fake(echo))
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	addr := serve(t, s)
	for _, network := range []string{"udp", "tcp"} {
		ask(t, addr, network, "web.marathon.mesos", dns.TypeA)
		ask(t, addr, network, "web.marathon.mesos", dns.TypeTXT)
		ask(t, addr, network, "example.com", dns.TypeA)
	}
	waitFor(t, "all are counted", func() bool {
		st := s.Stats()
		return st.ZoneTime.Count == 4 && st.ForwardTime.Count == 2 && st.ZoneTime.Sum > 0
	})
	for _, l := range []Latency{s.Stats().ZoneTime, s.Stats().ForwardTime} {
		last := uint64(0)
		for _, bound := range latencyBounds {
			if l.Buckets[bound] < last || l.Buckets[bound] > l.Count {
				t.Errorf("%s: %d after %d of %d", bound, l.Buckets[bound], last, l.Count)
			}
			last = l.Buckets[bound]
		}
	}
}

func TestSecondariesAreTold(t *testing.T) {
	apex := &testZone(t).Apexes()[0]
	var code atomic.Int32 // success
	got := make(chan *dns.Msg, 10)
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secondary := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		got <- m
		_ = w.WriteMsg(new(dns.Msg).SetRcode(m, int(code.Load())))
	}), MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = secondary.ActivateAndServe()
	}()
	to := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := Notify(t.Context(), to, apex); err != nil {
		t.Error(err)
	}
	m := <-got
	soa, ok := m.Answer[0].(*dns.SOA)
	if m.Opcode != dns.OpcodeNotify || m.Question[0].Name != apex.Name+"." || !ok || soa.Serial != apex.Serial {
		t.Errorf("%v", m)
	}
	code.Store(dns.RcodeNotAuth)
	if err := Notify(t.Context(), to, apex); err == nil || !strings.Contains(err.Error(), "NOTAUTH") {
		t.Errorf("refused: %v", err)
	}
	_ = pc.Close()
	<-done
	if err := Notify(t.Context(), to, apex); err == nil {
		t.Error("nobody there, and no error")
	}
}
