//go:build e2e

package vip

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
	"berth/vip/nettest"
)

func TestPathsFromHostContainerSelfAndOtherNode(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{"198.51.100.1:80", "/group/web:8081"}, "c1", "c2", "d1"),
		app("/dns", "udp", []string{"198.51.100.1:53"}, "c1", "c2", "d1"),
		app("/self", "tcp", []string{"198.51.100.2:80"}, "c1"),
		app("/host", "tcp", []string{"198.51.100.3:80"}, "host"),
		app("/remote", "tcp", []string{"198.51.100.4:80"}, "d1"))
	named := d.address(t, "groupweb.marathon.l4lb.thisdcos.directory")
	for _, filter := range []string{"1", "0"} {
		if !w.node1.Sysctl("net/bridge/bridge-nf-call-iptables", filter) && filter == "1" {
			t.Log("this kernel has no bridge netfilter")
			continue
		}
		t.Run("bridge netfilter "+filter, func(t *testing.T) {
			d.look(t)
			for name, from := range map[string]nettest.NS{"host": w.node1, "container": w.c1} {
				t.Run("from "+name, func(t *testing.T) {
					reach(t, from, "tcp", "198.51.100.1:80", "c1", "c2", "d1")
					reach(t, from, "udp", "198.51.100.1:53", "c1", "c2", "d1")
					reach(t, from, "tcp", named+":8081", "c1", "c2", "d1")
					reach(t, from, "tcp", "198.51.100.2:80", "c1")
					reach(t, from, "tcp", "198.51.100.3:80", "host")
					reach(t, from, "tcp", "198.51.100.4:80", "d1")
				})
			}
		})
	}
}

func TestTheBackendSeesTheClientWherePossible(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/one", "tcp", []string{"198.51.100.1:80"}, "c1"), app("/far", "tcp", []string{"198.51.100.2:80"}, "d1"))
	for _, c := range []struct {
		name string
		from nettest.NS
		addr string
		want string
	}{
		{"a process of the node shows the node's address", w.node1, "198.51.100.1:80", "192.168.77.1"},
		{"a process of the node shows the node's address on another node", w.node1, "198.51.100.2:80", "192.168.77.1"},
		{"a container shows its own on another node", w.c1, "198.51.100.2:80", "10.11.1.2"},
		{"a container that reaches itself shows its bridge", w.c1, "198.51.100.1:80", "10.11.1.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, client, err := ask(c.from, "tcp", c.addr)
			if client = strings.TrimPrefix(client, "::ffff:"); err != nil || client != c.want {
				t.Fatalf("%q, %v; want %q", client, err, c.want)
			}
		})
	}
}

func TestWhatHasNoBackendIsRefusedAtOnce(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	empty := app("/empty", "tcp,udp", []string{"198.51.100.1:80"})
	w.set(t, d, empty, app("/web", "tcp", []string{"198.51.100.2:80", "/named:80"}, "c1"))
	for name, from := range map[string]nettest.NS{"host": w.node1, "container": w.c2} {
		t.Run("from "+name, func(t *testing.T) {
			refused(t, from, "198.51.100.1:80") // no backend
			refused(t, from, "198.51.100.2:81") // no such port
			refused(t, from, "198.51.100.2:22")
			refused(t, from, "11.1.2.3:80") // no such address, in the range for names
		})
	}
	if _, _, err := ask(w.node1, "udp", "198.51.100.1:80"); !errors.Is(err, syscall.EPERM) && !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("udp: %v; want it refused", err)
	}
	eventually(t, "udp from a container refused", func() error { // the kernel limits the rate of ICMP errors
		_, _, err := ask(w.c2, "udp", "198.51.100.1:80")
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		return fmt.Errorf("got %w", err)
	})
}

func TestIPv6(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	a := app("/six", "tcp", []string{"fd99::1:80", "/six:80"}, "c1", "c2", "d1")
	for i, addr := range []string{"fd11:1::2", "fd11:1::3", ""} {
		if addr != "" {
			a.Tasks[i].IPAddresses[0].IPAddress = addr
		}
	}
	a.Tasks[2].Host, a.Tasks[2].IPAddresses = "fd77::2", nil
	w.set(t, d, a)
	named := "[" + d.address6(t, "six.marathon.l4lb.thisdcos.directory") + "]:80"
	reach(t, w.node1, "tcp", "[fd99::1]:80", "c1", "c2", "d1")
	reach(t, w.c1, "tcp", "[fd99::1]:80", "c1", "c2", "d1")
	reach(t, w.node1, "tcp", named, "c1", "c2", "d1")
	refused(t, w.node1, "[fd99::1]:81")
	refused(t, w.c1, "[fd01:c::1234]:80")
}

func TestAppsWithTheSameVIPShareIt(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/blue", "tcp", []string{"/web:80"}, "c1"), app("/green", "tcp", []string{"/web:80"}, "c2"))
	addr := d.address(t, "web.marathon.l4lb.thisdcos.directory") + ":80"
	reach(t, w.node1, "tcp", addr, "c1", "c2")
	w.source.RemoveApp("/blue")
	d.settled(t)
	for range 20 {
		reach(t, w.node1, "tcp", addr, "c2")
	}
}

func TestTrafficFromOutsideIsNotServed(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{"198.51.100.1:80"}, "c1"))
	w.node2.Route(t, "198.51.100.1/32", "192.168.77.1")
	refused(t, w.node2, "198.51.100.1:80")
	d.kill()
	w.start(t, "--serve-uplinks")
	reach(t, w.node2, "tcp", "198.51.100.1:80", "c1")
}

func TestAddressesTheNodeNeedsAreRefused(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/own", "tcp", []string{"192.168.77.1:80"}, "c1"), app("/bridge", "tcp", []string{"10.11.1.77:80"}, "c1"),
		app("/gateway", "tcp", []string{"192.168.77.2:80"}, "c1"), app("/source", "tcp", []string{"127.0.0.1:80"}, "c1"))
	body, err := d.get("/v2/vips")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"this node's own", "the network of bridge t-br1", "a gateway of this node", "a loopback address",
		`"vips":[]`} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not told: %s", want, body)
		}
	}
	reach(t, w.node1, "tcp", "192.168.77.2:31003", "d1")
}

// A frame of a table that sits before and after ours does not disturb, and neither does a default of dropping forwards that
// excepts the bridge.
func TestBesideOtherTables(t *testing.T) {
	w := newWorld(t)
	d := w.start(t)
	w.set(t, d, app("/web", "tcp", []string{"198.51.100.1:80"}, "c1", "d1"))
	load := exec.Command("nft", "-f", "-")
	load.Stdin = strings.NewReader(`table ip t_other {
		chain pre { type nat hook prerouting priority -100; ip daddr 198.51.100.1 tcp dport 80 dnat to 10.11.1.99:1; }
		chain out { type nat hook output priority -100; ip daddr 198.51.100.1 tcp dport 80 dnat to 10.11.1.99:1; }
		chain forwards { type filter hook forward priority 0; policy drop; iifname "t-br1" accept; ct state established accept; }
	}`)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	defer exec.Command("nft", "delete", "table", "ip", "t_other").Run()
	reach(t, w.node1, "tcp", "198.51.100.1:80", "c1", "d1")
	reach(t, w.c2, "tcp", "198.51.100.1:80", "c1", "d1")
	if out, _ := exec.Command("nft", "list", "table", "ip", "t_other").CombinedOutput(); !strings.Contains(string(out), "policy drop") {
		t.Fatalf("the other table was changed: %s", out)
	}
}

// Each node has a vip of its own, and the two have no word with each other.
func TestTwoNodesAgreeAndReachEachOthersTasks(t *testing.T) {
	w := newWorld(t)
	second := node{ns: w.node2, flags: []string{"--node-address", "192.168.77.2", "--node-address", "fd77::2", "--uplinks", "t-up"}}
	w.node2.Must(t, func() error {
		second.source = clienttest.NewServer(t)
		return nil
	})
	daemons := []*daemon{w.start(t), second.start(t)}
	set := func(apps ...*api.AppInfo) {
		t.Helper()
		for _, d := range daemons {
			w.set(t, d, apps...)
		}
	}
	set(app("/web", "tcp", []string{web, "/web:80"}, "c1", "d1"), app("/dns", "udp", []string{"198.51.100.1:53"}, "c1", "d1"))
	const name = "web.marathon.l4lb.thisdcos.directory"
	named := daemons[0].address(t, name)
	if other := daemons[1].address(t, name); other != named {
		t.Fatalf("the name is %s on one node and %s on the other", named, other)
	}
	everywhere := map[string]nettest.NS{"node1": w.node1, "node2": w.node2, "c1": w.c1, "c2": w.c2, "d1": w.d1}
	for from, ns := range everywhere {
		t.Run("from "+from, func(t *testing.T) {
			reach(t, ns, "tcp", web, "c1", "d1")
			reach(t, ns, "tcp", named+":80", "c1", "d1")
			reach(t, ns, "udp", "198.51.100.1:53", "c1", "d1")
			refused(t, ns, "198.51.100.1:81")
		})
	}
	draining := app("/web", "tcp", []string{web, "/web:80"}, "c1", "d1")
	draining.Tasks[0].State = api.TaskKilling
	set(draining)
	for from, ns := range everywhere {
		for range 10 {
			if got, _, err := ask(ns, "tcp", web); err != nil || got != "d1" {
				t.Fatalf("from %s while c1 drains: %q, %v", from, got, err)
			}
		}
	}
}
