package dnsdd

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"berth/cmd/internal/cli"
	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func app(id, host string) *api.AppInfo {
	return &api.AppInfo{
		App:   api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkHost}}, PortDefinitions: []api.PortDefinition{{Name: "http"}}},
		Tasks: []api.Task{{ID: "t-" + host, AppID: id, Host: host, SlaveID: "a-S1", State: api.TaskRunning, Ports: []int{31000}}},
	}
}

// start runs a daemon on loopback until the test ends.
func start(t *testing.T, change func(*Config), urls ...string) Bound {
	t.Helper()
	c := DefaultConfig()
	c.Marathon, c.Listen, c.HTTP, c.StateDir = urls, []string{"127.0.0.1:0"}, "127.0.0.1:0", t.TempDir()
	c.ResolvConf, c.LoopCheck = filepath.Join(t.TempDir(), "none"), false
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	bound, done := make(chan Bound, 1), make(chan error, 1)
	go func() { done <- Run(ctx, c, Options{Bound: func(b Bound) { bound <- b }}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !t.Failed() {
			t.Errorf("run: %v", err)
		}
	})
	select {
	case b := <-bound:
		return b
	case err := <-done:
		done <- err
		t.Fatal(err)
	case <-time.After(30 * time.Second):
		t.Fatal("does not bind")
	}
	return Bound{}
}

func ask(t *testing.T, b Bound, name string, typ uint16) *dns.Msg {
	t.Helper()
	m, err := dns.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), typ), b.DNS[0].String())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func await(t *testing.T, b Bound, name string, typ uint16) *dns.Msg {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		m := ask(t, b, name, typ)
		if len(m.Answer) > 0 {
			return m
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer for %s: %v", name, m)
		}
	}
}

func TestDaemon(t *testing.T) {
	src := clienttest.NewServer(t)
	src.SetApp(app("/test1", "10.0.0.1"))
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("10.5.5.5 db.internal db2.internal\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := start(t, func(c *Config) { c.HostsFile = hosts }, src.URL())
	await(t, b, "test1.marathon.mesos", dns.TypeA)
	if m := ask(t, b, "_http._test1._tcp.marathon.mesos", dns.TypeSRV); len(m.Answer) != 1 || len(m.Extra) != 1 {
		t.Errorf("SRV: %v", m)
	}
	if m := ask(t, b, "db2.internal", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("hosts file: %v", m)
	}
	if m := ask(t, b, "5.5.5.10.in-addr.arpa", dns.TypePTR); len(m.Answer) != 1 {
		t.Errorf("hosts file, reverse: %v", m)
	}
	if m := ask(t, b, "ns1.mesos", dns.TypeA); len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != "127.0.0.1" {
		t.Errorf("ns1: %v", m)
	}
	if m := ask(t, b, "master0.mesos", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("master0: %v", m)
	}
	if m := ask(t, b, "example.com", dns.TypeA); m.Rcode != dns.RcodeRefused {
		t.Errorf("no resolvers: %v", m)
	}
	src.SetApp(app("/late", "10.0.0.2"))
	await(t, b, "late.marathon.mesos", dns.TypeA)
	resp, err := http.Get("http://" + b.HTTP + "/v1/config")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(text), `"Domain":"mesos"`) {
		t.Errorf("config: %s %v", text, err)
	}
}

func TestAnotherCluster(t *testing.T) {
	src, other := clienttest.NewServer(t), clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	other.SetApp(app("/web", "10.0.0.2"))
	state := t.TempDir()
	b := start(t, func(c *Config) {
		c.StateDir, c.Also = state, []string{"Staging=" + strings.Replace(other.URL(), "http://", "http://u:secret@", 1)}
	}, src.URL())
	if m := await(t, b, "web.staging.mesos", dns.TypeA); m.Answer[0].(*dns.A).A.String() != "10.0.0.2" {
		t.Errorf("%v", m)
	}
	if m := await(t, b, "web.marathon.mesos", dns.TypeA); m.Answer[0].(*dns.A).A.String() != "10.0.0.1" {
		t.Errorf("%v", m)
	}
	defer http.DefaultClient.CloseIdleConnections()
	for path, want := range map[string]string{"/v1/config": `"Also":["Staging=http://127`, "/v1/enumerate": `"name":"staging"`} {
		resp, err := http.Get("http://" + b.HTTP + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(text), want) || strings.Contains(string(text), "secret") {
			t.Errorf("%s: %s %v", path, text, err)
		}
	}
}

func TestWithoutSource(t *testing.T) {
	b := start(t, nil, "http://127.0.0.1:1")
	if m := ask(t, b, "test1.marathon.mesos", dns.TypeA); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("ours: %v", m)
	}
	if m := ask(t, b, "localhost", dns.TypeA); len(m.Answer) != 1 {
		t.Errorf("special: %v", m)
	}
}

func run(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := Command()
	cmd.SetIn(strings.NewReader(stdin))
	code = cli.Run(cmd, args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestZoneCommand(t *testing.T) {
	doc, err := json.Marshal(map[string]any{"apps": []any{app("/a/web", "10.0.0.1"), map[string]any{"id": 3}}})
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := run(t, string(doc), "zone", "--apps", "-")
	if code != 0 || !strings.Contains(errs, "apps(1)") {
		t.Fatalf("exit %d: %s", code, errs)
	}
	p := dns.NewZoneParser(strings.NewReader(out), "", "")
	n := 0
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		n++
		if n == 1 && rr.Header().Rrtype != dns.TypeSOA {
			t.Errorf("begins with %s", rr)
		}
	}
	if p.Err() != nil || n < 15 {
		t.Errorf("%d records, %v:\n%s", n, p.Err(), out)
	}
	if _, again, _ := run(t, string(doc), "zone", "--apps", "-"); again != out {
		t.Error("the same apps printed otherwise")
	}
	if code, out, _ := run(t, string(doc), "zone", "--apps", "-", "--zone", "dcos.thisdcos.directory"); code != 0 ||
		!strings.Contains(out, "web-a.marathon.autoip.dcos.thisdcos.directory.\t5\tIN\tA\t10.0.0.1") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		rule string
		args []string
		want string
	}{
		{"apps are needed", []string{"zone"}, "--apps"},
		{"a name to listen on", []string{"--listen", "example:53"}, "address, not a name"},
		{"a resolver by name", []string{"--listen", "127.0.0.1:0", "--http", "", "--resolvers", "dns.example", "--state-dir", ""}, "resolver"},
		{"an unknown source", []string{"--ip-sources", "luck"}, "address source"},
		{"a network", []string{"--listen", "127.0.0.1:0", "--http", "", "--allow-query", "10/8", "--state-dir", ""}, "--allow-query"},
		{"expired before it is stale", []string{"--listen", "127.0.0.1:0", "--http", "", "--expire-after", "10s", "--state-dir", ""}, "--expire-after"},
		{"another cluster without URL", []string{"--listen", "127.0.0.1:0", "--http", "", "--also", "x", "--state-dir", ""}, "--also"},
		{"another cluster of the same name", []string{"--listen", "127.0.0.1:0", "--http", "", "--also", "marathon=http://h", "--state-dir", ""}, "two frameworks"},
		{"a secondary by name", []string{"--listen", "127.0.0.1:0", "--http", "", "--notify", "ns2", "--state-dir", ""}, "--notify"},
		{"a vip that is no URL", []string{"--listen", "127.0.0.1:0", "--http", "", "--vip", "127.0.0.1:8124", "--state-dir", ""}, "--vip"},
		{"no address at all", []string{"--listen", "", "--http", ""}, "at least one"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			code, _, errs := run(t, "", tt.args...)
			if code != cli.ExitUsage || !strings.Contains(errs, tt.want) {
				t.Errorf("exit %d: %s", code, errs)
			}
		})
	}
}

func TestMesosDNSConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	text := `{"zk":"zk://x","masters":["10.0.0.1:8080"],"refreshSeconds":30,"TTL":7,"Domain":"cluster","port":5353,"listener":"127.0.0.1",
		"resolvers":["192.0.2.1"],"zoneResolvers":{"corp.example":["192.0.2.2"]},"timeout":4,"httpport":8124,"externalon":true,
		"IPSources":["netinfo","mesos","host"],"EnumerationOn":false,"SetTruncateBit":false,"mesosAuthentication":"basic",
		"mesosCredentials":{"principal":"u","secret":"p:q"},"whatever":1,"answer-order":"rotate","email":{"x":1}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	cmd := Command()
	cmd.ResetFlags()
	AddFlags(cmd.Flags(), &c)
	t.Setenv("DNSD_TTL", "9")
	var errs bytes.Buffer
	cmd.SetErr(&errs)
	if err := cmd.ParseFlags([]string{"--http", "127.0.0.1:9"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.complete(cmd, file); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Masters, want.Resync, want.TTL, want.Domain = []string{"10.0.0.1:8080"}, 30*time.Second, 9, "cluster"
	want.Listen, want.HTTP, want.Resolvers = []string{"127.0.0.1:5353"}, "127.0.0.1:9", []string{"192.0.2.1"}
	want.ZoneResolvers, want.Timeout, want.IPSources = []string{"corp.example=192.0.2.2"}, 4*time.Second, []string{"netinfo", "mesos", "host"}
	want.Enumeration, want.TruncateBit, want.Credentials, want.Order = false, false, "u:p:q", "rotate"
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	for _, s := range []string{`\"whatever\"`, `\"zk\"`, `\"email\"`} {
		if !strings.Contains(errs.String(), s) {
			t.Errorf("no warning about %s in %s", s, errs.String())
		}
	}
}

func TestMesosDNSConfigErrors(t *testing.T) {
	for _, tt := range []struct{ rule, text, want string }{
		{"nothing on", `{"dnson":false,"httpon":false}`, "dnson"},
		{"a list of objects", `{"resolvers":[{}]}`, "resolvers"},
		{"no object", `[]`, "JSON object"},
		{"zones that are no object", `{"zoneResolvers":3}`, "zoneResolvers"},
		{"a number that is none", `{"ttl":"x"}`, "ttl"},
	} {
		file := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := run(t, "", "--config", file); code != cli.ExitUsage || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: exit %d: %s", tt.rule, code, errs)
		}
	}
}

func TestOwnAddresses(t *testing.T) {
	c := DefaultConfig()
	got, err := c.ownAddresses([]netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:53"), netip.MustParseAddrPort("10.0.0.1:5353")})
	if err != nil || len(got) != 1 || got[0].String() != "10.0.0.1" {
		t.Error(got, err)
	}
	for _, a := range reachable([]netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:53")}) {
		if a == netip.MustParseAddrPort("127.0.0.1:53") {
			return
		}
	}
	t.Error("loopback does not lead to a wildcard listener")
}

func TestNamesOfAgents(t *testing.T) {
	h := newHosts()
	defer h.close()
	var calls atomic.Int32
	var fail atomic.Bool
	var ip atomic.Value
	ip.Store("10.0.0.1")
	h.ask = func(context.Context, string) ([]netip.Addr, error) {
		calls.Add(1)
		if fail.Load() {
			return nil, io.EOF
		}
		return []netip.Addr{netip.MustParseAddr(ip.Load().(string))}, nil
	}
	if got := h.lookup("a"); len(got) != 1 {
		t.Error(got)
	}
	if got := h.lookup("a"); len(got) != 1 || calls.Load() != 1 {
		t.Error("asked again", got, calls.Load())
	}
	told := make(chan []string, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { h.run(ctx, func(hosts ...string) { told <- hosts }) })
	defer group.Wait()
	defer cancel()
	ip.Store("10.0.0.2")
	h.due(time.Now().Add(hostsGood + time.Second))
	select {
	case got := <-told:
		if !slices.Equal(got, []string{"a"}) {
			t.Error("told", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nobody is told that an agent moved")
	}
	if got := h.lookup("a"); len(got) != 1 || got[0].String() != "10.0.0.2" {
		t.Error("after the move", got)
	}
	fail.Store(true)
	n := calls.Load()
	h.due(time.Now().Add(hostsGood + time.Second))
	for deadline := time.Now().Add(10 * time.Second); calls.Load() == n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not asked again")
		}
	}
	if got := h.lookup("a"); len(got) != 1 {
		t.Error("an agent vanished with DNS", got)
	}
}

// Two ways in which the system's resolver file leads back here: directly, and by way of another server.
func TestResolverFileThatPointsHere(t *testing.T) {
	port := porttest.Free(t)
	relay, back := net.JoinHostPort("127.0.0.1", strconv.Itoa(porttest.Free(t))), net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	var relayed atomic.Int32
	pc, err := net.ListenPacket("udp", relay)
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		relayed.Add(1)
		in, err := dns.Exchange(m, back)
		if err != nil {
			in = new(dns.Msg).SetRcode(m, dns.RcodeServerFailure)
		}
		_ = w.WriteMsg(in)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ActivateAndServe()
	}()
	t.Cleanup(func() {
		_ = pc.Close()
		<-done
	})
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver "+back+"\nnameserver "+relay+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	b := start(t, func(c *Config) {
		c.Listen, c.ResolvConf, c.LoopCheck = []string{back}, file, true
	}, src.URL())
	await(t, b, "web.marathon.mesos", dns.TypeA)
	var status struct {
		Forward struct {
			Upstreams []struct {
				Addr  string
				Loops bool
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + b.HTTP + "/v2/status")
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(resp.Body).Decode(&status)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if ups := status.Forward.Upstreams; len(ups) == 1 && ups[0].Addr == relay && ups[0].Loops {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	n := relayed.Load()
	if m := ask(t, b, "a.example.com", dns.TypeA); m.Rcode != dns.RcodeServerFailure || relayed.Load() != n || n > 3 {
		t.Errorf("%v; the relay was asked %d times", m, relayed.Load())
	}
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("SKIPPED, NOT TESTED: this machine has no IPv6: %v", err)
	}
	l.Close()
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "fd00::1"))
	b := start(t, func(c *Config) {
		c.Listen = []string{net.JoinHostPort("::1", strconv.Itoa(porttest.Free(t)))}
	}, src.URL())
	if m := await(t, b, "web.marathon.mesos", dns.TypeAAAA); m.Answer[0].(*dns.AAAA).AAAA.String() != "fd00::1" {
		t.Errorf("%v", m)
	}
	if m := ask(t, b, "web.marathon.mesos", dns.TypeA); m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 || len(m.Ns) != 1 {
		t.Errorf("A: %v", m)
	}
	if m := ask(t, b, "ns1.mesos", dns.TypeAAAA); len(m.Answer) != 1 || m.Answer[0].(*dns.AAAA).AAAA.String() != "::1" {
		t.Errorf("ns1: %v", m)
	}
	const name = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"
	if m := ask(t, b, name, dns.TypePTR); len(m.Answer) != 1 || m.Answer[0].(*dns.PTR).Ptr != "fd00--1.agent.mesos." {
		t.Errorf("PTR: %v", m)
	}
}
