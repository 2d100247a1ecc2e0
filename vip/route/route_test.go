package route

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"berth/vip/nettest"
	"berth/vip/ruleset"
)

func TestMain(m *testing.M) { os.Exit(nettest.Main(m)) }

// device makes vip's device for the test.
func device(t *testing.T) int {
	t.Helper()
	nettest.Isolated(t)
	index, err := EnsureDevice(1400)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := RemoveDevice(); err != nil {
			t.Error(err)
		}
	})
	return index
}

func TestTheDeviceIsMadeOnceAndGoesNowhere(t *testing.T) {
	index := device(t)
	again, err := EnsureDevice(1300)
	if err != nil || again != index {
		t.Fatalf("made again: %d and %d, %v", index, again, err)
	}
	l, err := netlink.LinkByName(Device)
	if err != nil {
		t.Fatal(err)
	}
	a := l.Attrs()
	if a.MTU != 1300 || a.Flags&net.FlagUp == 0 || a.MasterIndex != 0 {
		t.Errorf("mtu %d, flags %s, master %d", a.MTU, a.Flags, a.MasterIndex)
	}
	if _, err := EnsureDevice(100); err != nil { // an uplink with less than IPv6 needs does not count
		t.Fatal(err)
	}
	if l, _ = netlink.LinkByName(Device); l.Attrs().MTU != 1300 {
		t.Errorf("mtu %d, want it left at 1300", l.Attrs().MTU)
	}
	if err := RemoveDevice(); err != nil {
		t.Fatal(err)
	}
	if err := RemoveDevice(); err != nil { // nothing to do
		t.Fatal(err)
	}
}

func TestADeviceOfAnotherPersonIsLeftAlone(t *testing.T) {
	nettest.Isolated(t)
	nettest.NS{}.Bridge(t, Device)
	for what, err := range map[string]error{"made": second(EnsureDevice(1400)), "removed": RemoveDevice()} {
		if err == nil || !strings.Contains(err.Error(), "is not vip's") {
			t.Errorf("%s: %v, want it refused", what, err)
		}
	}
	if _, err := netlink.LinkByName(Device); err != nil {
		t.Error(err)
	}
}

func second(_ int, err error) error { return err }

var (
	one   = netip.MustParsePrefix("198.51.100.1/32")
	two   = netip.MustParsePrefix("198.51.100.2/32")
	names = netip.MustParsePrefix("11.0.0.0/8")
	six   = netip.MustParsePrefix("fd99::1/128")
)

func TestRoutesComeAndGoAndAreFoundAgain(t *testing.T) {
	index := device(t)
	ns := nettest.NS{}
	ns.Addr(t, "lo", "192.0.2.1/32")
	source := netip.MustParseAddr("192.0.2.1")
	r := load(t, index, source)
	if err := r.Add([]netip.Prefix{one, two, names, six}); err != nil {
		t.Fatal(err)
	}
	if err := r.Add([]netip.Prefix{one, six}); err != nil { // they are there
		t.Fatal(err)
	}
	found := load(t, index, source)
	if d := cmp.Diff([]netip.Prefix{names, one, two, six}, found.Prefixes(), cmp.Comparer(equal)); d != "" {
		t.Fatal(d)
	}
	if d := cmp.Diff([]netip.Prefix{two, six}, found.Unwanted([]netip.Prefix{one, names}), cmp.Comparer(equal)); d != "" {
		t.Fatal(d)
	}
	if err := found.Drop([]netip.Prefix{two, six}); err != nil {
		t.Fatal(err)
	}
	if err := found.Drop([]netip.Prefix{two}); err != nil { // it is gone
		t.Fatal(err)
	}
	way, err := netlink.RouteGet(one.Addr().AsSlice())
	if err != nil || len(way) != 1 || way[0].LinkIndex != index || !way[0].Src.Equal(source.AsSlice()) {
		t.Fatalf("way to %s: %v, %v", one, way, err)
	}
	if _, err := netlink.RouteGet(two.Addr().AsSlice()); err == nil {
		t.Error("there is still a way to a VIP that is gone")
	}
	if err := RemoveAll(); err != nil {
		t.Fatal(err)
	}
	if left := load(t, index, source).Prefixes(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func equal(a, b netip.Prefix) bool { return a == b }

func load(t *testing.T, index int, source netip.Addr) *Routes {
	t.Helper()
	r, err := Load(index, source, netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARouteWithTheNodesFormerAddressIsMadeAnew(t *testing.T) {
	index := device(t)
	ns := nettest.NS{}
	ns.Addr(t, "lo", "192.0.2.1/32", "192.0.2.2/32")
	if err := load(t, index, netip.MustParseAddr("192.0.2.1")).Add([]netip.Prefix{one}); err != nil {
		t.Fatal(err)
	}
	r := load(t, index, netip.MustParseAddr("192.0.2.2"))
	if len(r.Prefixes()) != 0 {
		t.Fatalf("kept %v", r.Prefixes())
	}
	if err := r.Add([]netip.Prefix{one}); err != nil {
		t.Fatal(err)
	}
}

func TestARouteOfAnotherPersonStays(t *testing.T) {
	index := device(t)
	ns := nettest.NS{}
	ns.Bridge(t, "t-other")
	ns.Addr(t, "t-other", "203.0.113.1/24")
	ns.Route(t, one.String(), "203.0.113.2")
	r := load(t, index, netip.Addr{})
	if err := r.Add([]netip.Prefix{one, two}); err == nil || !strings.Contains(err.Error(), one.String()) {
		t.Fatalf("got %v, want %s named", err, one)
	}
	if d := cmp.Diff([]netip.Prefix{two}, r.Prefixes(), cmp.Comparer(equal)); d != "" {
		t.Fatal(d)
	}
	if err := RemoveAll(); err != nil {
		t.Fatal(err)
	}
	if way, err := netlink.RouteGet(one.Addr().AsSlice()); err != nil || !way[0].Gw.Equal(net.ParseIP("203.0.113.2")) {
		t.Errorf("the other's route: %v, %v", way, err)
	}
}

// bridge makes a bridge with a container behind each port.
func bridge(t *testing.T, ports ...string) {
	t.Helper()
	ns := nettest.NS{}
	ns.Bridge(t, "t-br")
	ns.Addr(t, "t-br", "10.11.1.1/24")
	for i, p := range ports {
		c := nettest.NewNS(t)
		nettest.Veth(t, ns, p, c, "eth0")
		ns.Enslave(t, p, "t-br")
		c.Addr(t, "eth0", containers[i].String()+"/24")
	}
}

var containers = []netip.Addr{netip.MustParseAddr("10.11.1.2"), netip.MustParseAddr("10.11.1.3")}

func TestTheHostIsSeenAsItIs(t *testing.T) {
	nettest.Isolated(t)
	ns, other := nettest.NS{}, nettest.NewNS(t)
	bridge(t, "t-c1")
	nettest.Veth(t, ns, "t-up", other, "t-up")
	ns.Addr(t, "t-up", "192.168.77.1/24", "fd77::1/64")
	if err := netlink.LinkSetMTU(must(netlink.LinkByName("t-up")), 1400); err != nil {
		t.Fatal(err)
	}
	ns.Route(t, "", "192.168.77.2")
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("# nameserver 9.9.9.9\nnameserver 192.168.77.53\nnameserver nonsense\nsearch x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Look(conf, conf+".missing")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"t-up"}, f.Uplinks); d != "" || f.MTU != 1400 {
		t.Errorf("uplinks %v, mtu %d", f.Uplinks, f.MTU)
	}
	if f.Source4.String() != "192.168.77.1" || f.Source6.String() != "fd77::1" {
		t.Errorf("sources %s and %s", f.Source4, f.Source6)
	}
	if len(f.Bridges) != 1 || f.Bridges[0].Name != "t-br" {
		t.Errorf("bridges %v", f.Bridges)
	}
	for addr, reason := range map[string]string{"192.168.77.1": "this node's own", "127.0.0.1": "this node's own", "fd77::1": "this node's own",
		"192.168.77.2": "a gateway of this node", "192.168.77.53": "a resolver of this node", "10.11.1.200": "the network of bridge t-br",
		"9.9.9.9": "", "1.1.1.1": ""} {
		if got := reasonFor(f, netip.MustParseAddr(addr)); got != reason {
			t.Errorf("%s is %q, want %q", addr, got, reason)
		}
	}
}

func reasonFor(f *Facts, a netip.Addr) string {
	for _, r := range f.Reserved {
		if r.Prefix.Contains(a) {
			return r.Reason
		}
	}
	return ""
}

func must(l netlink.Link, err error) netlink.Link {
	if err != nil {
		panic(err)
	}
	return l
}

func TestHairpinModeIsPlannedForThePortsOfBackendsOnly(t *testing.T) {
	nettest.Isolated(t)
	bridge(t, "t-c1", "t-c2")
	greet(t, containers[0])
	f, err := Look()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what     string
		filtered bool
		backends []netip.Addr
		want     Bridged
	}{
		{"frames pass no IP hooks: masquerade, no mode", false, containers[:1], Bridged{SameL2: []string{"t-br"}}},
		{"a port that has been heard of", true, containers[:1], Bridged{Ports: []string{"t-c1"}}},
		{"one that has not: all of the bridge", true, containers[1:], Bridged{Ports: []string{"t-c1", "t-c2"}}},
		{"no backend of this bridge", true, []netip.Addr{netip.MustParseAddr("10.99.0.1")}, Bridged{}},
	} {
		f.Bridges[0].Filtered4, f.Bridges[0].Filtered6 = c.filtered, c.filtered
		got, err := f.Plan(c.backends)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.what, d)
		}
	}
	if Hairpin("t-c1") {
		t.Error("hairpin mode is on from the start")
	}
	if err := SetHairpin("t-c1", true); err != nil || !Hairpin("t-c1") || Hairpin("t-c2") {
		t.Errorf("switched on: %v, %v and %v", err, Hairpin("t-c1"), Hairpin("t-c2"))
	}
	if err := SetHairpin("t-c1", false); err != nil || Hairpin("t-c1") {
		t.Errorf("switched off: %v, %v", err, Hairpin("t-c1"))
	}
	if err := SetHairpin("t-gone", true); err != nil || Hairpin("t-gone") {
		t.Errorf("a port that is gone: %v", err)
	}
}

// greet makes the bridge hear of a container: it answers who has its address, and that its port is closed.
func greet(t *testing.T, a netip.Addr) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(a, 9).String(), time.Second)
		if err == nil {
			c.Close()
		}
		if err == nil || strings.Contains(err.Error(), "refused") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", a, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestTrackedConnectionsAreCountedAndForgotten(t *testing.T) {
	nettest.Isolated(t)
	nettest.Need(t, "nft")
	// Without a rule that needs it the kernel tracks nothing. The address stands for a VIP, lo for the task.
	nft(t, "add table ip t_track")
	t.Cleanup(func() { nft(t, "delete table ip t_track") })
	nft(t, "add chain ip t_track out { type nat hook output priority -100; }")
	nft(t, "add rule ip t_track out ip daddr 198.51.100.1 dnat to 127.0.0.1")
	index := device(t)
	nettest.NS{}.Addr(t, "lo", "192.0.2.1/32")
	if err := load(t, index, netip.MustParseAddr("192.0.2.1")).Add([]netip.Prefix{one}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	task := netip.MustParseAddrPort(l.Addr().String())
	vip := netip.AddrPortFrom(one.Addr(), task.Port())
	client, err := net.Dial("tcp", vip.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	busy := func() map[netip.Addr]int {
		n, err := Busy(one.Contains)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if got := busy()[one.Addr()]; got != 1 {
		t.Fatalf("%d connections to the VIP, want 1", got)
	}
	key := ruleset.Key{Addr: vip.Addr(), Proto: ruleset.TCP, Port: vip.Port()}
	forget := func(what string, match Match, want int) {
		t.Helper()
		if n, err := Forget(match, true, true); err != nil || n != want {
			t.Errorf("%s: %d forgotten, %v; want %d", what, n, err, want)
		}
	}
	forget("another VIP", func(k ruleset.Key, _ netip.AddrPort) bool { return k.Addr == two.Addr() }, 0)
	forget("another task", func(k ruleset.Key, by netip.AddrPort) bool { return k == key && by.Port() != task.Port() }, 0)
	if n, err := Forget(func(ruleset.Key, netip.AddrPort) bool { return true }, false, true); err != nil || n != 0 {
		t.Errorf("only IPv6: %d forgotten, %v", n, err)
	}
	forget("the VIP's task", func(k ruleset.Key, by netip.AddrPort) bool { return k == key && by == task }, 1)
	if got := busy(); len(got) != 0 {
		t.Errorf("still %v", got)
	}
}

func nft(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("nft", command).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v\n%s", command, err, out)
	}
}

func TestAChangeOfInterfacesIsHeard(t *testing.T) {
	nettest.Isolated(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard, done := make(chan bool, 1000), make(chan error, 1)
	go func() { done <- Changes(ctx, func() { heard <- true }) }()
	ns := nettest.NS{}
	ns.Bridge(t, "t-new")
	timeout := time.After(10 * time.Second)
	for i := 2; ; i++ { // until it listens
		select {
		case <-heard:
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			return
		case err := <-done:
			t.Fatal(err)
		case <-timeout:
			t.Fatal("never heard")
		case <-time.After(10 * time.Millisecond):
			ns.Addr(t, "t-new", netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}).String()+"/32")
		}
	}
}

func TestLinksNameTheRoles(t *testing.T) {
	f := &Facts{}
	got := f.Links(Bridged{SameL2: []string{"br0"}, Ports: []string{"unused"}}, []string{"veth1"}, []string{"eth0"})
	slices.SortFunc(got, ruleset.Link.Compare)
	want := []ruleset.Link{{Role: ruleset.HairpinPort, Name: "veth1"}, {Role: ruleset.SameL2, Name: "br0"}, {Role: ruleset.Uplink, Name: "eth0"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
