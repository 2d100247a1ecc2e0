//go:build e2e && soak

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/internal/certtest"
	"berth/internal/porttest"
	"berth/mlb"
	"berth/mlb/haproxy"
	"berth/mlb/haproxy/agreetest"
	"berth/orchestrator/api"
)

const (
	soakEvery   = 360 * time.Millisecond // a change, on average: 500 in the default of 3 minutes
	soakApps    = 30                     // that come, change and go
	soakBad     = 6                      // that HAProxy or mlb does not accept
	soakStore   = 6                      // backends in store
	soakRequest = 30                     // a second, of each kind of load
)

// soakTime is how long changes go on: the environment variable SOAK, or 3 minutes.
func soakTime(t *testing.T) time.Duration {
	text := os.Getenv("SOAK")
	if text == "" {
		return 500 * soakEvery
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 10*time.Second || d > 24*time.Hour {
		t.Fatalf("SOAK is %q: expected a time between 10s and 24h", text)
	}
	return d
}

// soakSeed makes a run repeatable as far as time allows: the environment variable SOAK_SEED, or a new one.
func soakSeed(t *testing.T) uint64 {
	text := os.Getenv("SOAK_SEED")
	if text == "" {
		return uint64(time.Now().UnixNano())
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SOAK_SEED is %q: expected a number", text)
	}
	return n
}

// soak is a load balancer, what the cluster says to it, and what it should come to.
type soak struct {
	*balancer
	flags []string
	rand  *rand.Rand
	paths haproxy.Paths
	tasks []*httptest.Server
	ports int // the first: web, stream, sticky, then those of apps and of bad apps
	store int // the first of the ports in store
	apps  map[string]*api.AppInfo
	bad   map[string]bool  // of these, those that are to be listed as problems
	odd   map[string]bool  // not in apps
	certs map[string]int64 // serial number by host name
	last  int64

	outage int // changes until Marathon is back; 0 when it is there
	count  map[string]int
	rungs  map[string]int // of load balancers that were killed
}

// Requests at a constant rate, one websocket and one TCP stream go on while apps and certificates change at random, while
// Marathon goes away and comes back and mlb itself is killed: none may fail. In the end HAProxy does exactly what the files
// and the apps say; then it is killed, and does so again.
func TestSoak(t *testing.T) {
	limit, seed := soakTime(t), soakSeed(t)
	t.Logf("SOAK=%v SOAK_SEED=%d", limit, seed)
	s := newSoak(t, seed)
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	defer end()
	clients := s.clients(stop)
	front := fmt.Sprintf("127.0.0.1:%d", s.http)
	loads := map[string]*load{
		"http by host":         startLoad(t, "http://"+front+"/", "web.test", soakRequest, limit+10*time.Minute),
		"http by service port": startLoad(t, fmt.Sprintf("http://127.0.0.1:%d/", s.ports), "", soakRequest, limit+10*time.Minute),
	}
	s.changes(limit)
	s.agree("all changes")
	s.exact()
	for name, l := range loads {
		l.none(name)
	}
	end()
	for name, c := range clients {
		n, err := c.ok()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if least := int(limit / time.Second); n < least {
			t.Errorf("%s: only %d exchanges, want %d at least", name, n, least)
		}
		t.Logf("%s: %v", name, c)
	}
	s.killHAProxy()
	s.agree("HAProxy was killed")
	s.exact()
}

func newSoak(t *testing.T, seed uint64) *soak {
	s := &soak{rand: rand.New(rand.NewPCG(seed, 1)), ports: porttest.Range(t, 3+soakApps+soakBad),
		store: porttest.Range(t, 4*soakStore), apps: map[string]*api.AppInfo{}, bad: map[string]bool{}, odd: map[string]bool{},
		certs: map[string]int64{}, count: map[string]int{}, rungs: map[string]int{}}
	for range 4 {
		s.tasks = append(s.tasks, talk(t))
	}
	tlsDir := t.TempDir()
	s.flags = []string{"--ssl-certs", filepath.Join(tlsDir, "main.pem") + "," + tlsDir, "--spare-backends", itoa(soakStore - 2),
		"--spare-tcp-backends", "2", "--spare-ports", fmt.Sprintf("%d-%d", s.store, s.store+4*soakStore-1),
		// The websocket stays on the worker that it began with, however many come after.
		"--max-old-workers", "0", "--hard-stop-after", "0"}
	s.certificate(t, tlsDir, "main.test")
	s.apps["/web"] = s.web(2)
	s.apps["/stream"] = served("/stream", s.ports+1, map[string]string{"HAPROXY_0_MODE": "tcp"}, s.tasks[:2]...)
	s.balancer = newBalancer(t, slices.Collect(maps.Values(s.apps)), s.flags...)
	var err error
	if s.paths, err = haproxy.NewPaths(filepath.Join(s.dir, "haproxy.cfg"), ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { t.Logf("changes: %v; what they came to: %v", s.count, s.rungs) })
	return s
}

// clients starts those that a failed request cannot escape.
func (s *soak) clients(stop <-chan struct{}) map[string]*tally {
	s.t.Helper()
	var group sync.WaitGroup
	s.t.Cleanup(group.Wait)
	all := map[string]*tally{}
	for name, k := range map[string]keeper{
		"kept connections, http":         {addr: fmt.Sprintf("127.0.0.1:%d", s.http), host: "web.test"},
		"kept connections, https":        {addr: fmt.Sprintf("127.0.0.1:%d", s.https), host: "web.test", tls: true},
		"kept connections, service port": {addr: fmt.Sprintf("127.0.0.1:%d", s.ports), host: "x"},
	} {
		all[name] = new(tally)
		for range 5 {
			one := k
			one.every, one.tally = 5*time.Second/soakRequest, all[name]
			group.Go(func() { one.run(stop) })
		}
	}
	for name, at := range map[string]int{"websocket": s.http, "tcp stream": s.ports + 1} {
		all[name] = new(tally)
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", at))
		if err == nil {
			err = echo(c, "web.test", all[name], stop)
		}
		if err != nil {
			s.t.Fatalf("%s: %v", name, err)
		}
	}
	return all
}

// web is the app that requests go to: it always has a task that takes them.
func (s *soak) web(n int) *api.AppInfo {
	labels := map[string]string{"HAPROXY_0_MODE": "http", "HAPROXY_0_VHOST": "web.test"}
	for label, value := range map[string]string{
		"VHOST": fmt.Sprintf("web.test,w%d.test", s.rand.IntN(5)), "USE_HSTS": "true", "STICKY": "true",
		"BACKEND_HTTP_OPTIONS": fmt.Sprintf("  http-response set-header X-Soak %d\n", s.rand.IntN(3)),
	} {
		if s.rand.IntN(5) == 0 {
			labels["HAPROXY_0_"+label] = value
		}
	}
	if s.rand.IntN(8) == 0 {
		labels["HAPROXY_0_BACKEND_HEAD"] = "backend {backend}\n  balance leastconn\n  mode {mode}\n"
	}
	a := served("/web", s.ports, labels, s.some(n)...)
	a.VersionInfo = &api.VersionInfo{LastScalingAt: 1, LastConfigChangeAt: 1} // older than whoever wants its port
	if s.rand.IntN(3) == 0 {
		a.HealthChecks = []api.HealthCheck{{Protocol: "HTTP", Path: "/health", PortIndex: new(int), IntervalSeconds: 2, TimeoutSeconds: 2}}
	}
	for i := range a.Tasks[1:] {
		if s.rand.IntN(4) == 0 {
			a.Tasks[i+1].State = api.TaskKilling
		}
	}
	return a
}

// some are n of the tasks, in any order.
func (s *soak) some(n int) []*httptest.Server {
	list := slices.Clone(s.tasks)
	s.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:n]
}

// certificate replaces one in the directory.
func (s *soak) certificate(t *testing.T, dir, name string) {
	s.last++
	certtest.Put(t, filepath.Join(dir, strings.TrimSuffix(name, ".test")+".pem"), name, s.last)
	s.certs[name] = s.last
}

// set makes an app what the cluster says, with an event unless Marathon is away.
func (s *soak) set(a *api.AppInfo) {
	s.apps[a.ID] = a
	if s.outage > 0 {
		s.marathon.Quietly(map[string]*api.AppInfo{a.ID: a})
		return
	}
	s.marathon.SetApp(a)
}

func (s *soak) remove(id string) {
	delete(s.apps, id)
	delete(s.bad, id)
	delete(s.odd, id)
	if s.outage > 0 {
		s.marathon.Quietly(map[string]*api.AppInfo{id: nil})
		return
	}
	s.marathon.RemoveApp(id)
}

// changes makes random ones until the time is over, two a time now and then, and mostly waits until they are in force.
func (s *soak) changes(limit time.Duration) {
	s.t.Helper()
	tick := time.NewTicker(soakEvery)
	defer tick.Stop()
	total := int(limit / soakEvery)
	for n := range total {
		<-tick.C
		s.change()
		if s.outage == 0 && s.rand.IntN(3) > 0 {
			s.applied(fmt.Sprintf("change %d of %d", n+1, total))
		}
	}
	s.back()
	// Something that takes a reload: after it, apps that have claimed a backend go by their own names.
	s.set(served("/last", s.ports+2, map[string]string{"HAPROXY_0_STICKY": "true", "HAPROXY_0_VHOST": "last.test"}, s.tasks[0]))
	s.applied("the last change")
	for k, v := range s.state().Changes {
		s.rungs[k] += v
	}
}

// change makes one of all kinds.
func (s *soak) change() {
	kinds := []struct {
		name   string
		weight int
		do     func()
	}{
		{"web: tasks", 25, func() { s.scale("/web") }},
		{"web: labels", 10, func() { s.set(s.web(1 + s.rand.IntN(4))) }},
		{"stream: tasks", 10, func() { s.scale("/stream") }},
		{"app", 35, s.randomApp},
		{"app removed", 10, func() { s.removeRandom(fmt.Sprintf("/app%d", s.rand.IntN(soakApps))) }},
		{"bad app", 8, s.badApp},
		{"bad app removed", 4, func() { s.removeRandom(fmt.Sprintf("/bad%d", s.rand.IntN(soakBad))) }},
		{"certificate", 8, func() {
			s.certificate(s.t, filepath.Dir(strings.Split(s.flags[1], ",")[0]), []string{"main.test", "a.test", "b.test"}[s.rand.IntN(3)])
		}},
		{"marathon away", 3, s.away},
		{"mlb killed", 1, s.killMLB},
	}
	if s.outage > 0 {
		if s.outage--; s.outage == 0 {
			s.back()
		}
	}
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	at := s.rand.IntN(sum)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			s.count[k.name]++
			k.do()
			return
		}
	}
}

// scale gives an app other tasks and leaves the rest as it is.
func (s *soak) scale(id string) {
	a := *s.apps[id] // what was told before stays as it is
	tasks := served(id, 1, nil, s.some(1+s.rand.IntN(4))...).Tasks
	if id == "/web" && len(tasks) > 1 && s.rand.IntN(3) == 0 {
		tasks[1].State = api.TaskKilling
	}
	a.Tasks, a.Instances = tasks, len(tasks)
	s.set(&a)
}

func (s *soak) removeRandom(id string) {
	if s.apps[id] != nil || s.odd[id] {
		s.remove(id)
	}
}

func (s *soak) randomApp() {
	i := s.rand.IntN(soakApps)
	id, port := fmt.Sprintf("/app%d", i), s.ports+3+i
	if i < 2*soakStore { // where a backend in store may be claimed
		port = s.store + i
	}
	labels := map[string]string{}
	if i%5 != 4 {
		labels["HAPROXY_0_VHOST"] = fmt.Sprintf("app%d.test,shared%d.test", i, s.rand.IntN(4))
		labels["HAPROXY_0_MODE"] = "http"
		for label, one := range map[string]int{"REDIRECT_TO_HTTPS": 6, "STICKY": 12, "USE_HSTS": 12} {
			if s.rand.IntN(one) == 0 {
				labels["HAPROXY_0_"+label] = "true"
			}
		}
		if s.rand.IntN(8) == 0 {
			labels["HAPROXY_0_PATH"] = "/p"
		}
	}
	a := served(id, port, labels, s.some(s.rand.IntN(5))...)
	if s.rand.IntN(4) == 0 {
		a.HealthChecks = []api.HealthCheck{{Protocol: "HTTP", Path: "/health", PortIndex: new(int), IntervalSeconds: 5, TimeoutSeconds: 2}}
	}
	s.set(a)
}

// badApp is one that cannot be served; nobody else may be hurt.
func (s *soak) badApp() {
	i := s.rand.IntN(soakBad)
	id, port := fmt.Sprintf("/bad%d", i), s.ports+3+soakApps+i
	labels := map[string]string{"HAPROXY_0_VHOST": fmt.Sprintf("bad%d.test", i)}
	switch i {
	case 0:
		labels["HAPROXY_0_BACKEND_HTTP_OPTIONS"] = fmt.Sprintf("  no-such-directive %d\n", s.rand.IntN(9))
	case 1:
		labels["HAPROXY_0_BACKEND_HTTP_OPTIONS"] = "  http-request deny\nbackend web_1\n"
	case 2:
		port = s.ports // of /web, which is older
	case 3:
		labels["HAPROXY_0_BACKEND_HEAD"] = "backend {nothing}\n"
	case 4:
		labels["HAPROXY_0_BIND_OPTIONS"] = "ssl crt /does/not/exist"
	case 5: // not even readable: mlb cannot tell whether it is one of its group
		if s.outage == 0 {
			s.marathon.SetRawApp(id, fmt.Sprintf(`{"id":%q,"labels":%d,"ports":null,"tasks":[null,7]}`, id, s.rand.IntN(9)))
			s.odd[id] = true
		}
		return
	}
	s.bad[id] = true
	s.set(served(id, port, labels, s.tasks[0]))
}

// away lets Marathon fail for the next few changes.
func (s *soak) away() {
	if s.outage > 0 {
		return
	}
	s.outage = 1 + s.rand.IntN(5)
	s.marathon.Fail(503)
	s.marathon.CutStreams()
}

func (s *soak) back() {
	s.outage = 0
	s.marathon.Fail(0)
}

// killMLB ends the daemon as a crash would, and starts it anew. HAProxy goes on.
func (s *soak) killMLB() {
	s.t.Helper()
	s.back()
	for k, v := range s.state().Changes {
		s.rungs[k] += v
	}
	s.proc.kill9()
	s.start(s.flags...)
}

func (s *soak) state() (st state) {
	s.t.Helper()
	eventually(s.t, 20*time.Second, "mlb tells its state", func() error {
		_, body, err := get(s.page("/_mlb_state"), "")
		if err != nil {
			return err
		}
		return json.Unmarshal([]byte(body), &st)
	})
	return st
}

// applied waits until HAProxy does what the cluster says.
func (s *soak) applied(what string) {
	s.t.Helper()
	eventually(s.t, time.Minute, what+" is in force", func() error {
		st := s.state()
		return expect(st.Index == s.marathon.Index() && !st.Failing, "index %d, want %d; failing %v", st.Index, s.marathon.Index(), st.Failing)
	})
}

// agree waits until what runs is what is written, which takes as long as files take to follow.
func (s *soak) agree(after string) {
	s.t.Helper()
	eventually(s.t, 30*time.Second, "after "+after+", HAProxy (-) and its files (+) agree", func() error {
		diff, err := agreetest.Diff(s.paths, mlb.MapNames())
		if err != nil {
			return err
		}
		return expect(diff == "", "%s", diff)
	})
}

// exact compares with the apps: servers and their addresses, hosts, certificates, and problems.
func (s *soak) exact() {
	s.t.Helper()
	for id, a := range s.apps {
		if s.bad[id] {
			continue
		}
		s.servers(a)
		host := strings.Split(a.Labels["HAPROXY_0_VHOST"], ",")[0]
		if host == "" {
			continue
		}
		running := slices.ContainsFunc(a.Tasks, func(t api.Task) bool { return t.State == api.TaskRunning })
		eventually(s.t, 10*time.Second, "requests to "+host, func() error {
			r, err := s.send("http", host, s.http, "/p")
			switch {
			case err != nil:
				return err
			case len(a.Tasks) > 0 && a.Labels["HAPROXY_0_REDIRECT_TO_HTTPS"] != "":
				return expect(r.code == 301, "%d, want a redirect", r.code)
			case running:
				return expect(r.code == 200 && strings.Contains(r.body, "task talk"), "%d %s", r.code, r.body)
			}
			return expect(r.code == 503, "%d, want 503 of an app without tasks", r.code)
		})
	}
	for name, want := range s.certs {
		eventually(s.t, 10*time.Second, "certificate of "+name, func() error {
			c, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.https), &tls.Config{InsecureSkipVerify: true, ServerName: name})
			if err != nil {
				return err
			}
			defer c.Close()
			got := c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
			return expect(got == want, "serial number %d, want %d", got, want)
		})
	}
	_, body, err := get(s.page("/_mlb_problems"), "")
	if err != nil {
		s.t.Fatal(err)
	}
	for id := range s.bad {
		if !strings.Contains(body, id) {
			s.t.Errorf("no problem of %s is listed:\n%s", id, body)
		}
	}
}

// servers compares those of one app with what HAProxy has.
func (s *soak) servers(a *api.AppInfo) {
	s.t.Helper()
	backend := fmt.Sprintf("%s_%d", strings.Trim(a.ID, "/"), a.PortDefinitions[0].Port)
	var want []string
	for _, t := range a.Tasks {
		text := fmt.Sprintf("127.0.0.1:%d", t.Ports[0])
		if t.State == api.TaskKilling {
			text += " maint"
		}
		want = append(want, text)
	}
	slices.Sort(want)
	answer, err := agreetest.Command(s.paths, "show servers state "+backend)
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(answer) {
		f := strings.Fields(line)
		if len(f) < 19 || f[0] == "#" {
			continue
		}
		text := f[4] + ":" + f[18]
		if admin, _ := strconv.Atoi(f[6]); admin != 0 {
			text += " maint"
		}
		got = append(got, text)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Errorf("%s has servers %v, want %v", backend, got, want)
	}
}

// killHAProxy ends master and worker at once; mlb has to bring it back.
func (s *soak) killHAProxy() {
	s.t.Helper()
	_, body, err := get(s.page("/_haproxy_getpids"), "")
	if err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	for _, f := range strings.Fields(body) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			s.t.Fatalf("pids: %q", body)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	eventually(s.t, 20*time.Second, "requests after HAProxy was killed", func() error {
		r, err := s.send("http", "web.test", s.http, "/")
		if err != nil {
			return err
		}
		return expect(r.code == 200, "%d", r.code)
	})
	s.t.Logf("HAProxy was killed and back after %v", time.Since(began).Round(time.Millisecond))
}
