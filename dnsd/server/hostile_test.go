package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/dnsd/zone"
	"berth/orchestrator/api"
)

// header is a query's beginning with one question.
func header(id uint16) []byte {
	return []byte{byte(id >> 8), byte(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
}

// packet is a query of a name given as it is sent.
func packet(id uint16, name []byte, typ uint16) []byte {
	p := append(header(id), name...)
	return append(p, byte(typ>>8), byte(typ), 0, 1)
}

func wireName(labels ...string) (b []byte) {
	for _, l := range labels {
		b = append(append(b, byte(len(l))), l...)
	}
	return append(b, 0)
}

func TestNamesAtTheirLimits(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	long := strings.Repeat("l", 63)
	many := make([]string, 0, 127)
	for range 124 {
		many = append(many, "x")
	}
	for _, tt := range []struct {
		rule  string
		name  []byte
		rcode int
	}{
		{"255 octets", wireName(long, long, long, strings.Repeat("l", 55), "mesos"), dns.RcodeNameError},
		{"256 octets", wireName(long, long, long, strings.Repeat("l", 56), "mesos"), dns.RcodeFormatError},
		{"125 labels", wireName(append(many, "mesos")...), dns.RcodeNameError},
		{"a label of 64", wireName(strings.Repeat("l", 64), "mesos"), dns.RcodeFormatError},
		{"a label's reserved bits", append([]byte{0x80 | 3}, wireName("abc", "mesos")...), dns.RcodeFormatError},
		{"a pointer to itself", []byte{0xC0, 12}, dns.RcodeFormatError},
		{"a pointer to what follows", []byte{0xC0, 200}, dns.RcodeFormatError},
		{"a pointer to a byte of zero, which is the root", []byte{0xC0, 0}, dns.RcodeRefused},
		{"a name without an end", []byte{60, 'a', 'b'}, dns.RcodeFormatError},
		{"bytes that no text has", wireName("\x00\xff.\\", "mesos"), dns.RcodeNameError},
		{"a dot inside a label is no separator", wireName("web.marathon", "mesos"), dns.RcodeNameError},
		{"the root", []byte{0}, dns.RcodeRefused},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			for _, tcp := range []bool{false, true} {
				p := packet(77, tt.name, dns.TypeA)
				reply := byHot(s, p, tcp)
				if len(reply) == 0 {
					reply = bySlow(s, p, tcp)
				}
				if len(reply) < headerSize || reply[1] != 77 || reply[2]&bitQR == 0 || int(reply[3]&rcodeMask) != tt.rcode {
					t.Errorf("tcp %v: %x", tcp, reply)
				}
			}
		})
	}
}

// Resolvers write names in random capitals and take only an answer that repeats them (draft-vixie-dnsext-dns0x20).
func TestCapitalsAreRepeated(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, hostApp("/a/web", 2, 1), dualApp("/db")), false)
	addr := serve(t, s)
	for _, q := range []struct {
		name string
		typ  uint16
	}{
		{"wEB-a.MaRAthOn.mESos.", dns.TypeA}, {"_WEb-A._tCp.maRatHon.Mesos.", dns.TypeSRV}, {"nO.SUCH.mEsoS.", dns.TypeA},
		{"MESOS.", dns.TypeSOA}, {"LEADER.mesos.", dns.TypeMX}, {"Web-A.Marathon.Mesos.ThisDCOS.Directory.", dns.TypeA},
		{"1.0.0.9.IN-addr.ARPA.", dns.TypePTR}, {"LocalHost.", dns.TypeA},
	} {
		for _, network := range []string{"udp", "tcp"} {
			m := ask(t, addr, network, q.name, q.typ)
			if m.Question[0].Name != q.name {
				t.Errorf("%s by %s: question %s", q.name, network, m.Question[0].Name)
			}
			for _, rr := range m.Answer {
				if rr.Header().Name != q.name {
					t.Errorf("%s by %s: %s", q.name, network, rr)
				}
			}
			for _, rr := range m.Ns {
				if !strings.HasSuffix(q.name, rr.Header().Name) {
					t.Errorf("%s by %s: authority %s", q.name, network, rr)
				}
			}
			if len(m.Answer)+len(m.Ns) == 0 {
				t.Errorf("%s by %s: nothing: %v", q.name, network, m)
			}
		}
	}
}

// 5,000 tasks of one app do not fit into any message: each transport gives what it can carry, says that there is more, and has
// another selection next time.
func TestFiveThousandTasksOfOneApp(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	s.Set(testZone(t, hostApp("/big", 5000, 1)), false)
	addr := serve(t, s)
	for _, tt := range []struct {
		network, name string
		typ           uint16
		edns          uint16
		least, most   int
	}{
		{"udp", "big.marathon.mesos", dns.TypeA, 0, 29, 30},
		{"udp", "big.marathon.mesos", dns.TypeA, 600, 33, 34},
		{"udp", "big.marathon.mesos", dns.TypeA, 65535, 73, 75},
		{"tcp", "big.marathon.mesos", dns.TypeA, 0, 4092, 4095},
		{"udp", "_big._tcp.marathon.mesos", dns.TypeSRV, 0, 8, 10},
		{"udp", "_big._tcp.marathon.mesos", dns.TypeSRV, 1232, 20, 25},
		{"tcp", "_big._tcp.marathon.mesos", dns.TypeSRV, 0, 1200, 1400},
		{"udp", "big.marathon.mesos.thisdcos.directory", dns.TypeA, 1232, 70, 75},
		{"tcp", "_big._tcp.marathon.mesos.thisdcos.directory", dns.TypeSRV, 1232, 800, 1100},
		{"udp", "slave.mesos", dns.TypeA, 1232, 70, 75},
	} {
		first := map[string]bool{}
		for range 5 {
			m := ask(t, addr, tt.network, tt.name, tt.typ, func(m *dns.Msg) {
				if tt.edns > 0 {
					m.SetEdns0(tt.edns, false)
				}
			})
			if n := len(m.Answer); n < tt.least || n > tt.most || !m.Truncated {
				t.Errorf("%s %s by %s, %d bytes: %d records, truncated %v", tt.name, dns.TypeToString[tt.typ], tt.network, tt.edns, n, m.Truncated)
			}
			if opt := m.IsEdns0(); (opt != nil) != (tt.edns > 0) {
				t.Errorf("EDNS %v", opt)
			}
			seen := map[string]bool{}
			for _, rr := range m.Answer {
				if text := rr.String(); seen[text] {
					t.Fatalf("twice: %s", text)
				} else {
					seen[text] = true
				}
			}
			first[m.Answer[0].String()] = true
		}
		if len(first) == 1 {
			t.Errorf("%s by %s begins with the same record every time", tt.name, tt.network)
		}
	}
}

// Hundreds of clients that send nonsense, and do not read what they get, take nothing from one who asks.
func TestFloodFromManyPorts(t *testing.T) {
	f := fake(func(m *dns.Msg) (*dns.Msg, error) { return nil, ErrOff })
	s := newServer(t, testConfig(), f)
	s.Set(testZone(t, hostApp("/web", 1, 1)), false)
	addr := serve(t, s)
	stop := make(chan struct{})
	var sent atomic.Int64
	var group sync.WaitGroup
	defer group.Wait()
	defer close(stop)
	good, err := new(dns.Msg).SetQuestion("elsewhere.example.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	nonsense := [][]byte{
		{}, {1, 2, 3}, make([]byte, 12), bytes.Repeat([]byte{0xC0, 12}, 100), append(header(1), 0xC0, 12), good, packet(9, wireName("no", "mesos"), 1),
		append(bytes.Clone(good), make([]byte, 400)...),
	}
	for i := range 300 {
		c, err := net.Dial("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%75 != 0 {
			_, _ = c.Write(nonsense[i%len(nonsense)])
			continue
		}
		group.Go(func() { // four of them do not stop
			for n := range 10_000 {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = c.Write(nonsense[n%len(nonsense)]) // refused where a buffer is full
				sent.Add(1)
			}
		})
	}
	c := &dns.Client{Timeout: 200 * time.Millisecond}
	answered := 0
	waitFor(t, "20 answers during the flood", func() bool {
		m, _, err := c.Exchange(new(dns.Msg).SetQuestion("web.marathon.mesos.", dns.TypeA), addr)
		if err == nil && len(m.Answer) == 1 {
			answered++
		}
		return answered == 20
	})
	t.Logf("%d answered while %d packets of nonsense came", answered, sent.Load())
}

func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// closedByPeer reads until the other side has closed the connection.
func closedByPeer(c net.Conn) error {
	var b [4096]byte
	for {
		if _, err := c.Read(b[:]); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				return err
			}
			return nil
		}
	}
}

func TestSlowClientsByTCP(t *testing.T) {
	config := testConfig()
	config.IdleTimeout, config.WriteTimeout, config.PerClient = time.Second, 200*time.Millisecond, 8
	s := newServer(t, config, nil)
	s.Set(testZone(t, hostApp("/big", 3000, 1), hostApp("/web", 1, 1)), false)
	addr := serve(t, s)
	query, err := new(dns.Msg).SetQuestion("big.marathon.mesos.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	t.Run("who says nothing, or half a query, is let go", func(t *testing.T) {
		var group sync.WaitGroup
		for _, part := range [][]byte{nil, {0}, framed[:2], framed[:20]} {
			c := dialTCP(t, addr)
			if _, err := c.Write(part); err != nil {
				t.Fatal(err)
			}
			group.Go(func() {
				if err := closedByPeer(c); err != nil {
					t.Errorf("after %d bytes: %v", len(part), err)
				}
			})
		}
		group.Wait()
	})
	t.Run("who does not read is let go", func(t *testing.T) {
		c := dialTCP(t, addr)
		for range 2000 { // 100 MB of answers, more than the kernel keeps
			if _, err := c.Write(framed); err != nil {
				break
			}
		}
		waitFor(t, "the connection is given up", func() bool { return s.Stats().Connections == 0 })
	})
	t.Run("one client has so many connections, and others theirs", func(t *testing.T) {
		for range config.PerClient {
			dialTCP(t, addr)
		}
		waitFor(t, "they are taken", func() bool { return s.Stats().Connections == int64(config.PerClient) })
		if err := closedByPeer(dialTCP(t, addr)); err != nil {
			t.Errorf("one more: %v", err)
		}
		d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		m, _, err := (&dns.Client{Net: "tcp", Dialer: d}).Exchange(new(dns.Msg).SetQuestion("web.marathon.mesos.", dns.TypeA), addr)
		if err != nil || len(m.Answer) != 1 {
			t.Errorf("another client: %v %v", m, err)
		}
	})
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// A transfer is of one generation, whatever happens to the zone meanwhile.
func TestTransferWhileTheZoneChanges(t *testing.T) {
	s := newServer(t, testConfig(), nil)
	generations := make([]*zone.Zone, 20)
	b := builder(t)
	for i := range generations {
		a := hostApp("/web", 800, 1)
		for j := range a.Tasks {
			a.Tasks[j].Ports[0] = 20000 + i
		}
		generations[i] = b.Update([]*api.AppInfo{a}, uint32(100+i))
	}
	s.Set(generations[0], false)
	addr := serve(t, s)
	stop := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	defer close(stop)
	group.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				s.Set(generations[i%len(generations)], false)
			}
		}
	})
	for range 15 {
		rrs := transferred(t, addr, "mesos.")
		first, last := rrs[0].(*dns.SOA), rrs[len(rrs)-1].(*dns.SOA)
		if first.Serial != last.Serial {
			t.Fatalf("from serial %d to %d", first.Serial, last.Serial)
		}
		n := 0
		for _, rr := range rrs {
			if srv, ok := rr.(*dns.SRV); ok && strings.HasPrefix(srv.Hdr.Name, "_web.") {
				n++
				if want := uint16(20000 + first.Serial - 100); srv.Port != want {
					t.Fatalf("serial %d has port %d, want %d", first.Serial, srv.Port, want)
				}
			}
		}
		if n != 3*800 {
			t.Fatalf("%d ports", n)
		}
	}
}

func transferred(t *testing.T, addr, name string) (out []dns.RR) {
	t.Helper()
	tr := &dns.Transfer{DialTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	ch, err := tr.In(new(dns.Msg).SetAxfr(name), addr)
	if err != nil {
		t.Fatal(err)
	}
	for e := range ch {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		out = append(out, e.RR...)
	}
	if len(out) < 2 {
		t.Fatal("an empty transfer")
	}
	return out
}

// Clients that begin transfers and do not read them leave room for others only up to a number; then they are told to come
// back.
func TestSoManyTransfersAtATime(t *testing.T) {
	config := testConfig()
	config.Transfers = 2
	s := newServer(t, config, nil)
	s.Set(testZone(t, hostApp("/web", 20_000, 1)), false)
	addr := serve(t, s)
	query, err := new(dns.Msg).SetAxfr("mesos.").Pack()
	if err != nil {
		t.Fatal(err)
	}
	framed := append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	for i := range config.Transfers {
		c := dialTCP(t, addr)
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		if _, err := c.Write(framed); err != nil {
			t.Fatal(err)
		}
		waitFor(t, fmt.Sprint("transfer ", i, " begins"), func() bool { return s.Stats().Transfers == uint64(i+1) })
	}
	if m := ask(t, addr, "tcp", "mesos", dns.TypeAXFR); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("one more: %v", m.Rcode)
	}
	if m := ask(t, addr, "tcp", "web.marathon.mesos", dns.TypeA); len(m.Answer) == 0 {
		t.Error("transfers keep others from asking")
	}
}

func TestExpiredIsServerFailure(t *testing.T) {
	s := newServer(t, testConfig(), fake(echo))
	z := testZone(t, hostApp("/web", 1, 1))
	s.Set(z, true)
	s.Expire()
	addr := serve(t, s)
	for _, name := range []string{"web.marathon.mesos", "no.mesos", "mesos"} {
		m := ask(t, addr, "udp", name, dns.TypeA, withEDNS(1232))
		codes := extendedErrors(m)
		if m.Rcode != dns.RcodeServerFailure || len(codes) != 1 || !strings.Contains(codes[0].ExtraText, "too long") {
			t.Errorf("%s: %v", name, m)
		}
	}
	if m := ask(t, addr, "udp", "example.com", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("somebody else's name: %v", m)
	}
	s.Set(z, false)
	if m := ask(t, addr, "udp", "web.marathon.mesos", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("heard of again: %v", m)
	}
}
