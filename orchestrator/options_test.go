package orchestrator

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/fake"
)

func TestOptionsAreChecked(t *testing.T) {
	ok := func() Options {
		return Options{DataDir: t.TempDir(), Agents: []Agent{{ID: "a", IP: "10.0.0.1", Drivers: map[driver.Kind]driver.Driver{
			driver.KindProcess: fake.New(fake.NewHost(driver.KindProcess)),
		}}}}
	}
	tests := []struct {
		rule   string
		change func(*Options)
		want   string
	}{
		{"a directory is needed", func(o *Options) { o.DataDir = "" }, "data directory"},
		{"an agent is needed", func(o *Options) { o.Agents = nil }, "at least one"},
		{"agents have ids", func(o *Options) { o.Agents[0].ID = "" }, "id of its own"},
		{"and different ones", func(o *Options) { o.Agents = append(o.Agents, o.Agents[0]) }, "id of its own"},
		{"agents have addresses", func(o *Options) { o.Agents[0].IP = "" }, "address"},
		{"agents have drivers", func(o *Options) { o.Agents[0].Drivers = nil }, "driver"},
		{"service ports are ports", func(o *Options) { o.LocalPortMax = 70000 }, "10000 to 70000"},
		{"and a range", func(o *Options) { o.LocalPortMin = 30000 }, "30000 to 20000"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			o := ok()
			tt.change(&o)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	got, err := ok().withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	a := got.Agents[0]
	if a.Host != a.IP || a.CPUs < 1 || a.Mem <= 0 || a.Disk <= 0 || a.Ports.String() != "1-32000" || a.DynamicPorts.String() != "31000-32000" {
		t.Errorf("agent %+v", a)
	}
	if first, second := got.NewID(), got.NewID(); first == second || got.Seed == 0 {
		t.Error("ids or seed are not random")
	}
}

func TestDamagedStateIsRefusedWithTheWayOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, StateFile), []byte("not a database, but long enough to be read as one"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Options{DataDir: dir, Agents: []Agent{{ID: "a", IP: "127.0.0.1", Drivers: map[driver.Kind]driver.Driver{
		driver.KindProcess: fake.New(fake.NewHost(driver.KindProcess)),
	}}}})
	if err == nil || !strings.Contains(err.Error(), StateFile) || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("error %v", err)
	}
}

func TestReadyOnceTheDriversWereAsked(t *testing.T) {
	inWorld(t, func(w *world) {
		if err := w.o.Ready(); err != nil {
			t.Error(err)
		}
		w.stop()
		w.host.GoAway()
		w.boot()
		if err := w.o.Ready(); err == nil || !strings.Contains(err.Error(), "agent a1: process") {
			t.Errorf("error %v", err)
		}
		w.host.ComeBack()
		w.after(time.Second)
		if err := w.o.Ready(); err != nil {
			t.Error(err)
		}
		if err := w.o.Run(context.Background()); err == nil {
			t.Error("a second Run is not refused")
		}
	})
}

func TestPortProberSeesAStranger(t *testing.T) {
	agent := Agent{ID: "a", Host: "node1", IP: "127.0.0.1"}
	far := Agent{ID: "b", IP: "192.0.2.1"}
	probe := portProber([]Agent{agent, far})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := probe(agent, port, "udp,tcp"); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is in use on node1", port)) {
		t.Errorf("error %v", err)
	}
	if err := probe(far, port, "tcp"); err != nil {
		t.Errorf("a port of another machine: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := probe(agent, port, "tcp"); err != nil {
		t.Errorf("after it was closed: %v", err)
	}
}

func TestPortOfAStrangerIsSkippedOrNamed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.stop()
		var gone atomic.Bool // whoever has port 2000
		w.opt.ProbePort = func(_ Agent, port int, _ string) error {
			if port == 2000 && !gone.Load() {
				return fmt.Errorf("port %d is in use", port)
			}
			return nil
		}
		w.opt.Agents[0].DynamicPorts, _ = ParsePorts("1999-2001")
		w.boot()
		w.change(put(app("/web", `,"instances":2`)))
		var ports []int
		for _, task := range w.info("/web").Tasks {
			ports = append(ports, task.Ports...)
		}
		slices.Sort(ports)
		if d := cmp.Diff([]int{1999, 2001}, ports); d != "" {
			t.Error(d)
		}
		w.change(put(app("/fixed", `,"requirePorts":true,"portDefinitions":[{"port":2000}]`)))
		if want := "port 2000 is taken on agent a1 by something outside this cluster"; !strings.Contains(w.explain(), want) {
			t.Errorf("queue: %s", w.explain())
		}
		gone.Store(true)
		w.after(6 * time.Second)
		w.wantRunning("/fixed", 1)
	})
}

func TestConfigShowsWhatClientsRead(t *testing.T) {
	inWorld(t, func(w *world) {
		c := w.o.Config()
		if c["local_port_min"] != 10000 || c["local_port_max"] != 20000 || c["http_port"] != 8080 {
			t.Errorf("%v", c)
		}
	})
}

func TestReadsOfWhatDoesNotExist(t *testing.T) {
	inWorld(t, func(w *world) {
		_, v := w.o.Versions("/x")
		_, d := w.o.Version("/x", 1)
		_, l := w.o.Logs(context.Background(), "x.1", driver.LogOptions{})
		w.change(put(app("/web", "")))
		_, dv := w.o.Version("/web", 1)
		for _, err := range []error{v, d, l, dv} {
			if api.CodeOf(err) != api.CodeNotFound {
				t.Errorf("error %v", err)
			}
		}
		if want := "App '/web' does not exist in version 1970-01-01T00:00:00.001Z"; dv.Error() != want {
			t.Errorf("%q, want %q", dv.Error(), want)
		}
		def, err := w.o.Version("/web", w.info("/web").Version)
		if err != nil || def.ID != "/web" {
			t.Error(def, err)
		}
	})
}
