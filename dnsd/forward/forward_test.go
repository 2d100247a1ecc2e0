package forward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"berth/dnsd/server"
	"berth/internal/porttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// resolver is an upstream on loopback.
type resolver struct {
	addr   netip.AddrPort
	asked  atomic.Int64
	tcp    atomic.Int64
	mu     sync.Mutex
	answer func(*dns.Msg, bool) *dns.Msg // nil is silence
}

func (r *resolver) set(f func(*dns.Msg, bool) *dns.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func (r *resolver) serve(w dns.ResponseWriter, m *dns.Msg, tcp bool) {
	r.asked.Add(1)
	if tcp {
		r.tcp.Add(1)
	}
	r.mu.Lock()
	f := r.answer
	r.mu.Unlock()
	if out := f(m, tcp); out != nil {
		_ = w.WriteMsg(out)
	}
}

func newResolver(t *testing.T, answer func(*dns.Msg, bool) *dns.Msg) *resolver {
	t.Helper()
	r := &resolver{answer: answer}
	pc, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", porttest.Free(t)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	r.addr = pc.LocalAddr().(*net.UDPAddr).AddrPort()
	for tcp, s := range map[bool]*dns.Server{false: {PacketConn: pc}, true: {Listener: l}} {
		s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) { r.serve(w, m, tcp) })
		ready, done := make(chan struct{}), make(chan struct{})
		s.NotifyStartedFunc = func() { close(ready) }
		go func() {
			defer close(done)
			_ = s.ActivateAndServe()
		}()
		<-ready
		t.Cleanup(func() {
			_ = s.Shutdown()
			<-done
		})
	}
	return r
}

// says answers every question with one address.
func says(ip string, ttl uint32) func(*dns.Msg, bool) *dns.Msg {
	return func(m *dns.Msg, _ bool) *dns.Msg {
		out := new(dns.Msg).SetReply(m)
		out.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: 1, Ttl: ttl}, A: net.ParseIP(ip).To4(),
		}}
		return out
	}
}

func silent(*dns.Msg, bool) *dns.Msg { return nil }

func rcode(code int) func(*dns.Msg, bool) *dns.Msg {
	return func(m *dns.Msg, _ bool) *dns.Msg { return new(dns.Msg).SetRcode(m, code) }
}

func forwarder(t *testing.T, change func(*Options), ups ...*resolver) *Forwarder {
	t.Helper()
	o := DefaultOptions()
	for _, u := range ups {
		o.Resolvers = append(o.Resolvers, u.addr)
	}
	if change != nil {
		change(&o)
	}
	f, err := New(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func get(f *Forwarder, name string, tcp bool) (*dns.Msg, error) {
	return f.Forward(context.Background(), new(dns.Msg).SetQuestion(name, dns.TypeA), tcp)
}

func address(m *dns.Msg) string {
	if m == nil || len(m.Answer) == 0 {
		return ""
	}
	return m.Answer[0].(*dns.A).A.String()
}

func TestSecondQuestionComesFromTheCache(t *testing.T) {
	up := newResolver(t, says("192.0.2.1", 60))
	f := forwarder(t, nil, up)
	for _, name := range []string{"a.example.", "A.Example."} {
		if m, err := get(f, name, false); err != nil || address(m) != "192.0.2.1" {
			t.Fatal(m, err)
		}
	}
	if up.asked.Load() != 1 {
		t.Errorf("asked %d times", up.asked.Load())
	}
}

func TestNextUpstream(t *testing.T) {
	for _, tt := range []struct {
		rule  string
		first func(*dns.Msg, bool) *dns.Msg
		limit time.Duration
	}{
		{"when the first is silent, after the hedge time", silent, time.Second},
		{"when the first fails", rcode(dns.RcodeServerFailure), time.Second},
		{"when the first refuses", rcode(dns.RcodeRefused), time.Second},
		{"when the first answers another question", func(m *dns.Msg, tcp bool) *dns.Msg {
			out := says("192.0.2.9", 60)(m, tcp)
			out.Question[0].Name = "other.example."
			return out
		}, time.Second},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			f := forwarder(t, nil, newResolver(t, tt.first), newResolver(t, says("192.0.2.2", 60)))
			began := time.Now()
			m, err := get(f, "a.example.", false)
			if err != nil || address(m) != "192.0.2.2" || time.Since(began) > tt.limit {
				t.Error(m, err, time.Since(began))
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	up := newResolver(t, silent)
	f := forwarder(t, func(o *Options) { o.Deadline, o.Timeout = 300*time.Millisecond, 200*time.Millisecond }, up)
	if _, err := get(f, "a.example.", false); !errors.Is(err, errNobody) {
		t.Error(err)
	}
	m, err := get(f, "a.example.", false) // remembered
	if err != nil || m.Rcode != dns.RcodeServerFailure || up.asked.Load() != 1 {
		t.Error(m, err, up.asked.Load())
	}
}

func TestExpiredAnswersServeInNeed(t *testing.T) {
	up := newResolver(t, says("192.0.2.1", 1))
	f := forwarder(t, func(o *Options) {
		o.MinTTL, o.Deadline, o.Timeout = time.Millisecond, 300*time.Millisecond, 200*time.Millisecond
		o.MaxTTL = time.Millisecond
	}, up)
	if _, err := get(f, "a.example.", false); err != nil {
		t.Fatal(err)
	}
	up.set(silent)
	k := key{name: "a.example.", typ: dns.TypeA, class: dns.ClassINET}
	for deadline := time.Now().Add(30 * time.Second); ; {
		if m, _ := f.cache.get(k, time.Now()); m == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("does not expire")
		}
	}
	m, err := get(f, "a.example.", false)
	if err != nil || address(m) != "192.0.2.1" || m.Answer[0].Header().Ttl != 30 || m.IsEdns0() == nil {
		t.Error(m, err)
	}
}

func TestTruncatedAnswersAreFetchedByTCP(t *testing.T) {
	up := newResolver(t, func(m *dns.Msg, tcp bool) *dns.Msg {
		out := says("192.0.2.1", 60)(m, tcp)
		if !tcp {
			out.Truncated, out.Answer = true, nil
		}
		return out
	})
	f := forwarder(t, nil, up)
	m, err := get(f, "a.example.", false)
	if err != nil || address(m) != "192.0.2.1" || m.Truncated || up.tcp.Load() != 1 {
		t.Error(m, err)
	}
	if m, err := get(f, "b.example.", true); err != nil || address(m) == "" || up.tcp.Load() != 2 || up.asked.Load() != 3 {
		t.Error("a client by TCP is served by TCP:", m, err)
	}
}

func TestOneQuestionAtATime(t *testing.T) {
	begun, hold := make(chan struct{}, 100), make(chan struct{})
	up := newResolver(t, func(m *dns.Msg, tcp bool) *dns.Msg {
		begun <- struct{}{}
		<-hold
		return says("192.0.2.1", 60)(m, tcp)
	})
	f := forwarder(t, nil, up)
	var group sync.WaitGroup
	ask := func() {
		if m, err := get(f, "a.example.", false); err != nil || address(m) != "192.0.2.1" {
			t.Error(m, err)
		}
	}
	group.Go(ask)
	<-begun
	for range 20 {
		group.Go(ask)
	}
	close(hold)
	group.Wait()
	if n := up.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestRoutes(t *testing.T) {
	all, corp := newResolver(t, says("192.0.2.1", 60)), newResolver(t, says("192.0.2.2", 60))
	f := forwarder(t, func(o *Options) { o.Zones = map[string][]netip.AddrPort{"corp.example": {corp.addr}} }, all)
	for name, want := range map[string]string{
		"a.corp.example.": "192.0.2.2", "corp.example.": "192.0.2.2", "acorp.example.": "192.0.2.1", "x.org.": "192.0.2.1",
	} {
		if m, err := get(f, name, false); err != nil || address(m) != want {
			t.Error(name, m, err)
		}
	}
	for _, off := range []func(*Options){func(o *Options) { o.Off = true }, func(o *Options) { o.Resolvers = nil }} {
		if _, err := get(forwarder(t, off, all), "x.org.", false); !errors.Is(err, server.ErrOff) {
			t.Error(err)
		}
	}
}

func TestWhatIsKept(t *testing.T) {
	o := DefaultOptions()
	c := newCache(&o)
	soa := func(m *dns.Msg, ttl uint32) *dns.Msg {
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Ttl: ttl}, Minttl: 900}}
		return m
	}
	q := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	for _, tt := range []struct {
		rule string
		m    *dns.Msg
		want time.Duration
	}{
		{"an answer, for its TTL", says("192.0.2.1", 60)(q, false), time.Minute},
		{"at least the least", says("192.0.2.1", 0)(q, false), 5 * time.Second},
		{"at most the most", says("192.0.2.1", 86400)(q, false), time.Hour},
		{"absence, by the SOA", soa(rcode(dns.RcodeNameError)(q, false), 600), 10 * time.Minute},
		{"absence, by the SOA's minimum", soa(rcode(dns.RcodeSuccess)(q, false), 7200), 15 * time.Minute},
		{"absence without SOA: not", rcode(dns.RcodeNameError)(q, false), 0},
		{"failure, shortly", rcode(dns.RcodeServerFailure)(q, false), 2 * time.Second},
		{"refusal: not", rcode(dns.RcodeRefused)(q, false), 0},
	} {
		if got := c.life(tt.m); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.rule, got, tt.want)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	o := DefaultOptions()
	o.Entries = 10
	c := newCache(&o)
	now := time.Unix(1000, 0)
	k := func(i int) key { return key{name: fmt.Sprint(i)} }
	q := new(dns.Msg).SetQuestion("a.example.", dns.TypeA)
	for i := range 25 {
		c.put(k(i), says("192.0.2.1", 60)(q, false), now)
		c.get(k(0), now) // stays, being used
	}
	if m, _ := c.get(k(0), now.Add(30*time.Second)); len(c.items) != 10 || m == nil || m.Answer[0].Header().Ttl != 30 {
		t.Errorf("%d entries, %v", len(c.items), m)
	}
	if m, _ := c.get(k(10), now); m != nil {
		t.Error("the one unused longest is still there")
	}
	if _, refresh := c.get(k(0), now.Add(55*time.Second)); !refresh {
		t.Error("not refreshed before it ends")
	}
	if _, refresh := c.get(k(0), now.Add(55*time.Second)); refresh {
		t.Error("refreshed twice")
	}
}

func TestLoopsAreFound(t *testing.T) {
	var running atomic.Pointer[Forwarder]
	back := newResolver(t, func(m *dns.Msg, tcp bool) *dns.Msg {
		in, err := running.Load().Forward(context.Background(), m, tcp)
		if err != nil {
			return rcode(dns.RcodeRefused)(m, tcp)
		}
		return in
	})
	good := newResolver(t, says("192.0.2.1", 60))
	f := forwarder(t, nil, back, good)
	running.Store(f)
	f.FindLoops(t.Context())
	ups := f.Stats().Upstreams
	if len(ups) != 2 || !ups[0].Loops || ups[1].Loops {
		t.Fatalf("%+v", ups)
	}
	n := back.asked.Load()
	if m, err := get(f, "a.example.", false); err != nil || address(m) != "192.0.2.1" || back.asked.Load() != n {
		t.Error(m, err)
	}
}

func TestOptions(t *testing.T) {
	a := netip.MustParseAddrPort("192.0.2.1:53")
	for _, tt := range []struct {
		rule   string
		change func(*Options)
		want   string
	}{
		{"a resolver twice", func(o *Options) { o.Resolvers = []netip.AddrPort{a, a} }, "twice"},
		{"ours", func(o *Options) { o.Zones = map[string][]netip.AddrPort{"mesos": {a}} }, "overlaps"},
		{"inside of ours", func(o *Options) { o.Zones = map[string][]netip.AddrPort{"x.mesos": {a}} }, "overlaps"},
		{"each other", func(o *Options) { o.Zones = map[string][]netip.AddrPort{"com": {a}, "abc.com": {a}} }, "overlaps"},
		{"on label boundaries", func(o *Options) { o.Zones = map[string][]netip.AddrPort{"bc.com": {a}, "abc.com": {a}} }, ""},
		{"nobody to ask", func(o *Options) { o.Zones = map[string][]netip.AddrPort{"com": nil} }, "at least one"},
	} {
		o := DefaultOptions()
		o.Ours = []string{"mesos"}
		tt.change(&o)
		err := o.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.rule, err)
		}
	}
}

func TestResolvConf(t *testing.T) {
	own := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("0.0.0.0:53")}
	got, err := ParseResolvConf(strings.NewReader("# x\nnameserver 127.0.0.1\nnameserver 127.0.0.2\nsearch a b\nnameserver 192.0.2.1\n"+
		"nameserver 192.0.2.1\nnameserver nonsense\nnameserver fe80::1%eth0\nnameserver"), own)
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[fe80::1%eth0]:53")}
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(got)); diff != "" {
		t.Error(diff)
	}
}

// One answer of 60 kB for each of the cache's entries would be 600 MB.
func TestLargeAnswersAreNotKept(t *testing.T) {
	large := newResolver(t, func(m *dns.Msg, tcp bool) *dns.Msg {
		out := new(dns.Msg).SetReply(m)
		if out.Truncated = !tcp; tcp {
			for i := range 1000 {
				out.Answer = append(out.Answer, &dns.A{
					Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeA, Class: 1, Ttl: 60}, A: net.IPv4(192, 0, byte(i>>8), byte(i)),
				})
			}
		}
		return out
	})
	f := forwarder(t, nil, large)
	for range 2 {
		if m, err := get(f, "large.example.", false); err != nil || len(m.Answer) != 1000 {
			t.Fatal(m, err)
		}
	}
	if s := f.Stats(); s.Entries != 0 || large.tcp.Load() != 2 {
		t.Errorf("%+v, asked %d times", s, large.tcp.Load())
	}
}

// Upstreams that are dead, silent, wrong or talk nonsense cost a bounded time, and one good one is enough.
func TestUpstreamsOfAllKinds(t *testing.T) {
	dead := netip.MustParseAddrPort("127.0.0.1:1")
	other := func(m *dns.Msg, tcp bool) *dns.Msg { // an answer to another question
		q := m.Copy()
		q.Question[0].Name = "else.example."
		return says("192.0.2.66", 60)(q, tcp)
	}
	wrongID := func(m *dns.Msg, tcp bool) *dns.Msg {
		out := says("192.0.2.66", 60)(m, tcp)
		out.Id++
		return out
	}
	for name, bad := range map[string]func(*dns.Msg, bool) *dns.Msg{
		"silent": silent, "another question": other, "another id": wrongID, "servfail": rcode(dns.RcodeServerFailure),
		"refused": rcode(dns.RcodeRefused), "no answer at all, by TCP": func(m *dns.Msg, tcp bool) *dns.Msg {
			out := new(dns.Msg).SetReply(m)
			if out.Truncated = true; tcp {
				return nil
			}
			return out
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := forwarder(t, func(o *Options) {
				o.Resolvers = append([]netip.AddrPort{dead}, o.Resolvers...)
				o.Hedge, o.Timeout, o.Deadline = 20*time.Millisecond, 500*time.Millisecond, 10*time.Second
			}, newResolver(t, bad), newResolver(t, says("192.0.2.1", 60)))
			m, err := get(f, "a.example.", false)
			if name == "no answer at all, by TCP" && err == nil && m.Truncated {
				return // cut, and said so, is an answer too
			}
			if err != nil || address(m) != "192.0.2.1" {
				t.Errorf("%v, %v", m, err)
			}
		})
	}
}
