package vipns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
	"berth/vip/nettest"
)

// TestMain is also the inside, which Start runs as this program again, and the client there.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[1] == "vip":
		root := &cobra.Command{Use: "berth"}
		vip := &cobra.Command{Use: "vip"}
		vip.AddCommand(IsolatedCommand("BERTH"))
		root.AddCommand(vip)
		cli.Main(root)
	case len(os.Args) > 2 && os.Args[1] == "dial":
		fmt.Println(greeting(os.Args[2]))
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // each question from inside is a process of its own
	os.Exit(nettest.Main(m))
}

// greeting connects, sends a line, closes its direction, and returns what comes until the other end does too.
func greeting(addr string) string {
	c, err := net.DialTimeout("tcp", addr, 3*time.Second)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	fmt.Fprintln(c, "hello")
	_ = c.(*net.TCPConn).CloseWrite()
	data, err := io.ReadAll(c)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// serve is a task: it answers with its name and everything it got, once that has ended.
func serve(t *testing.T, name string) int {
	t.Helper()
	port := porttest.Free(t)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- accept(context.Background(), l, func(_ context.Context, c net.Conn) error {
			got, err := io.ReadAll(c)
			if err == nil {
				_, err = fmt.Fprintf(c, "%s got %s", name, got)
			}
			return err
		})
	}()
	t.Cleanup(func() {
		l.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return port
}

func app(id, vip string, port int) *api.AppInfo {
	return &api.AppInfo{App: api.App{ID: id, Networks: []api.Network{{Mode: api.NetworkHost}},
		PortDefinitions: []api.PortDefinition{{Protocol: "tcp", Labels: map[string]string{"VIP_0": vip}}}},
		Tasks: []api.Task{{ID: id[1:] + ".1", AppID: id, Host: "127.0.0.1", State: api.TaskRunning, Ports: []int{port}}}}
}

// start runs the inside for an orchestrator's apps.
func start(t *testing.T, source *clienttest.Server) *Child {
	t.Helper()
	child, err := Start(source.URL(), filepath.Join(t.TempDir(), "vip"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		said, err := os.ReadFile(child.log)
		if err := errors.Join(err, child.Stop()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("inside: %s", said)
		}
	})
	if err := child.Await(t.Context(), 20*time.Second); err != nil {
		t.Fatal(err)
	}
	return child
}

// inside dials in the namespace, until the answer holds a text: a change is on its way for a moment.
func inside(t *testing.T, c *Child, addr, want string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := Enter(c.PID(), []string{self, "dial", addr})
	var out []byte
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if out, err = exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		if strings.Contains(string(out), want) {
			return
		}
	}
	t.Fatalf("%s: got %q, want %q", addr, out, want)
}

func TestVIPsWorkInsideAndNowhereElse(t *testing.T) {
	nettest.Isolated(t)
	nettest.Need(t, "nsenter")
	source := clienttest.NewServer(t)
	web, other := serve(t, "web"), serve(t, "other")
	source.SetApps(app("/web", "1.1.1.1:80", web), app("/named", "/named:80", other))
	child := start(t, source)

	inside(t, child, "1.1.1.1:80", "web got hello\n")
	inside(t, child, "named.marathon.l4lb.thisdcos.directory:80", "other got hello\n")
	inside(t, child, "1.1.1.1:81", "connection refused")
	inside(t, child, "192.0.2.77:80", "network is unreachable")
	if got := greeting("1.1.1.1:80"); !strings.Contains(got, "unreachable") { // this is a namespace without a way out, too
		t.Errorf("outside: %q, want it unreachable", got)
	}

	source.SetApp(app("/web", "1.1.1.1:80", other))
	inside(t, child, "1.1.1.1:80", "other got hello\n")
	source.RemoveApp("/web")
	inside(t, child, "1.1.1.1:80", "network is unreachable")
	inside(t, child, fmt.Sprintf("127.0.0.1:%d", web), "connection refused") // no longer carried
}

func TestTheStatusIsServedOutside(t *testing.T) {
	nettest.Isolated(t)
	source := clienttest.NewServer(t)
	source.SetApps(app("/web", "1.1.1.1:80", serve(t, "web")))
	child := start(t, source)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- child.ServeStatus(ctx, l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "GET /v1/vips HTTP/1.0\r\n\r\n")
	if answer, err := io.ReadAll(c); err != nil || !strings.Contains(string(answer), `"vip":"1.1.1.1:80"`) {
		t.Errorf("got %q, %v", answer, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTheInsideEndsWithItsParent(t *testing.T) {
	nettest.Isolated(t)
	child := start(t, clienttest.NewServer(t))
	child.stdin.Close() // as when this process dies
	select {
	case <-child.Done():
	case <-time.After(15 * time.Second):
		t.Fatal("it goes on")
	}
	if err := child.Ended(); !strings.Contains(err.Error(), "ended by itself") {
		t.Error(err)
	}
}

func TestAnInsideThatCannotStartSaysWhy(t *testing.T) {
	nettest.Isolated(t)
	child, err := Start("https://localhost", filepath.Join(t.TempDir(), strings.Repeat("long", 40)), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer child.Stop()
	if err := child.Await(t.Context(), 20*time.Second); err == nil || !strings.Contains(err.Error(), "--marathon") {
		t.Errorf("got %v, want the flag named", err)
	}
}

func TestANamespaceWithAWayOutIsRefused(t *testing.T) {
	nettest.Isolated(t)
	nettest.NS{}.Bridge(t, "t-out")
	if err := prepare(); !errors.Is(err, ErrWayOut) || !strings.Contains(err.Error(), "t-out") {
		t.Errorf("got %v, want the interface named", err)
	}
}

func TestTheGateRefusesWhatIsNoAddress(t *testing.T) {
	g := newGate(t)
	for _, line := range []string{"localhost:80\n", "\n", "127.0.0.1\n", strings.Repeat("1", 1000), "127.0.0.1:1"} {
		c, err := net.Dial("unix", g)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, line)
		_ = c.(*net.UnixConn).CloseWrite()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		got, _ := io.ReadAll(c)
		if len(got) > 0 {
			t.Errorf("%.20q: answered %q", line, got)
		}
		c.Close()
	}
	closed := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(porttest.Free(t)))
	if _, err := through(t.Context(), g, closed); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want it refused", err)
	}
}

func TestOneDirectionMayEndBeforeTheOther(t *testing.T) {
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(serve(t, "web")))
	c, err := through(t.Context(), newGate(t), at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintln(c, "hello")
	_ = c.(*net.UnixConn).CloseWrite()
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "web got hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

func newGate(t *testing.T) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "vipns-") // t.TempDir's name can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket = filepath.Join(dir, "gate.sock")
	l, err := listenUnix(socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(socket); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("a second gate: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&Gate{}).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return socket
}

func TestOnlySoManyAddressesAreCarriedAndTheRestIsTold(t *testing.T) {
	nettest.Isolated(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := newCarrier(ctx, "nobody", slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		cancel()
		c.wait()
	})
	first := netip.MustParseAddrPort("127.0.0.1:1024")
	if err := c.carry([]netip.AddrPort{first}); err != nil {
		t.Fatal(err)
	}
	list := []netip.AddrPort{first}
	for i := range maxPorts {
		list = append(list, netip.AddrPortFrom(first.Addr(), uint16(2000+i)))
	}
	if err := c.carry(list); err == nil || !strings.Contains(err.Error(), "expected at most 512 addresses") {
		t.Errorf("got %v, want the limit named", err)
	}
	if c.open[first] == nil || len(c.open) != maxPorts {
		t.Errorf("%d are carried, the first among them: %v", len(c.open), c.open[first] != nil)
	}
	if err := c.carry(nil); err != nil || len(c.open) != 0 {
		t.Errorf("%d left, %v", len(c.open), err)
	}
}
