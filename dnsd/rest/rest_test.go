package rest

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"berth/dnsd"
	"berth/dnsd/forward"
	"berth/dnsd/server"
	"berth/dnsd/zone"
	"berth/orchestrator/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a loop that is told its zones.
type fake struct {
	mu      sync.Mutex
	b       *zone.Builder
	z       *zone.Zone
	apps    []*api.AppInfo
	changed chan struct{}
}

func newFake(t *testing.T) (*fake, zone.Options) {
	o, err := zone.DefaultOptions().Validate()
	if err != nil {
		t.Fatal(err)
	}
	return &fake{b: zone.NewBuilder(o), changed: make(chan struct{})}, o
}

func (f *fake) set(apps ...*api.AppInfo) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apps, f.z = apps, f.b.Update(apps, 100)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fake) Zone() *zone.Zone { f.mu.Lock(); defer f.mu.Unlock(); return f.z }
func (f *fake) Frameworks(main string) []dnsd.FrameworkApps {
	f.mu.Lock()
	defer f.mu.Unlock()
	return []dnsd.FrameworkApps{{Name: main, Apps: f.apps}}
}
func (f *fake) Problems() []zone.Problem { f.mu.Lock(); defer f.mu.Unlock(); return f.b.Problems() }
func (f *fake) Status() dnsd.Status {
	z := f.Zone()
	if z == nil {
		return dnsd.Status{}
	}
	return dnsd.Status{
		Loaded: true, Serial: z.Serial(), Records: z.Count().Records, Types: map[string]int{"SRV": z.Count().Types[2]},
	}
}

func (f *fake) Next(ctx context.Context, serial uint32) (*zone.Zone, error) {
	for {
		f.mu.Lock()
		z, changed := f.z, f.changed
		f.mu.Unlock()
		if z != nil && z.Serial() != serial {
			return z, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func app(id string, hosts ...string) *api.AppInfo {
	a := &api.AppInfo{App: api.App{
		ID: id, Networks: []api.Network{{Mode: api.NetworkHost}}, PortDefinitions: []api.PortDefinition{{Protocol: "tcp", Name: "http"}},
	}}
	for _, h := range hosts {
		a.Tasks = append(a.Tasks, api.Task{ID: "t-" + h, Host: h, SlaveID: "x-S1", State: api.TaskRunning, Ports: []int{31000}})
	}
	return a
}

func serve(t *testing.T, f *fake, o zone.Options) *httptest.Server {
	s := httptest.NewServer(New(Options{
		Daemon: f, Zone: o, Version: "v1", URL: "u", Enumeration: true, RefreshSec: 300, Config: map[string]int{"Port": 53},
		Server: func() server.Stats {
			return server.Stats{UDP: 3, ZoneTime: server.Latency{Count: 3, Sum: time.Second, Buckets: map[time.Duration]uint64{time.Millisecond: 2}}}
		}, Forward: func() forward.Stats { return forward.Stats{} },
	}))
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json;q=0.1, x/y")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(b.String())
}

func TestAPI(t *testing.T) {
	f, o := newFake(t)
	s := serve(t, f, o)
	if code, _ := get(t, s.URL+"/v1/hosts/web.marathon.mesos"); code != 503 {
		t.Errorf("before the first load: %d", code)
	}
	if code, _ := get(t, s.URL+"/readyz"); code != 503 {
		t.Errorf("ready before the first load: %d", code)
	}
	f.set(app("/web", "10.0.0.1"))
	target := "web-" + strings.Split(strings.TrimPrefix(f.Zone().Lookup("_web._tcp.marathon.mesos", zone.TypeSRV).Set.First().Target, "web-"), ".")[0]
	for _, tt := range []struct {
		path, want string
		code       int
	}{
		{"/v1/version", `{"Service":"Mesos-DNS","URL":"u","Version":"v1"}`, 200},
		{"/v1/config", `{"Port":53}`, 200},
		{"/v1/hosts/WEB.marathon.mesos.", `[{"host":"web.marathon.mesos.","ip":"10.0.0.1"}]`, 200},
		{"/v1/hosts/web.*.marathon.mesos", `[{"host":"web.marathon.mesos.","ip":"10.0.0.1"}]`, 200},
		{"/v1/hosts/no.mesos", `[{"host":"","ip":""}]`, 200},
		{"/v1/hosts/.*", `[{"host":"","ip":""}]`, 200},
		{"/v2/hosts/no.mesos", `{"message":"no addresses for no.mesos"}`, 404},
		{"/v2/hosts/web.marathon.mesos", `[{"host":"web.marathon.mesos.","ip":"10.0.0.1"}]`, 200},
		{"/v1/services/_web._tcp.marathon.mesos", `[{"service":"_web._tcp.marathon.mesos","host":"` + target + `.marathon.slave.mesos.","ip":"10.0.0.1","port":"31000"}]`, 200},
		{"/v1/services/_no._tcp.marathon.mesos", `[{"service":"","host":"","ip":"","port":""}]`, 200},
		{"/v2/services/_no._tcp.marathon.mesos", `{"message":"no service _no._tcp.marathon.mesos"}`, 404},
		{"/v1/hosts/web.marathon.mesos/ports", `[{"host":"web.marathon.mesos.","ip":"10.0.0.1","port":"31000","protocol":"tcp","name":"http"}]`, 200},
		{"/v2/problems", `[]`, 200},
	} {
		code, body := get(t, s.URL+tt.path)
		if diff := cmp.Diff(tt.want, body); diff != "" || code != tt.code {
			t.Errorf("%s: %d %s", tt.path, code, diff)
		}
	}
	if code, _ := get(t, s.URL+"/v1/nothing"); code != 404 {
		t.Errorf("unknown path: %d", code)
	}
	if resp, err := http.Post(s.URL+"/v1/version", "", nil); err != nil || resp.StatusCode != 405 {
		t.Errorf("another method: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestLists(t *testing.T) {
	f, o := newFake(t)
	f.b.SetInfra(zone.Infra{Own: []netip.Addr{netip.MustParseAddr("10.0.0.9")}})
	f.set(app("/web", "10.0.0.1", "10.0.0.2"), app("/a/web", "10.0.0.1"))
	s := serve(t, f, o)
	var enum struct {
		Frameworks []struct {
			Name  string
			Tasks []struct {
				ID      string
				Records []struct{ Name, Host, Rtype string }
			}
		}
	}
	_, body := get(t, s.URL+"/v1/enumerate")
	if err := json.Unmarshal([]byte(body), &enum); err != nil || len(enum.Frameworks) != 1 || len(enum.Frameworks[0].Tasks) != 3 {
		t.Fatal(err, body)
	}
	seen := map[string]bool{}
	for _, task := range enum.Frameworks[0].Tasks {
		for _, r := range task.Records {
			key := r.Name + r.Host + r.Rtype
			if seen[key] {
				t.Errorf("twice: %s", key)
			}
			seen[key] = true
		}
	}
	var axfr struct {
		TTL, Serial, RefreshSeconds int
		Domain                      string
		Records                     map[string]map[string][]string
	}
	_, body = get(t, s.URL+"/v1/axfr")
	if err := json.Unmarshal([]byte(body), &axfr); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"10.0.0.1", "10.0.0.2"}, axfr.Records["As"]["web.marathon.mesos."]); diff != "" || axfr.Serial != 100 || axfr.TTL != 5 {
		t.Error(diff, axfr.Serial)
	}
	var rows []struct{ Name, Host, Rtype string }
	_, body = get(t, s.URL+"/v1/records")
	if err := json.Unmarshal([]byte(body), &rows); err != nil || len(rows) != f.Zone().Count().Records {
		t.Errorf("%d rows, want %d: %v", len(rows), f.Zone().Count().Records, err)
	}
	_, body = get(t, s.URL+"/metrics")
	for _, want := range []string{`dnsd_queries_total{transport="udp"} 3`, "dnsd_zone_loaded 1", "dnsd_forward_cache_hits_total 0",
		`dnsd_answer_seconds_bucket{by="zone",le="0.001"} 2`, `dnsd_answer_seconds_count{by="zone"} 3`, `dnsd_zone_records_by_type{type="SRV"} `,
		"dnsd_zone_fallbacks 0", "dnsd_zone_expired 0"} {
		if !strings.Contains(body, want) {
			t.Errorf("metrics lack %q", want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWatch(t *testing.T) {
	f, o := newFake(t)
	f.set(app("/web", "10.0.0.1"))
	s := serve(t, f, o)
	if code, _ := get(t, s.URL+"/v2/watch"); code != 400 {
		t.Errorf("no name: %d", code)
	}
	resp, err := http.Get(s.URL + "/v2/watch?name=web.marathon.mesos,db.marathon.mesos")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	sc := bufio.NewScanner(resp.Body)
	event := func() (c change) {
		for sc.Scan() {
			if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
				if err := json.Unmarshal([]byte(data), &c); err != nil {
					t.Fatal(err)
				}
				return c
			}
		}
		t.Fatal("the stream ended")
		return c
	}
	first, second := event(), event()
	if first.Records["A"][0] != "10.0.0.1" || len(second.Records) != 0 {
		t.Errorf("at the start: %v, %v", first, second)
	}
	f.set(app("/web", "10.0.0.1"), app("/db", "10.0.0.2"))
	if c := event(); c.Name != "db.marathon.mesos" || c.Records["A"][0] != "10.0.0.2" || c.Serial <= first.Serial {
		t.Errorf("a change: %v", c)
	}
}
