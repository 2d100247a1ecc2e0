//go:build e2e

package vip

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/vip/nettest"
)

// held is an open connection.
type held struct {
	net.Conn
	r    *bufio.Reader
	name string
}

func hold(t testing.TB, ns nettest.NS, addr string) *held {
	t.Helper()
	c, err := dial(ns, "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	h := &held{Conn: c, r: bufio.NewReader(c)}
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	line, err := h.r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	h.name, _, _ = strings.Cut(line, " ")
	return h
}

// alive sends a line through and back.
func (h *held) alive(t testing.TB, when string) {
	t.Helper()
	_ = h.SetDeadline(time.Now().Add(3 * time.Second))
	if _, err := fmt.Fprintf(h, "%s\n", when); err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if line, err := h.r.ReadString('\n'); err != nil || strings.TrimSpace(line) != when {
		t.Fatalf("%s: %q, %v", when, line, err)
	}
}

const web = "198.51.100.1:80"

func TestOpenConnectionsOutliveEveryChange(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{web}, "c1"))
	open := []*held{hold(t, w.node1, web), hold(t, w.node1, web), hold(t, w.c1, web), hold(t, w.c2, web)}
	all := func(when string) {
		t.Helper()
		for _, h := range open {
			h.alive(t, when)
		}
	}
	all("at first")
	draining := app("/web", "tcp", []string{web}, "c1", "c2")
	draining.Tasks[0].State = api.TaskKilling
	w.set(t, d, draining)
	all("while its task is draining")
	for range 20 {
		reach(t, w.node1, "tcp", web, "c2")
	}
	w.set(t, d, app("/web", "tcp", []string{web}, "c2"))
	all("its task is gone from the app")
	w.source.RemoveApp("/web")
	d.settled(t)
	all("the VIP is gone")
	refusedOrUnrouted(t, w.node1)
	w.set(t, d, app("/web", "tcp", []string{web}, "c1"))
	all("the VIP is back")
	d.kill()
	all("vip is dead")
	reach(t, w.node1, "tcp", web, "c1")
	reach(t, w.c1, "tcp", web, "c1")
	d = w.start(t)
	all("vip is back")
	if strings.Contains(d.out.String(), "anew=true") {
		t.Error("the restarted daemon made the table anew instead of adopting it")
	}
	for i := range 10 {
		run(t, "nft", "add", "chain", "inet", "berth_vip", "t_strange")
		eventually(t, "repair", func() error { return gone("t_strange") })
		all(fmt.Sprintf("table replaced %d times", i+1))
	}
	run(t, "nft", "flush", "ruleset")
	eventually(t, "repair", func() error {
		_, _, err := ask(w.node1, "tcp", web)
		return err
	})
	eventually(t, "repair counted", func() error {
		body, err := d.get("/metrics")
		if err == nil && strings.Contains(body, "vip_repairs_total 0\n") {
			err = errors.New("no repair")
		}
		return err
	})
}

func gone(chain string) error {
	out, err := exec.Command("nft", "list", "table", "inet", "berth_vip").CombinedOutput()
	if err == nil && strings.Contains(string(out), chain) {
		err = errors.New("still there")
	}
	return err
}

func refusedOrUnrouted(t testing.TB, ns nettest.NS) {
	t.Helper()
	if c, err := dial(ns, "tcp", web); err == nil {
		c.Close()
		t.Fatal("connected; want nothing there")
	}
}

func run2(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := run2(name, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// With the rules flushed and the daemon dead, a packet to a VIP dies on this node.
func TestFailsClosedWhenSomebodyFlushesTheRules(t *testing.T) {
	w := newWorld(t)
	w.node1.Route(t, "", "192.168.77.2") // a way to strangers, here the other node
	var stranger net.Listener
	w.node2.Addr(t, "lo", "198.51.100.1/32", "11.0.0.9/32")
	w.node2.Must(t, func() (err error) {
		stranger, err = net.Listen("tcp", "198.51.100.1:80")
		return err
	})
	defer stranger.Close()
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{web}, "c1"))
	d.kill()
	run(t, "nft", "flush", "ruleset")
	for _, ns := range []nettest.NS{w.node1, w.c1} {
		refusedOrUnrouted(t, ns)
	}
}

func TestUDPLeavesABackendThatIsGone(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/dns", "udp", []string{"198.51.100.1:53"}, "c1"), app("/other", "udp", []string{"198.51.100.2:53"}, "c1"))
	for name, ns := range map[string]nettest.NS{"host": w.node1, "container": w.c2} {
		t.Run(name, func(t *testing.T) {
			w.set(t, d, app("/dns", "udp", []string{"198.51.100.1:53"}, "c1"))
			c, err := dial(ns, "udp", "198.51.100.1:53")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			answers(t, c, "c1")
			w.set(t, d, app("/dns", "udp", []string{"198.51.100.1:53"}, "d1"))
			answers(t, c, "d1")
		})
	}
}

// answers sends until the server named answers; a packet on its way during a change may be lost or late.
func answers(t testing.TB, c net.Conn, name string) {
	t.Helper()
	eventually(t, name+" answers", func() error {
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		if err == nil && strings.TrimSpace(string(buf[:n])) != name {
			err = fmt.Errorf("%q answers", buf[:n])
		}
		return err
	})
}

func TestAUDPSenderThatWasThereFirstIsTranslated(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/dns", "udp", []string{"198.51.100.1:53"}))
	c, err := dial(w.c2, "udp", "198.51.100.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 5 {
		_, _ = c.Write([]byte("x"))
	}
	w.set(t, d, app("/dns", "udp", []string{"198.51.100.1:53"}, "c1"))
	answers(t, c, "c1")
}

func TestConnectionsToALostNodeEnd(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{web}, "d1"))
	h := hold(t, w.node1, web)
	lost := app("/web", "tcp", []string{web}, "d1", "c1")
	lost.Tasks[0].State = api.TaskUnreachable
	w.set(t, d, lost)
	reach(t, w.node1, "tcp", web, "c1")
	_ = h.SetDeadline(time.Now().Add(3 * time.Second))
	_, _ = h.Write([]byte("anybody?\n"))
	var late net.Error
	if _, err := h.r.ReadString('\n'); err == nil || errors.As(err, &late) && late.Timeout() {
		t.Fatalf("got %v; want the connection reset", err)
	}
}

// 200 changes of membership while clients connect without a pause: nobody notices.
func TestNoConnectionFailsWhileMembersChange(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{web}, "c1", "c2", "d1"))
	ctx, cancel := context.WithCancel(t.Context())
	var ok, failed atomic.Int64
	var first atomic.Value
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			ns := []nettest.NS{w.node1, w.c1}[i%2]
			_ = ns.Do(func() error {
				for ctx.Err() == nil && ok.Load() < 40000 {
					if err := once(); err != nil {
						failed.Add(1)
						first.CompareAndSwap(nil, fmt.Sprint(time.Now().UTC().Format("15:04:05.000000"), " ", i%2, " ", err))
						continue
					}
					ok.Add(1)
				}
				return nil
			})
		})
	}
	sets := [][]string{{"c1"}, {"c1", "c2"}, {"c2", "d1"}, {"c1", "c2", "d1"}, {"d1"}}
	for i := range 200 {
		w.set(t, d, app("/web", "tcp", []string{web}, sets[i%len(sets)]...))
	}
	eventually(t, "10,000 connections", func() error {
		if n := ok.Load(); n < 10000 {
			return fmt.Errorf("%d so far", n)
		}
		return nil
	})
	cancel()
	group.Wait()
	t.Logf("%d connections over 200 changes, %d failed", ok.Load(), failed.Load())
	if failed.Load() > 0 {
		t.Fatalf("first: %v", first.Load())
	}
}

// once connects in the present namespace, reads the greeting and resets, so that no port is left waiting.
func once() error {
	c, err := net.DialTimeout("tcp", web, 3*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	var buf [64]byte
	_, err = c.Read(buf[:])
	return err
}

func TestCleanupLeavesTheHostAsItWas(t *testing.T) {
	w := newWorld(t)
	picture := func() string {
		var all []string
		for _, args := range [][]string{{"nft", "list", "ruleset"}, {"ip", "route", "show", "table", "all"},
			{"ip", "-6", "route", "show"}, {"ip", "-o", "link"}, {"ip", "-o", "addr"}, {"bridge", "-d", "link", "show"}} {
			all = append(all, strings.Join(args, " "))
			for line := range strings.Lines(run(t, args[0], args[1:]...)) {
				if !strings.Contains(line, "fe80") { // link-local addresses settle by themselves
					all = append(all, strings.TrimSpace(line))
				}
			}
		}
		return strings.Join(all, "\n")
	}
	run(t, "nft", "add", "table", "ip", "t_other")
	defer run2("nft", "delete", "table", "ip", "t_other")
	w.node1.Sysctl("net/bridge/bridge-nf-call-iptables", "1")
	before := picture()
	eventually(t, "carriers settle", func() error {
		was := before
		if before = picture(); before != was {
			return errors.New("changing")
		}
		return nil
	})
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{web, "/web:80", "fd99::1:80"}, "c1", "c2", "d1"))
	h := hold(t, w.c1, web)
	h2 := hold(t, w.node1, web)
	if picture() == before {
		t.Fatal("the picture does not show what vip does")
	}
	if out, err := run2(os.Getenv(binary), "cleanup"); err == nil || !strings.Contains(out, "another vip runs") {
		t.Fatalf("cleanup beside a running daemon: %v: %s", err, out)
	}
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-d.done
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit code %d after SIGINT: %s", code, d.out)
	}
	done := make(chan string)
	go func() {
		out, err := run2(os.Getenv(binary), "cleanup", "--drain", "5s")
		done <- fmt.Sprint(out, err)
	}()
	eventually(t, "draining", func() error {
		out, err := run2("nft", "list", "table", "inet", "berth_vip")
		if err == nil && !strings.Contains(out, "chain drain") {
			err = errors.New("not yet")
		}
		return err
	})
	h.alive(t, "while draining")
	h2.alive(t, "while draining")
	h.Close()
	h2.Close()
	if got := <-done; got != "<nil>" {
		t.Fatal(got)
	}
	if d := cmp.Diff(before, picture()); d != "" {
		t.Fatal(d)
	}
	run(t, os.Getenv(binary), "cleanup") // again: nothing to do
}

// Large answers pass a link with a small MTU.
func TestSmallMTU(t *testing.T) {
	w := newWorld(t)
	run(t, "ip", "link", "set", "t-up", "mtu", "1300")
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{web}, "d1"))
	for _, ns := range []nettest.NS{w.node1, w.c1} {
		h := hold(t, ns, web)
		_ = h.SetDeadline(time.Now().Add(10 * time.Second))
		const size = 300_000
		go func() { _, _ = h.Write([]byte(strings.Repeat("x", size-1) + "\n")) }()
		line, err := h.r.ReadString('\n')
		if err != nil || len(line) != size {
			t.Fatalf("%d bytes came back: %v", len(line), err)
		}
	}
}

func TestTheSourceMayGo(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	d := w.start(t, "--state-dir", dir)
	w.set(t, d, app("/web", "tcp", []string{web, "/web:80"}, "c1"))
	addr := d.address(t, "web.marathon.l4lb.thisdcos.directory") + ":80"
	eventually(t, "state on the disk", func() error {
		data, err := os.ReadFile(dir + "/apps.json")
		if err == nil && !strings.Contains(string(data), "/web") {
			err = errors.New("not yet")
		}
		return err
	})
	w.source.Fail(503)
	w.source.CutStreams()
	for range 20 {
		reach(t, w.node1, "tcp", web, "c1")
		reach(t, w.node1, "tcp", addr, "c1")
	}
	d.kill()
	run(t, "nft", "flush", "ruleset")
	cmd := exec.Command(os.Getenv(binary), d.cmd.Args[1:]...)
	out := &lines{}
	cmd.Stdout, cmd.Stderr = out, out
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the second vip said:\n%s", out)
		}
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	eventually(t, "rules from the disk", func() error {
		_, _, err := ask(w.node1, "tcp", addr)
		return err
	})
}

// Scaling writes elements anew, which sets the kernel's counters to zero.
func TestConnectionsAreCountedOverChanges(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	const each = 20
	members := [][]string{{"c1"}, {"c1", "c2"}, {"c2"}, {"d1", "c2"}}
	for _, m := range members {
		w.set(t, d, app("/web", "tcp", []string{web}, m...))
		for range each {
			if err := w.node1.Do(once); err != nil {
				t.Fatal(err)
			}
		}
	}
	total := each * len(members)
	eventually(t, "all are counted", func() error {
		body, err := d.get("/metrics")
		if err != nil {
			return err
		}
		want := fmt.Sprintf(`vip_connections_total{protocol="tcp",vip="%s"} %d`+"\n", web, total)
		if !strings.Contains(body, want) {
			_, rest, _ := strings.Cut(body, "\nvip_connections_total")
			return fmt.Errorf("want %s, got %.60s", want, rest)
		}
		return nil
	})
	var v struct {
		Connections int
		Backends    []struct {
			Address     string
			Connections int
		}
	}
	body, err := d.get("/v2/vips/tcp/" + web)
	if err == nil {
		err = json.Unmarshal([]byte(body), &v)
	}
	if err != nil || v.Connections != total || len(v.Backends) != 2 || v.Backends[0].Connections+v.Backends[1].Connections < 2*each {
		t.Errorf("%s, %v; want %d connections, and each of two backends with its own", body, err, total)
	}
}

func TestWithoutPrivilegesItSaysWhatIsMissing(t *testing.T) {
	nettest.Isolated(t)
	cmd := exec.Command(os.Getenv(binary), "--listen", "127.0.0.1:0", "--lock-dir", t.TempDir())
	// Root of a user namespace of its own, which does not own this network namespace: not allowed to change it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "CAP_NET_ADMIN is needed in this network namespace") {
		t.Errorf("%v: %s; want exit code 1 and the capability named", err, out)
	}
}

// The orchestrator waits with the signal to a task until its connections have ended, and is told of them by the daemon.
func TestADrainingTasksConnectionsAreReported(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{web}, "c1", "d1"))
	var h *held
	for h == nil || h.name != "c1" {
		h = hold(t, w.node1, web)
	}
	draining := app("/web", "tcp", []string{web}, "c1", "d1")
	draining.Tasks[0].State = api.TaskKilling
	w.set(t, d, draining)
	last := func(want int) func() error {
		return func() error {
			acks := w.source.Acks()
			if got := acks[len(acks)-1]; got.Index < w.source.Index() || got.Sessions["web.c1"] != want || len(got.Sessions) > 1 {
				return fmt.Errorf("got %+v, want %d sessions of web.c1 alone", got, want)
			}
			return nil
		}
	}
	eventually(t, "an open connection reported", last(1))
	h.alive(t, "while draining")
	h.Close()
	eventually(t, "its end reported", last(0))
}
