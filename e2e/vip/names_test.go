//go:build e2e

package vip

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/dnsd"
	"berth/dnsd/server"
	"berth/dnsd/zone"
	"berth/orchestrator/client"
)

// nameServer runs dnsd on node1 beside vip, and returns its address.
func nameServer(t *testing.T, w *world, vip, state string) string {
	t.Helper()
	o, err := zone.DefaultOptions().Validate()
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Options{URLs: []string{w.source.URL()}, Subscriber: "dnsd-e2e", Role: "dnsd"})
	if err != nil {
		t.Fatal(err)
	}
	b := zone.NewBuilder(o)
	s, err := server.New(server.DefaultConfig(), b.Update(nil, 1), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := server.Listen(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	d := dnsd.New(dnsd.Options{Source: c, Server: s, Builder: b})
	done := make(chan struct{}, 3)
	for _, run := range []func(){
		func() { _ = s.Run(ctx, l) }, func() { _ = d.Run(ctx) },
		func() {
			d.FollowVIPs(ctx, dnsd.VIPOptions{URL: vip, File: filepath.Join(state, "vips.json"), Boot: "this"})
		},
	} {
		go func() {
			run()
			done <- struct{}{}
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range 3 {
			<-done
		}
		c.Close()
	})
	return l.Addr().String()
}

// resolved waits until a name has addresses, or has none, and returns them.
func resolved(t *testing.T, addr, name string, some bool) (out []string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out = nil
		m, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), addr)
		if err == nil {
			for _, rr := range m.Answer {
				out = append(out, rr.(*dns.A).A.String())
			}
			if (len(out) > 0) == some && m.Rcode != dns.RcodeServerFailure {
				return out
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v, %v; want an address: %v", name, m, err, some)
		}
	}
}

// The blog's test4: a name leads to the VIP that vip has in force, as long as it is; and on while vip itself is away, as its rules
// stay too.
func TestNameOfAVIP(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	state := t.TempDir()
	addr := nameServer(t, w, d.http, state)
	w.set(t, d, app("/test4", "tcp", []string{"/test4:80"}, "c1", "d1"), app("/other", "tcp", []string{web}, "c2"))
	const name = "test4.marathon.l4lb.thisdcos.directory."
	got := resolved(t, addr, name, true)
	if len(got) != 1 {
		t.Fatalf("%v", got)
	}
	reach(t, w.node1, "tcp", got[0]+":80", "c1", "d1")

	if a := d.address(t, strings.TrimSuffix(name, ".")); a != got[0] {
		t.Errorf("vip says %s, dnsd %s", a, got[0])
	}
	w.source.RemoveApp("/test4")
	d.settled(t)
	resolved(t, addr, name, false)
	w.set(t, d, app("/test4", "tcp", []string{"/test4:80"}, "c1"))
	if again := resolved(t, addr, name, true); again[0] != got[0] {
		t.Errorf("%v when it is back, %v before", again, got)
	}
	eventually(t, "the name is on disk", func() error {
		text, err := os.ReadFile(filepath.Join(state, "vips.json"))
		if err == nil && !strings.Contains(string(text), got[0]) {
			err = fmt.Errorf("%s", text)
		}
		return err
	})
	d.kill()
	after := nameServer(t, w, d.http, state) // and the name server is new as well
	if again := resolved(t, after, name, true); again[0] != got[0] {
		t.Errorf("%v while vip is away, %v before", again, got)
	}
	reach(t, w.node1, "tcp", got[0]+":80", "c1")
}
