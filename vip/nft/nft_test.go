package nft

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/vip/nettest"
	"berth/vip/ruleset"
)

func TestMain(m *testing.M) { os.Exit(nettest.Main(m)) }

func open(t testing.TB) *Conn {
	t.Helper()
	nettest.Isolated(t)
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Remove(); err != nil {
			t.Error(err)
		}
		c.Close()
	})
	return c
}

func sample() *ruleset.Ruleset {
	slots := func(s ...string) (list []netip.AddrPort) {
		for _, a := range s {
			list = append(list, netip.MustParseAddrPort(a))
		}
		return list
	}
	key := func(a string, p ruleset.Proto, port uint16) ruleset.Key {
		return ruleset.Key{Addr: netip.MustParseAddr(a), Proto: p, Port: port}
	}
	return &ruleset.Ruleset{
		Services: []*ruleset.Service{
			{Key: key("198.51.100.1", ruleset.TCP, 80), Slots: slots("10.11.1.2:8080", "10.11.1.3:8080")},
			{Key: key("198.51.100.1", ruleset.UDP, 53)},
			{Key: key("fd07::1", ruleset.TCP, 80), Slots: slots("[fd08::2]:8080")},
		},
		VIPs:    []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("fd07::1")},
		Ranges:  []netip.Prefix{ruleset.DefaultRange4, ruleset.DefaultRange6},
		Hairpin: []netip.Addr{netip.MustParseAddr("10.11.1.2"), netip.MustParseAddr("fd08::2")},
		Links: []ruleset.Link{{Role: ruleset.HairpinPort, Name: "veth12"}, {Role: ruleset.SameL2, Name: "br0"},
			{Role: ruleset.Uplink, Name: "eth0"}},
	}
}

func TestTheKernelCanDoWhatIsNeeded(t *testing.T) {
	c := open(t)
	if err := c.Probe(); err != nil {
		t.Fatal(err)
	}
	if r, odd, err := c.Read(); r != nil || odd != nil || err != nil {
		t.Fatalf("the probe left something: %v %v %v", r, odd, err)
	}
}

func TestWhatIsAppliedIsReadBack(t *testing.T) {
	c := open(t)
	want := sample()
	if err := c.Apply(ruleset.Diff(nil, want)); err != nil {
		t.Fatal(err)
	}
	got, odd, err := c.Read()
	if err != nil || odd != nil {
		t.Fatal(odd, err)
	}
	if d := cmp.Diff(want.String(), got.String()); d != "" {
		t.Fatal(d)
	}
}

// The text that "vip rules" prints and what goes through netlink are the same to the kernel.
func TestTextAndNetlinkMakeTheSameTable(t *testing.T) {
	nettest.Need(t, "nft")
	c := open(t)
	for _, all := range []bool{false, true} {
		want := sample()
		want.Layout.MasqueradeAll = all
		if err := c.Apply(ruleset.Diff(nil, want)); err != nil {
			t.Fatal(err)
		}
		netlink := list(t)
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(want.String())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nft -f: %v\n%s", err, out)
		}
		got, odd, err := c.Read()
		if err != nil || odd != nil || !got.Equal(want) {
			t.Fatalf("the table made of text is not read as what it is: %v %v", odd, err)
		}
		if d := cmp.Diff(netlink, list(t)); d != "" {
			t.Fatal(d)
		}
	}
}

// list is the table as the nft command shows it, without what the two ways declare differently but mean the same: the
// notation of the slot, a plain number or a mark.
func list(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "-s", "list", "table", "inet", ruleset.Table).CombinedOutput()
	if err != nil {
		t.Fatalf("nft list: %v\n%s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "numgen random mod 65536") && !strings.Contains(line, ". mark :") {
			lines = append(lines, strings.ReplaceAll(line, "0x0000000", ""))
		}
	}
	return strings.Join(lines, "")
}

// Any state leads to any other by its difference, in the kernel as in the model.
func TestTheKernelAgreesWithTheModel(t *testing.T) {
	c := open(t)
	have := sample()
	if err := c.Apply(ruleset.Diff(nil, have)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := ruleset.Settle(have, anyRuleset(t))
		if err := c.Apply(ruleset.Diff(have, want)); err != nil {
			t.Fatal(err)
		}
		got, odd, err := c.Read()
		if err != nil || odd != nil || !got.Equal(want) {
			t.Fatalf("%v %v: got\n%s\nwant\n%s", odd, err, got, want)
		}
		have = want
	})
}

func anyRuleset(t *rapid.T) *ruleset.Ruleset {
	r := sample()
	r.Services = nil
	for i := range 6 {
		if !rapid.Bool().Draw(t, "service") {
			continue
		}
		s := &ruleset.Service{Key: ruleset.Key{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)}), Proto: ruleset.TCP, Port: 80}}
		for range rapid.OneOf(rapid.IntRange(0, 4), rapid.IntRange(17, 18)).Draw(t, "slots") {
			a := netip.AddrFrom4([4]byte{10, 11, 1, byte(rapid.IntRange(2, 6).Draw(t, "backend"))})
			s.Slots = append(s.Slots, netip.AddrPortFrom(a, 80))
		}
		r.Services = append(r.Services, s)
	}
	return r
}

func TestARefusedBatchChangesNothing(t *testing.T) {
	c := open(t)
	want := sample()
	if err := c.Apply(ruleset.Diff(nil, want)); err != nil {
		t.Fatal(err)
	}
	var b ruleset.Batch
	b.Add.VIPs = []netip.Addr{netip.MustParseAddr("198.51.100.9")}
	b.Del.VIPs = []netip.Addr{netip.MustParseAddr("198.51.100.77")}
	if err := c.Apply(&b); err == nil {
		t.Fatal("deleting what is not there was accepted")
	}
	if got, odd, err := c.Read(); err != nil || odd != nil || !got.Equal(want) {
		t.Fatalf("%v %v: got\n%s", odd, err, got)
	}
}

func TestATableThatSomebodyChangedIsNotTakenForOurs(t *testing.T) {
	nettest.Need(t, "nft")
	for _, change := range []string{
		"flush chain inet berth_vip guard", "add chain inet berth_vip strange", "flush chain inet berth_vip pick4_2", "flush chain inet berth_vip refused",
		"flush map inet berth_vip backends4",
		"add rule inet berth_vip nat-output accept",
	} {
		t.Run(change, func(t *testing.T) {
			c := open(t)
			if err := c.Apply(ruleset.Diff(nil, sample())); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("nft", change).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			r, odd, err := c.Read()
			if err != nil || r != nil || len(odd) == 0 {
				t.Fatalf("got %v, %v, %v", r, odd, err)
			}
		})
	}
}

// Many elements arrive, all of them: messages are limited to 64 KiB, and the library drops what goes beyond.
func TestLargeBatchesAreComplete(t *testing.T) {
	c := open(t)
	for _, n := range []int{1, 499, 500, 501, 2000, 5000} {
		want := large(n, 3)
		if err := c.Apply(ruleset.Diff(nil, want)); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		if got, odd, err := c.Read(); err != nil || odd != nil || !got.Equal(want) {
			t.Fatalf("%d services are not read back: %v %v", n, odd, err)
		}
	}
}

func large(n, backends int) *ruleset.Ruleset {
	r := &ruleset.Ruleset{Ranges: []netip.Prefix{ruleset.DefaultRange4, ruleset.DefaultRange6}}
	for i := range n {
		s := &ruleset.Service{Key: ruleset.Key{Addr: netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)}),
			Proto: ruleset.TCP, Port: 80}}
		for j := range backends {
			s.Slots = append(s.Slots, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(j), byte(i >> 8), byte(i)}), 8080))
		}
		r.Services = append(r.Services, s)
	}
	return r
}

// BenchmarkLoad measures a load from empty, and the reading back of it. On a busy machine the time of the processor, ours
// and the kernel's for us, tells more than that of the clock.
func BenchmarkLoad(b *testing.B) {
	c := open(b)
	for _, n := range []int{1000, 10000, 44000} {
		want := large(n, 3)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				if err := c.Remove(); err != nil {
					b.Fatal(err)
				}
				time.Sleep(time.Second) // the kernel frees the old table in the background
				b.StartTimer()
				before := processorTime(b)
				if err := c.Apply(ruleset.Diff(nil, want)); err != nil {
					b.Fatal(err)
				}
				cpu += processorTime(b) - before
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
		})
		b.Run(fmt.Sprint(n)+"/read", func(b *testing.B) {
			before := processorTime(b)
			for b.Loop() {
				if got, odd, err := c.Read(); err != nil || odd != nil || len(got.Services) != n {
					b.Fatal(odd, err)
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// processorTime is what this process has used, in user and kernel mode.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// One service more: own is the time for the difference, the rest is the kernel's.
func BenchmarkOneMore(b *testing.B) {
	for _, n := range []int{10, 30000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := open(b)
			have, more := large(n, 3), large(n+1, 3)
			more.Services = append(have.Services[:n:n], more.Services[n])
			if err := c.Apply(ruleset.Diff(nil, have)); err != nil {
				b.Fatal(err)
			}
			var own time.Duration
			for b.Loop() {
				start := time.Now()
				batch := ruleset.Diff(have, ruleset.Settle(have, more))
				own += time.Since(start)
				if err := c.Apply(batch); err != nil {
					b.Fatal(err)
				}
				have, more = more, have
			}
			b.ReportMetric(float64(own.Microseconds())/float64(b.N), "own-µs/op")
		})
	}
}
