package mlbd

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/mlb"
	"berth/orchestrator/api"
)

// storeLab is a lab with a store of two http backends, one tcp backend and three ports from low on.
func storeLab(t *testing.T) (l *lab, low int) {
	l = newLab(t)
	low = porttest.Range(t, 6)
	l.c.SpareBackends, l.c.SpareTCPBackends = 2, 1
	l.c.SparePorts = fmt.Sprintf("%d-%d", low, low+5)
	return l, low
}

func (l *lab) pids() string { l.t.Helper(); return l.admin("/_haproxy_getpids") }

func http1(vhost string) map[string]string {
	return map[string]string{"HAPROXY_0_VHOST": vhost, "HAPROXY_0_MODE": "http"}
}

func TestNewAppsFromTheStoreNeedNoReload(t *testing.T) {
	l, low := storeLab(t)
	l.cluster.SetApp(app("/web", low, http1("web.test"), l.task("web")))
	l.up()
	pids := l.pids()
	l.cluster.SetApp(app("/new", low+1, http1("new.test"), l.task("new")))
	l.answers(l.c.HTTPPort, "new.test", "new")
	l.answers(low+1, "", "new")
	l.cluster.SetApp(app("/tcp", low+2, nil, l.task("tcp")))
	l.answers(low+2, "", "tcp")
	s := l.settled()
	name := fmt.Sprintf("new_%d", low+1)
	if s.Spare == nil || s.Spare.Claimed[name] != "spare:http:001" || len(s.Spare.Claimed) != 2 {
		t.Errorf("state %+v: want the claims to be visible", s.Spare)
	}
	if got := l.admin("/_haproxy_getvhostmap"); !strings.Contains(got, "new.test spare:http:001") {
		l.within(30*time.Second, "the map on disk follows", func() bool {
			return strings.Contains(l.admin("/_haproxy_getvhostmap"), "new.test spare:http:001")
		})
	}
	l.cluster.RemoveApp("/new") // what was claimed can be given back
	l.within(30*time.Second, "the app is gone", func() bool {
		code, _, _ := ask(l.c.HTTPPort, "/", "new.test")
		_, _, err := ask(low+1, "/", "")
		return code == 503 && err != nil
	})
	if now := l.pids(); now != pids {
		t.Errorf("processes %q, then %q: want no reload", pids, now)
	}
	// What does not fit needs a reload, and with it everybody gets his own name.
	l.cluster.SetApp(app("/sticky", low+3, map[string]string{"HAPROXY_0_VHOST": "sticky.test", "HAPROXY_0_STICKY": "true"}, l.task("sticky")))
	l.answers(l.c.HTTPPort, "sticky.test", "sticky")
	l.answers(low+2, "", "tcp")
	l.within(30*time.Second, "proper names", func() bool {
		return len(l.state().Spare.Claimed) == 0 && strings.Contains(l.admin("/_haproxy_getconfig"), fmt.Sprintf("frontend tcp_%d", low+2))
	})
}

func TestKilledHAProxyServesClaimsFromItsFiles(t *testing.T) {
	l, low := storeLab(t)
	l.cluster.SetApp(app("/web", low, http1("web.test"), l.task("web")))
	l.up()
	l.cluster.SetApp(app("/new", low+1, http1("new.test"), l.task("new")))
	l.answers(low+1, "", "new")
	l.within(30*time.Second, "the files follow", func() bool {
		return strings.Contains(l.admin("/_haproxy_getvhostmap"), "new.test spare:http:001")
	})
	var master int
	fmt.Sscan(l.pids(), &master)
	if err := syscall.Kill(master, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	l.within(30*time.Second, "haproxy is back", func() bool {
		_, body, err := ask(l.c.StatsPort, "/_mlb_state", "")
		var s mlb.Status
		return err == nil && json.Unmarshal([]byte(body), &s) == nil && s.Restarts == 1
	})
	l.answers(low+1, "", "new")
	l.answers(l.c.HTTPPort, "new.test", "new")
	if s := l.settled(); len(s.Spare.Claimed) != 1 {
		t.Errorf("state %+v: want the claim to stand", s.Spare)
	}
}

func TestKilledMlbFindsClaimsAndGivesProperNames(t *testing.T) {
	l, low := storeLab(t)
	l.c.LeaveHAProxy = true
	l.cluster.SetApp(app("/web", low, http1("web.test"), l.task("web")))
	l.up()
	l.cluster.SetApp(app("/new", low+1, http1("new.test"), l.task("new")))
	l.answers(low+1, "", "new")
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	l.answers(low+1, "", "new")
	l.up()
	l.answers(low+1, "", "new")
	l.answers(l.c.HTTPPort, "new.test", "new")
	if s := l.settled(); !s.Ready || len(s.Spare.Claimed) != 0 {
		t.Errorf("state %+v: want the app by its own name", s.Spare)
	}
}

func TestPortOfTheStoreInUseIsLeftAlone(t *testing.T) {
	l, low := storeLab(t)
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", low+1))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	l.cluster.SetApp(app("/web", low, http1("web.test"), l.task("web")))
	l.up()
	l.answers(low, "", "web")
	s := l.settled()
	if want := []int{low + 2, low + 3, low + 4}; s.Spare == nil || fmt.Sprint(s.Spare.Ports) != fmt.Sprint(want) {
		t.Errorf("store %+v: want ports %v", s.Spare, want)
	}
}

func TestClaimedBackendChecksTheAppsOwnPath(t *testing.T) {
	l, low := storeLab(t)
	var own, other atomic.Int64
	task := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/deep/health":
			own.Add(1)
		case "/":
			other.Add(1)
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(task.Close)
	l.cluster.SetApp(app("/web", low, http1("web.test"), l.task("web")))
	l.up()
	pids := l.pids()
	a := app("/new", low+1, http1("new.test"), task)
	if err := json.Unmarshal([]byte(`[{"protocol": "HTTP", "path": "/deep/health", "portIndex": 0, "intervalSeconds": 1,
		"timeoutSeconds": 1, "maxConsecutiveFailures": 0}]`), &a.HealthChecks); err != nil {
		t.Fatal(err)
	}
	a.Tasks[0].HealthCheckResults = []api.HealthResult{{Alive: true}}
	l.cluster.SetApp(a)
	l.within(30*time.Second, "the check comes by", func() bool { return own.Load() > 0 })
	if other.Load() > 0 || l.pids() != pids {
		t.Errorf("%d checks of / and processes %q, then %q: want none, and no reload", other.Load(), pids, l.pids())
	}
}
