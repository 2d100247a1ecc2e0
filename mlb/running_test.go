package mlb_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/mlb/model"
	"berth/mlb/offline"
	"berth/mlb/plan"
	"berth/mlb/render"
	"berth/orchestrator/api"
)

// running is a real HAProxy in a directory of its own.
type running struct {
	dir string
	ro  render.Options
}

// start runs HAProxy on what the apps give. Every backend answers with its own name, so that no task is needed.
func start(t *testing.T, apps []*api.AppInfo, overrides ...render.Override) (*running, plan.State) {
	t.Helper()
	bin := haproxy(t)
	dir := t.TempDir()
	ports := porttest.Several(t, 4)
	r := &running{dir: dir, ro: render.Options{
		Addr: "127.0.0.1", HTTPPort: ports[0], HTTPSPort: ports[1], StatsPort: ports[2], AppIDPort: ports[3],
		MapDir: dir, StatsSocket: filepath.Join(dir, "stats"), AdminSocket: filepath.Join(dir, "admin"),
		Certificates: []string{certificate(t, dir)}, Overrides: overrides,
	}}
	state := r.state(apps)
	if err := offline.Write(dir, state.Output); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(bin, "-db", "-f", filepath.Join(dir, offline.ConfigName))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself, which the test has seen then
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy said:\n%s", log.String())
		}
	})
	deadline := time.Now().Add(30 * time.Second)
	for {
		if c, err := net.Dial("unix", r.ro.StatsSocket); err == nil {
			c.Close()
			return r, state
		}
		if time.Now().After(deadline) {
			t.Fatal("haproxy did not open its socket within 10 s")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *running) state(apps []*api.AppInfo) plan.State {
	m, _ := model.Build(apps, model.Options{Groups: []string{"*"}, KeepEmpty: true, Reserved: r.ro.Reserved()})
	out, _ := render.Files(m, r.ro)
	return plan.State{Model: m, Output: out}
}

// command sends one line to the Runtime API and returns the answer.
func (r *running) command(t *testing.T, line string) string {
	t.Helper()
	c, err := net.Dial("unix", r.ro.StatsSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(answer))
}

// apply runs a plan and checks every answer.
func (r *running) apply(t *testing.T, p plan.Plan) {
	t.Helper()
	version := ""
	for _, c := range p.Commands {
		line := strings.ReplaceAll(c.Line, "{version}", version)
		if c.Payload != "" {
			line += " <<\n" + c.Payload
		}
		answer := r.command(t, line)
		good := answer == "" && len(c.Want) == 0
		for _, w := range c.Want {
			if strings.HasPrefix(answer+" ", w) {
				good, version = true, strings.TrimPrefix(answer, w)
			}
		}
		if !good {
			t.Errorf("%s\nanswered %q, wanted %q", c.Line, answer, c.Want)
		}
	}
}

// get asks for a URL under a host name and returns "status body" or "status location".
func (r *running) get(t *testing.T, scheme, host, path string, port int, header ...string) string {
	t.Helper()
	client := &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequest("GET", fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, port, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	if len(header) == 2 {
		req.Header.Set(header[0], header[1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if l := resp.Header.Get("Location"); l != "" {
		return fmt.Sprint(resp.StatusCode, " ", l)
	}
	if resp.StatusCode != 200 {
		return fmt.Sprint(resp.StatusCode)
	}
	body, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return "200 " + strings.TrimSpace(body)
}

var sayName = render.Override{
	Name: "BACKEND_HTTP_OPTIONS", Source: "test",
	Text: "  http-request return status 200 content-type text/plain lf-string %[be_name]\n",
}

func testApp(id string, port int, labels map[string]string, tasks ...api.Task) *api.AppInfo {
	all := make(map[string]string)
	for k, v := range labels {
		all["HAPROXY_0_"+k] = v
	}
	return &api.AppInfo{App: api.App{
		ID: id, Labels: all, PortDefinitions: []api.PortDefinition{{Port: port}},
	}, Tasks: tasks}
}

func testTask(n int) api.Task {
	return api.Task{ID: fmt.Sprint("t", n), Host: fmt.Sprintf("127.0.0.%d", n), Ports: []int{9}, State: api.TaskRunning}
}

// TestRouting asks a real HAProxy where requests go.
func TestRouting(t *testing.T) {
	port := porttest.Free(t)
	one := []api.Task{testTask(1)}
	unbound := func(id string, n int, labels map[string]string) *api.AppInfo {
		labels["BIND_ADDR"] = fmt.Sprintf("127.0.1.%d", n)
		return testApp(id, port, labels, one...)
	}
	r, state := start(t, []*api.AppInfo{
		unbound("/root", 1, map[string]string{"VHOST": "a.test,shared.test"}),
		unbound("/api", 2, map[string]string{"VHOST": "a.test", "PATH": "/api"}),
		unbound("/deep", 3, map[string]string{"VHOST": "a.test", "PATH": "/api/v2 /x;y"}),
		unbound("/wild", 4, map[string]string{"VHOST": "*.test"}),
		unbound("/wildpath", 5, map[string]string{"VHOST": "*.test", "PATH": "/login"}),
		unbound("/sub", 6, map[string]string{"VHOST": "*.sub.test"}),
		unbound("/heavy", 7, map[string]string{"VHOST": "*.test", "PATH": "/heavy", "BACKEND_WEIGHT": "9"}),
		unbound("/secure", 8, map[string]string{"VHOST": "s.test", "REDIRECT_TO_HTTPS": "true"}),
		unbound("/auth", 9, map[string]string{"VHOST": "p.test", "AUTH": "My Realm:joe:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"}),
		unbound("/own", 10, map[string]string{
			"VHOST": "own.test", "HTTP_FRONTEND_ACL": "  acl own_rule hdr(host) -i {hostname}\n  use_backend {backend} if own_rule",
		}),
		unbound("/nocase", 11, map[string]string{"VHOST": "n.test", "PATH": "-i /Any"}),
	}, sayName)
	name := func(id string) string { return fmt.Sprintf("200 %s_%d", id, port) }
	cases := []struct{ rule, scheme, host, path, want string }{
		{"an exact host", "http", "a.test", "/", name("root")},
		{"in any case and with a port", "http", "A.Test:8080", "/", name("root")},
		{"and with a final dot", "http", "a.test.:8080", "/", name("root")},
		{"a path", "http", "a.test", "/api/x", name("api")},
		{"the longest path", "http", "a.test", "/api/v2/x", name("deep")},
		{"a prefix is textual", "http", "a.test", "/api/v22", name("deep")},
		{"one of several paths", "http", "a.test", "/x;y", name("deep")},
		{"paths know case", "http", "a.test", "/API", name("root")},
		{"a wildcard", "http", "other.test", "/", name("wild")},
		{"a wildcard takes several labels", "http", "x.y.z.test", "/", name("wild")},
		{"up to as many as promised", "http", "a.b.c.d.test", "/", name("wild")},
		{"and no more", "http", "a.b.c.d.e.test", "/", "503"},
		{"but not the domain itself", "http", "test", "/", "503"},
		{"the longer wildcard", "http", "x.sub.test", "/", name("sub")},
		{"a path below a wildcard", "http", "other.test", "/login", name("wildpath")},
		{"an exact host before a wildcard with a path", "http", "a.test", "/login", name("root")},
		{"weight before exactness", "http", "a.test", "/heavy/x", name("heavy")},
		{"an unknown host", "http", "nowhere.example", "/", "503"},
		{"an address", "http", "[::1]:80", "/", "503"},
		{"https goes by Host", "https", "a.test", "/api", name("api")},
		{"https redirects nothing", "https", "s.test", "/", name("secure")},
		{"a redirect keeps path and query", "http", "s.test:80", "/p?q=1", fmt.Sprintf("301 https://s.test:%d/p?q=1", r.ro.HTTPSPort)},
		{"authentication", "http", "p.test", "/", "401"},
		{"authentication on https", "https", "p.test", "/", "401"},
		{"a rule of its own", "http", "own.test", "/", name("own")},
		{"a rule of its own on https", "https", "own.test", "/", name("own")},
		{"a path in any case", "http", "n.test", "/aNY/x", name("nocase")},
		{"a path in any case, other path", "http", "n.test", "/else", name("wild")},
	}
	for _, c := range cases {
		p := r.ro.HTTPPort
		if c.scheme == "https" {
			p = r.ro.HTTPSPort
		}
		if got := r.get(t, c.scheme, c.host, c.path, p); got != c.want {
			t.Errorf("%s: %s %s%s gives %q, want %q", c.rule, c.scheme, c.host, c.path, got, c.want)
		}
	}
	byID := func(id string) string {
		return r.get(t, "http", "any", "/", r.ro.AppIDPort, "X-Marathon-App-Id", id)
	}
	if got := byID("/API"); got != name("api") {
		t.Errorf("by app id in other case: %q", got)
	}
	if got := byID("/none"); got != "503" {
		t.Errorf("by unknown app id: %q", got)
	}
	if got := byID("/auth"); got != "401" {
		t.Errorf("authentication by app id: %q", got)
	}
	if info := r.command(t, "show info"); !strings.Contains(info, state.Output.Marker) {
		t.Errorf("show info does not say %s", state.Output.Marker)
	}
	r.adminPage(t)
}

// TestRulesOfTheirOwn asks a real HAProxy where requests go when services that have rules of their own share hosts with
// others, and how far such rules reach.
func TestRulesOfTheirOwn(t *testing.T) {
	port := porttest.Free(t)
	n := 0
	app := func(id string, version int, labels map[string]string) *api.AppInfo {
		n++
		labels["BIND_ADDR"] = fmt.Sprintf("127.0.1.%d", n)
		a := testApp(id, port, labels, testTask(1))
		a.Version = api.Timestamp(version)
		return a
	}
	const auth = "R:joe:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"
	const byHost = "  acl host_{cleanedUpHostname} hdr(host) -i {hostname}\n"
	use := "  use_backend {backend} if host_{cleanedUpHostname}"
	r, _ := start(t, []*api.AppInfo{
		// A canary by a header, and what it leaves.
		app("/canary", 9, map[string]string{"VHOST": "c.test", "BACKEND_WEIGHT": "10", "HTTP_FRONTEND_ACL": "  acl beta hdr(x-beta) -m found\n" +
			byHost + "  http-request set-header X-Seen canary if beta\n" + use + " beta\n"}),
		app("/main", 1, map[string]string{"VHOST": "c.test"}),
		app("/mainapi", 1, map[string]string{"VHOST": "c.test", "PATH": "/api"}),
		// Two with rules on one host: the heavier goes first and leaves what it does not want.
		app("/first", 1, map[string]string{"VHOST": "two.test", "BACKEND_WEIGHT": "2", "HTTP_FRONTEND_ACL": "  acl mine path_beg /f\n" + byHost + use + " mine\n"}),
		app("/second", 1, map[string]string{"VHOST": "two.test", "HTTP_FRONTEND_ACL": "  acl mine path_beg /s /f\n" + byHost +
			"  http-request deny deny_status 410 if host_{cleanedUpHostname} { path_beg /f }\n" + use + " mine\n"}),
		// A wildcard with rules, and exact hosts below it.
		app("/wild", 1, map[string]string{"VHOST": "*.w.test", "AUTH": auth, "HTTP_FRONTEND_ACL_WITH_AUTH": "  acl host_{cleanedUpHostname} hdr_end(host) -i .w.test\n" +
			"  acl auth_{cleanedUpHostname} http_auth(user_{backend})\n  http-request auth realm R if host_{cleanedUpHostname} !auth_{cleanedUpHostname}\n" + use}),
		app("/exact", 9, map[string]string{"VHOST": "a.w.test"}),
		app("/pathonly", 9, map[string]string{"VHOST": "p.w.test", "PATH": "/only"}),
		app("/anycase", 1, map[string]string{"VHOST": "*.i.test", "PATH": "-i /"}),
		app("/below", 9, map[string]string{"VHOST": "a.i.test"}),
		// One that would like to have everything, under the names of others' ACLs.
		app("/greedy", 1, map[string]string{"VHOST": "g.test", "HTTP_FRONTEND_ACL": "  acl host_c_test_canary always_true\n  acl beta always_true\n" +
			"  acl METH_GET always_true\n  http-request deny deny_status 410 if { path /teapot }\n  use_backend {backend} if host_c_test_canary METH_GET"}),
		app("/halfhost", 1, map[string]string{"VHOST": "half.test", "PATH": "/half"}),
		// Younger than the app that has the host: no turn at all.
		app("/late", 9, map[string]string{"VHOST": "o.test", "HTTP_FRONTEND_ACL": byHost + use}),
		app("/old", 1, map[string]string{"VHOST": "o.test"}),
	}, sayName)
	name := func(id string) string { return fmt.Sprintf("200 %s_%d", id, port) }
	for _, c := range []struct {
		rule, host, path, want string
		headers                []string
	}{
		{"a rule of larger weight takes what it wants", "c.test", "/", name("canary"), []string{"X-Beta", "1"}},
		{"from longer paths, too", "c.test", "/api", name("canary"), []string{"X-Beta", "1"}},
		{"and leaves the rest to the next", "c.test", "/", name("main"), nil},
		{"as if it were not there", "c.test", "/api/x", name("mainapi"), nil},
		{"the heavier of two with rules", "two.test", "/f", name("first"), nil},
		{"leaves what it does not want", "two.test", "/s", name("second"), nil},
		{"an unclaimed rest is nobody's", "two.test", "/", "503", nil},
		{"a wildcard's rules hold below it", "x.w.test", "/", "401", nil},
		{"but not for an exact host", "a.w.test", "/", name("exact"), nil},
		{"nor for its path", "p.w.test", "/only", name("pathonly"), nil},
		{"while the rest of that host is the wildcard's", "p.w.test", "/else", "401", nil},
		{"paths in any case below a wildcard", "x.i.test", "/", name("anycase"), nil},
		{"an exact host goes before them", "a.i.test", "/", name("below"), nil},
		{"a rule may take its own host", "g.test", "/", name("greedy"), nil},
		{"and hosts that nobody has", "nobody.test", "/", name("greedy"), nil},
		{"but no path of a host that somebody has", "half.test", "/other", "503", nil},
		{"nor do its http rules reach others", "a.w.test", "/teapot", name("exact"), nil},
		{"they reach its own", "g.test", "/teapot", "410", nil},
		{"the older app keeps its host", "o.test", "/", name("old"), nil},
	} {
		if got := r.get(t, "http", c.host, c.path, r.ro.HTTPPort, c.headers...); got != c.want {
			t.Errorf("%s: %s%s gives %q, want %q", c.rule, c.host, c.path, got, c.want)
		}
	}
}

// adminPage checks the statistics port: health, metrics, and that mlb's own paths go to its socket.
func (r *running) adminPage(t *testing.T) {
	t.Helper()
	if got := r.get(t, "http", "x", "/_haproxy_health_check", r.ro.StatsPort); !strings.HasPrefix(got, "200") {
		t.Errorf("health: %q", got)
	}
	if got := r.get(t, "http", "x", "/metrics", r.ro.StatsPort); !strings.HasPrefix(got, "200 # HELP") {
		t.Errorf("metrics: %q", got)
	}
	l, err := net.Listen("unix", r.ro.AdminSocket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprintln(w, "admin", req.URL.Path)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }() // it ends with ErrServerClosed
	defer func() { srv.Close(); <-done }()
	for _, path := range []string{"/_haproxy_getconfig", "/_mlb_problems"} {
		if got := r.get(t, "http", "x", path, r.ro.StatsPort); got != "200 admin "+path {
			t.Errorf("%s: %q", path, got)
		}
	}
	r.command(t, "set server mlb_alive/alive state maint")
	if got := r.get(t, "http", "x", "/_haproxy_health_check", r.ro.StatsPort); got != "503" {
		t.Errorf("health of a balancer that is about to stop: %q", got)
	}
}

// TestRuntimePlanOnHAProxy applies plans to a real HAProxy, which must accept every command, and compares it with what
// the files say.
func TestRuntimePlanOnHAProxy(t *testing.T) {
	port := porttest.Free(t)
	labels := func(hosts string) map[string]string {
		return map[string]string{"VHOST": hosts, "BIND_ADDR": "127.0.0.1"}
	}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("host%d.test", i))
	}
	checked := testApp("/a", port, labels("a.test"), testTask(1), testTask(2), testTask(3))
	checked.HealthChecks = []api.HealthCheck{{Protocol: "HTTPS", PortIndex: new(int), IntervalSeconds: 60}}
	short := *checked
	short.Tasks = checked.Tasks[:1]
	killing := *checked
	killing.Tasks = []api.Task{testTask(1), testTask(2)}
	killing.Tasks[1].State = api.TaskKilling
	path := testApp("/a", port, map[string]string{"VHOST": "a.test", "PATH": "/x;y /z", "BIND_ADDR": "127.0.0.1"})
	path.HealthChecks, path.Tasks = checked.HealthChecks, checked.Tasks
	steps := []struct {
		rule string
		app  *api.AppInfo
	}{
		{"tasks more", checked}, {"a task drains and one goes", &killing}, {"back again", checked},
		{"one host more", withHosts(checked, "a.test,b.test")}, {"other hosts", withHosts(checked, "b.test,c.test")},
		{"many hosts at once", withHosts(checked, strings.Join(many[:250], ","))}, {"paths", path}, {"fewer again", &short},
	}
	r, now := start(t, []*api.AppInfo{&short})
	for _, s := range steps {
		next := r.state([]*api.AppInfo{s.app})
		p := plan.Make(now, next, plan.Options{MapDir: r.dir})
		if p.Rung != plan.Runtime {
			t.Fatalf("%s: %s", s.rule, p)
		}
		r.apply(t, p)
		r.compare(t, s.rule, next)
		now = next
	}
}

func withHosts(a *api.AppInfo, hosts string) *api.AppInfo {
	c := *a
	c.Labels = map[string]string{"HAPROXY_0_VHOST": hosts, "HAPROXY_0_BIND_ADDR": "127.0.0.1"}
	return &c
}

// compare checks the maps and servers of the running HAProxy against a state.
func (r *running) compare(t *testing.T, rule string, want plan.State) {
	t.Helper()
	for _, m := range want.Output.Maps {
		lines := make(map[string]bool)
		for line := range strings.Lines(r.command(t, "show map "+filepath.Join(r.dir, m.Name))) {
			if _, entry, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				lines[entry] = true
			}
		}
		n := 0
		for line := range strings.Lines(string(m.Data)) {
			n++
			if !lines[strings.TrimSpace(line)] {
				t.Errorf("%s: %s lacks %s", rule, m.Name, line)
			}
		}
		if len(lines) != n {
			t.Errorf("%s: %s has %d entries, want %d", rule, m.Name, len(lines), n)
		}
	}
	backend := want.Model.Services[0]
	state := r.command(t, "show servers state "+backend.Name)
	for _, s := range backend.Servers {
		maint := "0"
		if s.Draining {
			maint = "1"
		}
		found := false
		for line := range strings.Lines(state) {
			f := strings.Fields(line)
			found = found || len(f) > 6 && f[3] == s.Name && f[4] == s.IP && (f[6] == maint || f[6] == "5" && s.Draining)
		}
		if !found {
			t.Errorf("%s: server %s is not as it should be in\n%s", rule, s.Name, state)
		}
	}
	if n := strings.Count(state, " "+backend.Name+" "); n != len(backend.Servers) {
		t.Errorf("%s: %d servers, want %d\n%s", rule, n, len(backend.Servers), state)
	}
}
