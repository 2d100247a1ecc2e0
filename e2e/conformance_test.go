//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

// balancer is the mlb program with a real HAProxy, which follows a Marathon that the test plays itself. What the conformance
// tests hold is written from marathon-lb's documented behaviour: they look at traffic, not at configuration.
type balancer struct {
	t        *testing.T
	dir      string
	marathon *clienttest.Server
	http     int
	https    int
	stats    int
	appID    int
	proc     *proc
}

// newBalancer starts mlb for the group external, and waits until it has applied what Marathon says.
func newBalancer(t *testing.T, apps []*api.AppInfo, flags ...string) *balancer {
	t.Helper()
	return newBalancerAt(t, apps, true, flags...)
}

// newBalancerAt leaves the template directory to the program if it is not to be the test's own.
func newBalancerAt(t *testing.T, apps []*api.AppInfo, ownTemplates bool, flags ...string) *balancer {
	t.Helper()
	need(t, "haproxy")
	dir, err := os.MkdirTemp("", "berth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			os.RemoveAll(dir)
		}
	})
	b := &balancer{t: t, dir: dir, marathon: clienttest.NewServer(t),
		http: porttest.Free(t), https: porttest.Free(t), stats: porttest.Free(t), appID: porttest.Free(t)}
	b.marathon.SetApps(apps...)
	if ownTemplates {
		flags = append(flags, "--template-dir", filepath.Join(b.dir, "templates"))
	}
	b.start(flags...)
	return b
}

func (b *balancer) start(flags ...string) {
	b.t.Helper()
	args := append(flags, b.args()...) // the mode comes first
	b.proc = start(b.t, "mlb", args...)
	eventually(b.t, 30*time.Second, "mlb is ready", func() error {
		var s struct{ Ready bool }
		code, body, err := get(b.page("/_mlb_state"), "")
		if err == nil && code == 200 {
			err = json.Unmarshal([]byte(body), &s)
		}
		if err != nil {
			return err
		}
		return expect(s.Ready, "%d %s", code, body)
	})
}

func (b *balancer) args() []string {
	return []string{"--marathon", b.marathon.URL(), "--haproxy-config", filepath.Join(b.dir, "haproxy.cfg"),
		"--http-port", itoa(b.http), "--https-port", itoa(b.https),
		"--stats-port", itoa(b.stats), "--appid-port", itoa(b.appID), "--group", "external", "--shutdown-delay", "10ms",
		"--shutdown-timeout", "500ms"}
}

func (b *balancer) page(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", b.stats, path)
}

// reply is what a client got.
type reply struct {
	code     int
	body     string
	header   http.Header
	location string
	proto    string
}

// send asks a port under a host name, on a connection of its own, following no redirect.
func (b *balancer) send(scheme, host string, port int, path string, headers ...string) (reply, error) {
	tr := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "sni.of.nobody"}}
	defer tr.CloseIdleConnections()
	c := http.Client{Timeout: 5 * time.Second, Transport: tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequest("GET", fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, port, path), nil)
	if err != nil {
		return reply{}, err
	}
	req.Host = host
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, string(body), resp.Header, resp.Header.Get("Location"), resp.Proto}, err
}

// upstream is a task: it answers with its name, the request line and the headers it got. /location?to=URL redirects there,
// /health is its health.
func upstream(t *testing.T, name string) *httptest.Server {
	s := httptest.NewServer(upstreamHandler(name))
	t.Cleanup(s.Close)
	return s
}

func upstreamHandler(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
			return
		}
		at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		fmt.Fprintf(w, "task %s\nline %s %s %s\nHost: %s\nX-Upstream: %s\n", name, r.Method, r.RequestURI, r.Proto, r.Host, at)
		_ = r.Header.Write(w)
	})
}

// served is an app with one service port and a task for each server.
func served(id string, port int, labels map[string]string, servers ...*httptest.Server) *api.AppInfo {
	a := &api.AppInfo{App: api.App{ID: id, Instances: len(servers), Labels: map[string]string{"HAPROXY_GROUP": "external"},
		PortDefinitions: []api.PortDefinition{{Port: port}}, Cmd: "x"}}
	for k, v := range labels {
		a.Labels[k] = v
	}
	for i, s := range servers {
		a.Tasks = append(a.Tasks, task(id, i, s))
	}
	return a
}

func task(id string, i int, s *httptest.Server) api.Task {
	port, _ := strconv.Atoi(s.URL[strings.LastIndexByte(s.URL, ':')+1:])
	return api.Task{ID: fmt.Sprintf("%s.%d", strings.Trim(strings.ReplaceAll(id, "/", "_"), "_"), i), Host: "127.0.0.1",
		Ports: []int{port}, State: api.TaskRunning}
}

// subject is one case of a conformance table: an app with labels of its own, a virtual host and a service port.
type subject struct {
	*balancer
	t    *testing.T
	id   string
	name string // of the backend
	host string
	port int
}

func (s *subject) must(scheme, host string, port int, path string, headers ...string) reply {
	s.t.Helper()
	r, err := s.send(scheme, host, port, path, headers...)
	if err != nil {
		s.t.Fatalf("%s %s:%d%s: %v", scheme, host, port, path, err)
	}
	return r
}

// web, tls and direct ask for the app on the http port, the https port and its own port.
func (s *subject) web(path string, headers ...string) reply {
	s.t.Helper()
	return s.must("http", s.host, s.balancer.http, path, headers...)
}

func (s *subject) tls(path string, headers ...string) reply {
	s.t.Helper()
	return s.must("https", s.host, s.https, path, headers...)
}

func (s *subject) direct(path string, headers ...string) reply {
	s.t.Helper()
	return s.must("http", s.host, s.port, path, headers...)
}

func (s *subject) byID(headers ...string) reply {
	s.t.Helper()
	return s.must("http", "any", s.appID, "/", append(headers, "X-Marathon-App-Id", s.id)...)
}

// ok wants an answer of the app's task, with a text in it.
func (s *subject) ok(r reply, want string) {
	s.t.Helper()
	if r.code != 200 || !strings.Contains(r.body, "task "+s.id) || !strings.Contains(r.body, want) {
		s.t.Errorf("%d, want 200 of %s with %q:\n%s", r.code, s.id, want, r.body)
	}
}

func (s *subject) code(r reply, want int) {
	s.t.Helper()
	if r.code != want {
		s.t.Errorf("status %d, want %d:\n%.300s", r.code, want, r.body)
	}
}

// everywhere asks all ways in.
func (s *subject) everywhere(want int, headers ...string) {
	s.t.Helper()
	for way, r := range map[string]reply{"http": s.web("/", headers...), "https": s.tls("/", headers...),
		"service port": s.direct("/", headers...), "app id": s.byID(headers...)} {
		if r.code != want {
			s.t.Errorf("by %s: %d, want %d", way, r.code, want)
		}
	}
}

func (s *subject) has(r reply, name, want string) {
	s.t.Helper()
	if got := r.header.Get(name); got != want {
		s.t.Errorf("header %s is %q, want %q", name, got, want)
	}
}

// problem wants mlb to name the app with a text.
func (s *subject) problem(want string) {
	s.t.Helper()
	_, body, err := get(s.page("/_mlb_problems"), "")
	if err != nil {
		s.t.Fatal(err)
	}
	var doc struct {
		Problems []struct{ App, Field, Reason string }
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		s.t.Fatal(err)
	}
	for _, p := range doc.Problems {
		if p.App == s.id && strings.Contains(p.Field+" "+p.Reason, want) {
			return
		}
	}
	s.t.Errorf("no problem of %s with %q:\n%s", s.id, want, body)
}

// closed wants nobody to listen on the service port.
func (s *subject) closed() {
	s.t.Helper()
	if r, err := s.send("http", s.host, s.port, "/"); err == nil {
		s.t.Errorf("service port %d answers %d", s.port, r.code)
	}
}

// labelCase is a row: labels by what follows HAPROXY_0_, and what a client must see. VHOST is set unless the row says "-".
type labelCase struct {
	rule   string
	labels map[string]string
	tasks  int // one by default
	adapt  func(a *api.AppInfo)
	check  func(s *subject)
}

// conform deploys all rows at once and runs their checks. It returns the labels that the rows have.
func conform(t *testing.T, rows []labelCase, flags ...string) map[string]bool {
	t.Helper()
	ports := porttest.Range(t, len(rows)+1)
	covered := map[string]bool{}
	var apps []*api.AppInfo
	subjects := make([]*subject, len(rows))
	for i, row := range rows {
		s := &subject{id: fmt.Sprintf("/case/%d", i), host: fmt.Sprintf("case%d.test", i), port: ports + i}
		s.name = fmt.Sprintf("case_%d_%d", i, s.port)
		subjects[i] = s
		labels := map[string]string{"HAPROXY_0_VHOST": s.host}
		for k, v := range row.labels {
			if !strings.HasPrefix(k, "HAPROXY_") {
				k = "HAPROXY_0_" + k
			}
			covered[k] = true
			v = strings.NewReplacer("$host", s.host, "$port", itoa(s.port), "$dir", os.TempDir()).Replace(v)
			if labels[k] = v; v == "-" {
				delete(labels, k)
			}
		}
		var servers []*httptest.Server
		for range max(1, row.tasks) {
			servers = append(servers, upstream(t, s.id))
		}
		a := served(s.id, s.port, labels, servers...)
		if row.adapt != nil {
			row.adapt(a)
		}
		apps = append(apps, a)
	}
	b := newBalancer(t, apps, flags...)
	for i, row := range rows {
		t.Run(row.rule, func(t *testing.T) {
			s := subjects[i]
			s.balancer, s.t = b, t
			row.check(s)
		})
	}
	return covered
}

// readAll reads until the other side closes.
func readAll(c net.Conn) string {
	text, _ := io.ReadAll(c) // what came before an error is what there is
	return string(text)
}
