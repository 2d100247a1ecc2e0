//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

// ladder is an mlb with its HAProxy behind a cluster that the test makes up, with tasks inside the test.
type ladder struct {
	t       *testing.T
	cluster *clienttest.Server
	tasks   []*httptest.Server
	http    int // ports
	stats   int
}

func newLadder(t *testing.T, more ...string) *ladder {
	t.Helper()
	need(t, "haproxy")
	dir, err := os.MkdirTemp("", "berth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b := &ladder{t: t, cluster: clienttest.NewServer(t), http: porttest.Free(t), stats: porttest.Free(t)}
	for range 4 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }))
		t.Cleanup(s.Close)
		b.tasks = append(b.tasks, s)
	}
	start(t, "mlb", append([]string{"--marathon", b.cluster.URL(), "--group", "external", "--bind-address", "127.0.0.1",
		"--haproxy-config", filepath.Join(dir, "haproxy.cfg"), "--http-port", itoa(b.http), "--https-port", itoa(porttest.Free(t)),
		"--stats-port", itoa(b.stats), "--appid-port", itoa(porttest.Free(t))}, more...)...)
	return b
}

// app runs on n of the tasks.
func (b *ladder) app(id string, port int, labels map[string]string, n int) *api.AppInfo {
	b.t.Helper()
	doc := map[string]any{"id": id, "cmd": "x", "instances": n, "labels": labels, "requirePorts": false,
		"portDefinitions": []app{{"port": port, "protocol": "tcp"}}}
	var tasks []app
	for i, s := range b.tasks[:n] {
		_, p, _ := net.SplitHostPort(s.Listener.Addr().String())
		tasks = append(tasks, app{"id": fmt.Sprintf("%s.%d", strings.Trim(id, "/"), i), "appId": id, "host": "127.0.0.1",
			"ports": []json.Number{json.Number(p)}, "state": "TASK_RUNNING"})
	}
	doc["tasks"] = tasks
	data, err := json.Marshal(doc)
	a := new(api.AppInfo)
	if err == nil {
		err = json.Unmarshal(data, a)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// state is the part of /_mlb_state that tests look at.
type state struct {
	Index   uint64
	Failing bool
	Changes map[string]int
	Spare   struct{ Claimed map[string]string }
}

// applied waits until HAProxy does what the cluster says.
func (b *ladder) applied() (s state) {
	b.t.Helper()
	eventually(b.t, 30*time.Second, "applied", func() error {
		_, body, err := get(fmt.Sprintf("http://127.0.0.1:%d/_mlb_state", b.stats), "")
		if err == nil {
			err = json.Unmarshal([]byte(body), &s)
		}
		if err != nil {
			return err
		}
		return expect(s.Index == b.cluster.Index() && !s.Failing, "index %d, want %d", s.Index, b.cluster.Index())
	})
	return s
}

// A constant rate of requests goes by host name to one app, and by service port to another that has claimed a backend out
// of the store. Meanwhile servers are added and taken out a hundred times and HAProxy is reloaded fifty times: not one
// request fails.
func TestReloadsAndServerChangesUnderLoad(t *testing.T) {
	low := porttest.Range(t, 20)
	b := newLadder(t, "--spare-backends", "2", "--spare-tcp-backends", "2", "--spare-ports", fmt.Sprintf("%d-%d", low, low+19))
	web := func(n int) {
		b.cluster.SetApp(b.app("/web", low, external("HAPROXY_0_VHOST", "web.test", "HAPROXY_0_MODE", "http"), n))
	}
	web(2)
	before := b.applied()
	b.cluster.SetApp(b.app("/claim", low+1, external("HAPROXY_0_MODE", "http"), 2))
	b.cluster.SetApp(b.app("/stream", low+2, external(), 2))
	if s := b.applied(); len(s.Spare.Claimed) != 2 || s.Changes["reload"] != before.Changes["reload"] {
		t.Fatalf("state %+v: want two claims and no reload", s)
	}
	const limit = time.Minute
	loads := []*load{
		startLoad(t, fmt.Sprintf("http://127.0.0.1:%d/", b.http), "web.test", 100, limit),
		startLoad(t, fmt.Sprintf("http://127.0.0.1:%d/", low+1), "", 100, limit),
		startLoad(t, fmt.Sprintf("http://127.0.0.1:%d/", low+2), "", 60, limit),
	}
	for i := range 50 {
		web(1 + i%4)
		b.cluster.SetApp(b.app("/claim", low+1, external("HAPROXY_0_MODE", "http"), 1+(i+2)%4))
		b.applied()
		// A port that an app brings and that is not in store: a reload when it comes, and one when it goes.
		if i%2 == 0 {
			b.cluster.SetApp(b.app("/other", low+19, external("HAPROXY_0_STICKY", "true", "HAPROXY_0_MODE", "http"), 1))
		} else {
			b.cluster.RemoveApp("/other")
		}
		b.applied()
	}
	s := b.applied()
	t.Logf("changes by rung: %v", s.Changes)
	if s.Changes["reload"] < 50 {
		t.Errorf("%d reloads, want 50 at least", s.Changes["reload"])
	}
	for i, what := range []string{"by host", "by a port that was in store", "by a tcp port that was in store"} {
		loads[i].none(what)
	}
}
