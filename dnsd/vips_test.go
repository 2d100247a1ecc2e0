package dnsd

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/dnsd/server"
	"berth/dnsd/zone"
	"berth/orchestrator/client/clienttest"
)

// vipDaemon answers /v2/names as vip does: with a tag, and 304 to who has it.
type vipDaemon struct {
	*httptest.Server
	mu   sync.Mutex
	body string
	code int // instead of an answer
	full int // answers with names
}

func newVIPDaemon(t *testing.T) *vipDaemon {
	v := &vipDaemon{body: `{"names":{}}`}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *vipDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	tag := `"` + strings.ReplaceAll(v.body, `"`, "") + `"`
	switch {
	case r.URL.Path != "/v2/names":
		http.NotFound(w, r)
	case v.code != 0:
		http.Error(w, "broken", v.code)
	case r.Header.Get("If-None-Match") == tag:
		w.WriteHeader(http.StatusNotModified)
	default:
		v.full++
		w.Header().Set("ETag", tag)
		_, _ = w.Write([]byte(v.body))
	}
}

func (v *vipDaemon) set(code int, body string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.code, v.body = code, body
}

func followVIPs(t *testing.T, d *Daemon, o VIPOptions) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.FollowVIPs(ctx, o)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

func serve(t *testing.T) (*Daemon, *server.Server) {
	src := clienttest.NewServer(t)
	src.SetApp(app("/web", "10.0.0.1"))
	d, s, _ := start(t, t.TempDir(), src.URL())
	wait(t, "the first app", func() bool { return has(s, "web.marathon.mesos") })
	return d, s
}

func TestNamesOfVirtualAddresses(t *testing.T) {
	d, s := serve(t)
	v := newVIPDaemon(t)
	followVIPs(t, d, VIPOptions{URL: v.URL + "/", Every: time.Millisecond})
	const name = "test4.marathon.l4lb.thisdcos.directory"
	v.set(0, `{"names":{"Test4.marathon.l4lb.thisdcos.directory":["11.0.0.4","fd01:c::4"],"web.marathon.mesos":["6.6.6.6"],
		"bad.marathon.l4lb.thisdcos.directory":["127.0.0.1"],".l4lb.thisdcos.directory":["11.0.0.5"]}}`)
	wait(t, "the name", func() bool { return has(s, name) })
	z := d.Zone()
	if r := z.Lookup(name, zone.TypeAAAA); r.Answer != zone.Success || r.Set.First().Addr.String() != "fd01:c::4" || r.Set.TTL != 5 {
		t.Errorf("AAAA: %+v", r)
	}
	if r := z.Lookup("web.marathon.mesos", zone.TypeA); r.Set.Len() != 1 {
		t.Error("a vip daemon gave an address to a name that is not its business")
	}
	if has(s, "bad.marathon.l4lb.thisdcos.directory") || d.Status().VIPs != 1 {
		t.Errorf("taken what cannot be: %d names", d.Status().VIPs)
	}
	v.set(500, "")
	v.set(500, "x")
	serial := z.Serial()
	asked := func() int { v.mu.Lock(); defer v.mu.Unlock(); return v.full }
	n := asked()
	v.set(0, `{"names":{}}`)
	wait(t, "the name is gone", func() bool { return !has(s, name) })
	if asked() != n+1 || d.Zone().Serial() <= serial {
		t.Errorf("%d answers for one change, serial %d after %d", asked()-n, d.Zone().Serial(), serial)
	}
}

// The rules outlive both daemons, so the names do; but not the machine.
func TestNamesStayWhileVIPIsAway(t *testing.T) {
	v := newVIPDaemon(t)
	v.set(0, `{"names":{"test4.marathon.l4lb.thisdcos.directory":["11.0.0.4"]}}`)
	const name = "test4.marathon.l4lb.thisdcos.directory"
	d, s := serve(t)
	file := filepath.Join(t.TempDir(), "vips.json")
	stop := followVIPs(t, d, VIPOptions{URL: v.URL, File: file, Boot: "b1", Every: time.Millisecond})
	wait(t, "the name", func() bool { return has(s, name) })
	for _, bad := range []string{"", "{", `{"names":7}`, `{}`} {
		before := requests(v)
		v.set(0, bad)
		wait(t, "another answer", func() bool { return requests(v) > before })
	}
	v.set(503, "")
	if !has(s, name) {
		t.Error("the name is gone with its daemon")
	}
	wait(t, "the name is on disk", func() bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), name)
	})
	stop()

	d, s = serve(t)
	stop = followVIPs(t, d, VIPOptions{URL: v.URL, File: file, Boot: "b1", Every: time.Millisecond})
	wait(t, "the name of the last run", func() bool { return has(s, name) })
	stop()

	d, s = serve(t)
	f := &vipFeed{d: d, o: VIPOptions{URL: v.URL, File: file, Boot: "b2"}}
	f.load()
	if has(s, name) {
		t.Error("a name whose rules are gone with the machine's last run")
	}
}

func requests(v *vipDaemon) int { v.mu.Lock(); defer v.mu.Unlock(); return v.full }
