package mlbd

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/mlb"
	"berth/mlb/haproxy"
	"berth/mlb/haproxy/agreetest"
	"berth/orchestrator/api"
)

// paths are those of the daemon under test.
func (l *lab) paths() haproxy.Paths {
	l.t.Helper()
	paths, err := haproxy.NewPaths(l.c.HAProxyConfig, l.c.RunDir)
	if err != nil {
		l.t.Fatal(err)
	}
	return paths
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
		var err error
		if diff, err = agreetest.Diff(l.paths(), mlb.MapNames()); err != nil {
			diff = err.Error()
		}
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
