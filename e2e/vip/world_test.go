//go:build e2e

// Package vip drives the vip daemon against the real kernel, in network namespaces without a way out.
//
//	node1 (where the test runs)  t-up 192.168.77.1 ──── 192.168.77.2  node2
//	bridge t-br1 10.11.1.1                               bridge t-br2 10.11.2.1
//	  c1 10.11.1.2, published as 192.168.77.1:31001        d1 10.11.2.2, published as 192.168.77.2:31003
//	  c2 10.11.1.3
//
// Every server answers with its name and the client's address as it sees it.
package vip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
	"berth/vip/nettest"
)

// binary names the environment variable with the path of the vip program.
const binary = "BERTH_E2E_VIP"

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

// buildAndRun builds the program once, outside the namespace the tests run in.
func buildAndRun(m *testing.M) int {
	if os.Getenv(binary) == "" {
		dir, err := os.MkdirTemp("", "berth-e2e-vip-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		out, err := exec.Command("go", "build", "-o", dir+"/vip", "berth/cmd/vip").CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "build vip: %v\n%s", err, out)
			return 1
		}
		os.Setenv(binary, dir+"/vip")
	}
	return nettest.Main(m)
}

type world struct {
	node1, node2, c1, c2, d1 nettest.NS
	source                   *clienttest.Server
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{node2: nettest.NewNS(t), c1: nettest.NewNS(t), c2: nettest.NewNS(t), d1: nettest.NewNS(t)}
	nettest.Veth(t, w.node1, "t-up", w.node2, "t-up")
	w.node1.Addr(t, "t-up", "192.168.77.1/24", "fd77::1/64")
	w.node2.Addr(t, "t-up", "192.168.77.2/24", "fd77::2/64")
	w.node1.Bridge(t, "t-br1")
	w.node2.Bridge(t, "t-br2")
	w.node1.Addr(t, "t-br1", "10.11.1.1/24", "fd11:1::1/64")
	w.node2.Addr(t, "t-br2", "10.11.2.1/24", "fd11:2::1/64")
	w.container(t, w.node1, "t-c1", "t-br1", w.c1, "10.11.1.2/24", "10.11.1.1", "fd11:1::2/64", "fd11:1::1")
	w.container(t, w.node1, "t-c2", "t-br1", w.c2, "10.11.1.3/24", "10.11.1.1", "fd11:1::3/64", "fd11:1::1")
	w.container(t, w.node2, "t-d1", "t-br2", w.d1, "10.11.2.2/24", "10.11.2.1", "fd11:2::2/64", "fd11:2::1")
	for _, n := range []nettest.NS{w.node1, w.node2} {
		n.Sysctl("net/ipv4/ip_forward", "1")
		n.Sysctl("net/ipv6/conf/all/forwarding", "1")
	}
	w.node1.Route(t, "10.11.2.0/24", "192.168.77.2")
	w.node2.Route(t, "10.11.1.0/24", "192.168.77.1")
	w.node1.Route(t, "fd11:2::/64", "fd77::2")
	w.node2.Route(t, "fd11:1::/64", "fd77::1")
	w.source = clienttest.NewServer(t)
	for _, s := range []struct {
		ns   nettest.NS
		name string
		port int
	}{{w.c1, "c1", 8080}, {w.c2, "c2", 8080}, {w.d1, "d1", 8080}, {w.node2, "d1", 31003}, {w.node1, "c1", 31001}, {w.node1, "host", 9000}} {
		serveTCP(t, s.ns, s.name, s.port)
		serveUDP(t, s.ns, s.name, s.port)
	}
	t.Cleanup(func() { // what a failed test leaves
		_ = exec.Command("nft", "delete", "table", "inet", "berth_vip").Run()
		_ = exec.Command("ip", "link", "delete", "berth-vip").Run()
	})
	return w
}

func (w *world) container(t testing.TB, node nettest.NS, port, bridge string, c nettest.NS, a4, gw4, a6, gw6 string) {
	t.Helper()
	nettest.Veth(t, node, port, c, "eth0")
	node.Enslave(t, port, bridge)
	c.Addr(t, "eth0", a4, a6)
	c.Route(t, "", gw4)
	c.Route(t, "", gw6)
}

func serveTCP(t testing.TB, ns nettest.NS, name string, port int) {
	t.Helper()
	var l net.Listener
	ns.Must(t, func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	var group sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			group.Go(func() {
				defer func() {
					c.Close()
					mu.Lock()
					delete(open, c)
					mu.Unlock()
				}()
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				fmt.Fprintf(c, "%s %s\n", name, host)
				_, _ = io.Copy(c, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		group.Wait()
	})
}

func serveUDP(t testing.TB, ns nettest.NS, name string, port int) {
	t.Helper()
	var c net.PacketConn
	ns.Must(t, func() (err error) {
		c, err = net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		return err
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			_, from, err := c.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = c.WriteTo([]byte(name+"\n"), from)
			}
		}
	}()
	t.Cleanup(func() {
		c.Close()
		<-done
	})
}

// dial connects from a namespace. It refuses to when the namespace could reach a stranger: no route may lead to a
// documentation address except into the test's own namespaces, which node1 and node2 end.
func dial(ns nettest.NS, network, addr string) (c net.Conn, err error) {
	err = ns.Do(func() error {
		c, err = net.DialTimeout(network, addr, 3*time.Second)
		return err
	})
	return c, err
}

// ask returns the name of the server that answers and the client's address it sees.
func ask(ns nettest.NS, network, addr string) (name, client string, err error) {
	c, err := dial(ns, network, addr)
	if err != nil {
		return "", "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(3 * time.Second))
	if strings.HasPrefix(network, "udp") {
		if _, err := c.Write([]byte("x")); err != nil {
			return "", "", err
		}
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return "", "", err
	}
	name, client, _ = strings.Cut(strings.TrimSpace(line), " ")
	return name, client, nil
}

// reach asks until every server named has answered, and fails on any other or any error.
func reach(t testing.TB, ns nettest.NS, network, addr string, names ...string) {
	t.Helper()
	left := map[string]bool{}
	for _, n := range names {
		left[n] = true
	}
	seen := map[string]bool{}
	for range 200 {
		name, _, err := ask(ns, network, addr)
		if err != nil {
			t.Fatalf("%s %s: %v (seen %v)", network, addr, err, seen)
		}
		if seen[name] = true; !contains(names, name) {
			t.Fatalf("%s %s: %s answered, want only %v", network, addr, name, names)
		}
		if delete(left, name); len(left) == 0 {
			return
		}
	}
	t.Fatalf("%s %s: never reached %v", network, addr, left)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// refused expects an immediate refusal, ten times in a row.
func refused(t testing.TB, ns nettest.NS, addr string) {
	t.Helper()
	for range 10 {
		start := time.Now()
		c, err := dial(ns, "tcp", addr)
		if err == nil {
			c.Close()
			t.Fatalf("%s: connected; want it refused", addr)
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(start) > time.Second {
			t.Fatalf("%s: %v after %v; want it refused at once", addr, err, time.Since(start))
		}
	}
}

// task makes tasks of the reference topology.
func task(app, name string) api.Task {
	host, own, port := "192.168.77.1", "", 0
	switch name {
	case "c1":
		own, port = "10.11.1.2", 31001
	case "c2":
		own, port = "10.11.1.3", 31002
	case "d1":
		host, own, port = "192.168.77.2", "10.11.2.2", 31003
	case "host":
		port = 9000
	}
	k := api.Task{ID: strings.Trim(app, "/") + "." + name, AppID: app, Host: host, Ports: []int{port}, State: api.TaskRunning}
	if own != "" {
		k.IPAddresses = []api.Address{{IPAddress: own, Protocol: "IPv4"}}
	}
	return k
}

// app makes one whose single port has the labels, VIP_0 and so on.
func app(id, protocol string, vips []string, tasks ...string) *api.AppInfo {
	labels := map[string]string{}
	for i, v := range vips {
		labels[fmt.Sprintf("VIP_%d", i)] = v
	}
	a := &api.AppInfo{App: api.App{ID: id, Instances: len(tasks)}}
	host := 0
	if len(tasks) > 0 && tasks[0] == "host" {
		a.Networks = []api.Network{{Mode: api.NetworkHost}}
		a.PortDefinitions = []api.PortDefinition{{Protocol: protocol, Labels: labels}}
	} else {
		a.Networks = []api.Network{{Mode: api.NetworkBridge}}
		a.Container = &api.Container{Type: api.ContainerDocker, Docker: &api.Docker{Image: "x"},
			PortMappings: []api.PortMapping{{ContainerPort: 8080, HostPort: &host, Protocol: protocol, Labels: labels}}}
	}
	for _, n := range tasks {
		a.Tasks = append(a.Tasks, task(id, n))
	}
	return a
}

// daemon is vip as a process.
type daemon struct {
	node
	cmd  *exec.Cmd
	http string
	out  *lines
	done chan struct{}
}

// lines keeps what a process says.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// node is one on which a daemon can run.
type node struct {
	ns     nettest.NS
	source *clienttest.Server // its own: nothing but tasks is reached from one node to the other
	flags  []string
}

func (w *world) first() node {
	return node{w.node1, w.source, []string{"--node-address", "192.168.77.1", "--node-address", "fd77::1", "--uplinks", "t-up"}}
}

// start runs the daemon on node1 and waits until it is ready.
func (w *world) start(t testing.TB, flags ...string) *daemon {
	t.Helper()
	return w.first().start(t, flags...)
}

// start runs the daemon and waits until it is ready.
func (n node) start(t testing.TB, flags ...string) *daemon {
	t.Helper()
	d := &daemon{node: n, out: &lines{}, done: make(chan struct{})}
	args := append([]string{"--marathon", n.source.URL(), "--listen", "127.0.0.1:0"}, slices.Concat(n.flags, flags)...)
	d.cmd = exec.Command(os.Getenv(binary), args...)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		defer close(d.done)
		_ = n.ns.Do(func() error { // the thread that started it has to stay, or the kernel takes us for dead
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			err := d.cmd.Start()
			started <- err
			if err == nil {
				_ = d.cmd.Wait()
			}
			return nil
		})
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("vip said:\n%s", d.out)
		}
	})
	eventually(t, "listening", func() error {
		_, rest, ok := strings.Cut(d.out.String(), "address=")
		if !ok {
			return errors.New("no address yet")
		}
		d.http = "http://" + strings.Fields(rest)[0]
		return nil
	})
	d.settled(t)
	return d
}

func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

// settled waits until the daemon has acknowledged its source's last change.
func (d *daemon) settled(t testing.TB) {
	t.Helper()
	index := d.source.Index()
	eventually(t, fmt.Sprintf("index %d in force", index), func() error {
		body, err := d.get("/ready")
		if err != nil {
			return err
		}
		_, rest, _ := strings.Cut(body, `"index":`)
		var got uint64
		if _, err := fmt.Sscanf(rest, "%d", &got); err != nil || got < index {
			return fmt.Errorf("at %q", body)
		}
		return nil
	})
}

// set changes apps and waits until the change is in force.
func (w *world) set(t testing.TB, d *daemon, apps ...*api.AppInfo) {
	t.Helper()
	d.source.SetApps(apps...)
	d.settled(t)
}

// get asks the daemon's status endpoint, on its node.
func (d *daemon) get(path string) (string, error) {
	dial := func(_ context.Context, network, addr string) (net.Conn, error) { return dial(d.ns, network, addr) }
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	resp, err := c.Get(d.http + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return string(body), err
}

func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}
