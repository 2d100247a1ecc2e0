package mlbd

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/porttest"
	"berth/mlb"
	"berth/mlb/haproxy"
	"berth/orchestrator/api"
)

// runtimeAPI sends one command to the worker.
func (l *lab) runtimeAPI(command string) string {
	l.t.Helper()
	paths, err := haproxy.NewPaths(l.c.HAProxyConfig, l.c.RunDir)
	if err != nil {
		l.t.Fatal(err)
	}
	c, err := net.Dial("unix", paths.Stats)
	if err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		l.t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(answer)
}

// runningServers are HAProxy's servers by "backend/server": address, and maint when they are in maintenance.
func (l *lab) runningServers() map[string]string {
	l.t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(l.runtimeAPI("show servers state")) {
		f := strings.Fields(line)
		if len(f) < 19 || f[0] == "#" || strings.HasPrefix(f[1], "mlb_") || f[1] == "spare:http" {
			continue
		}
		text := f[4] + ":" + f[18]
		// Flag 4 only tells that the file had the server disabled when the worker read it.
		if admin, err := strconv.Atoi(f[6]); err != nil || admin&^4 != 0 {
			text += " maint"
		}
		all[f[1]+"/"+f[3]] = text
	}
	return all
}

// writtenServers reads the same from the configuration file.
func (l *lab) writtenServers() map[string]string {
	l.t.Helper()
	text, err := os.ReadFile(l.c.HAProxyConfig)
	if err != nil {
		l.t.Fatal(err)
	}
	all, backend := map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && line[0] != ' ':
			backend = f[1]
		case len(f) > 2 && f[0] == "server" && !strings.HasPrefix(backend, "mlb_") && backend != "spare:http":
			all[backend+"/"+f[1]] = f[2]
			if strings.Contains(line, " disabled") {
				all[backend+"/"+f[1]] += " maint"
			}
		}
	}
	return all
}

// maps are all maps as HAProxy has them, and as they are on disk.
func (l *lab) maps() (running, written map[string]string) {
	l.t.Helper()
	running, written = map[string]string{}, map[string]string{}
	for _, name := range mlb.MapNames() {
		path := filepath.Join(filepath.Dir(l.c.HAProxyConfig), name)
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue // of the store, and there is none
		}
		if err != nil {
			l.t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			written[name+" "+strings.TrimSpace(line)] = ""
		}
		for line := range strings.Lines(l.runtimeAPI("show map " + path)) {
			if _, entry, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				running[name+" "+entry] = ""
			}
		}
	}
	return running, written
}

// agree fails when files and running state differ for longer than it takes to write files.
func (l *lab) agree(after string) {
	l.t.Helper()
	diff := ""
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s := l.state()
		if s.Index != l.cluster.Index() || s.Failing {
			diff = fmt.Sprintf("index %d, want %d; failing: %v %s", s.Index, l.cluster.Index(), s.Failing, s.LastError)
			continue
		}
		running, written := l.maps()
		diff = cmp.Diff(l.runningServers(), l.writtenServers()) + cmp.Diff(running, written)
		if diff == "" {
			return
		}
	}
	l.t.Fatalf("after %s (%+v): HAProxy (-) and files (+)\n%s", after, l.state().LastChange, diff)
}

// moves changes apps at random.
type moves struct {
	l    *lab
	rand *rand.Rand
	low  int
	task []*httptest.Server
	apps map[int]*api.AppInfo
}

// make builds app n anew: some tasks, some hosts, some draining, sometimes sticky.
func (m *moves) make(n int) *api.AppInfo {
	labels := map[string]string{}
	if n%4 != 3 {
		labels["HAPROXY_0_MODE"] = "http"
		labels["HAPROXY_0_VHOST"] = fmt.Sprintf("a%d.test,b%d.test", n, m.rand.IntN(3))
		if m.rand.IntN(3) == 0 {
			labels["HAPROXY_0_PATH"] = fmt.Sprintf("/p%d", m.rand.IntN(3))
		}
		if m.rand.IntN(4) == 0 {
			labels["HAPROXY_0_REDIRECT_TO_HTTPS"] = "true"
		}
		if m.rand.IntN(12) == 0 {
			labels["HAPROXY_0_STICKY"] = "true"
		}
	}
	a := app(fmt.Sprintf("/app%d", n), m.low+n, labels)
	for i, s := range m.task {
		if m.rand.IntN(2) == 0 {
			state := "TASK_RUNNING"
			if m.rand.IntN(4) == 0 {
				state = "TASK_KILLING"
			}
			a.Tasks = append(a.Tasks, taskOf(a.ID, i, s, state))
		}
	}
	return a
}

func (m *moves) one() string {
	n := m.rand.IntN(8)
	if m.apps[n] != nil && m.rand.IntN(4) == 0 {
		delete(m.apps, n)
		m.l.cluster.RemoveApp(fmt.Sprintf("/app%d", n))
		return fmt.Sprintf("removing app %d", n)
	}
	a := m.make(n)
	m.apps[n] = a
	m.l.cluster.SetApp(a)
	return fmt.Sprintf("app %d: labels %v, %d tasks", n, a.Labels, len(a.Tasks))
}

func TestFilesEqualTheRunningStateAfterRandomChanges(t *testing.T) {
	for _, store := range []bool{false, true} {
		t.Run(fmt.Sprintf("store=%v", store), func(t *testing.T) {
			l := newLab(t)
			low := porttest.Range(t, 20)
			if store {
				l.c.SpareBackends, l.c.SpareTCPBackends, l.c.SparePorts = 4, 2, fmt.Sprintf("%d-%d", low, low+19)
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			m := &moves{l: l, rand: rand.New(rand.NewPCG(seed, 1)), low: low, apps: map[int]*api.AppInfo{}}
			for i := range 4 {
				m.task = append(m.task, l.task(fmt.Sprint(i)))
			}
			l.cluster.SetApp(app("/base", low+9, nil, m.task[0]))
			l.up()
			l.agree("the start")
			for range 40 {
				what := m.one()
				if m.rand.IntN(3) == 0 {
					what += "; " + m.one()
				}
				l.agree(what)
			}
			t.Logf("changes by rung: %v", l.state().Changes)
		})
	}
}
