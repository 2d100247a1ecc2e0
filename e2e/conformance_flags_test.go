//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/porttest"
	"berth/orchestrator/api"
)

// pair is one app for this balancer and one for others.
func pair(t *testing.T, port int, more map[string]string) []*api.AppInfo {
	up := upstream(t, "/one")
	one := served("/one", port, map[string]string{"HAPROXY_0_VHOST": "one.test"}, up)
	two := served("/two", port+1, map[string]string{"HAPROXY_0_VHOST": "two.test", "HAPROXY_GROUP": "internal"}, up)
	for k, v := range more {
		one.Labels[k] = v
	}
	return []*api.AppInfo{one, two}
}

func (b *balancer) status(scheme, host string, port int) int {
	b.t.Helper()
	r, err := b.send(scheme, host, port, "/")
	if err != nil {
		return 0
	}
	return r.code
}

// Command lines of marathon-lb's container, word by word.
func TestFlags(t *testing.T) {
	cases := []struct {
		rule     string
		flags    []string
		labels   map[string]string
		one, two int // by host name
		direct   int // by /one's service port
	}{
		{"a container's default command line", []string{"sse", "--health-check", "--group", "external"}, nil, 200, 503, 200},
		{"the package's command line", []string{"sse", "--health-check", "--haproxy-map", "--max-reload-retries", "10", "--reload-interval", "10"}, nil, 200, 503, 200},
		{"poll", []string{"poll"}, nil, 200, 503, 200},
		{"several groups", []string{"--group", "internal"}, nil, 200, 200, 200},
		{"every group", []string{"--group", "*"}, nil, 200, 200, 200},
		{"strict mode", []string{"--strict-mode"}, nil, 503, 503, 0},
		{"strict mode with ENABLED", []string{"--strict-mode"}, map[string]string{"HAPROXY_0_ENABLED": "true"}, 200, 503, 200},
		{"no ports for host names", []string{"--dont-bind-http-https"}, nil, 0, 0, 200},
		{"flags without effect any more", []string{"--command", "true", "--skip-config-cleanup", "--lru-cache-capacity=5", "--syslog-socket", "/dev/null"}, nil, 200, 503, 200},
		{"an app to ignore", []string{"--ignore-app", "one"}, nil, 503, 503, 0},
		{"Python's log levels and formats", []string{"--log-level", "INFO", "--log-format", "%(name)s: %(message)s"}, nil, 200, 503, 200},
		{"no templates in labels", []string{"--template-labels=false"}, map[string]string{"HAPROXY_0_BACKEND_HEAD": "backend {backend}"}, 503, 503, 0},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			port := porttest.Range(t, 2)
			b := newBalancer(t, pair(t, port, c.labels), c.flags...)
			if got := b.status("http", "one.test", b.http); got != c.one {
				t.Errorf("one.test: %d, want %d", got, c.one)
			}
			if got := b.status("https", "two.test", b.https); got != c.two {
				t.Errorf("two.test: %d, want %d", got, c.two)
			}
			if got := b.status("http", "x", port); got != c.direct {
				t.Errorf("service port: %d, want %d", got, c.direct)
			}
		})
	}
}

// Behind a load balancer that speaks the PROXY protocol, apps learn the client's address from it and not from headers.
func TestClientAddress(t *testing.T) {
	up := upstream(t, "/web")
	web := served("/web", porttest.Free(t), map[string]string{"HAPROXY_0_VHOST": "web.test"}, up)
	b := newBalancer(t, []*api.AppInfo{web}, "--accept-proxy", "--forwarded-headers", "overwrite")
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", b.http), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\nGET / HTTP/1.1\r\nHost: web.test\r\nX-Forwarded-For: 198.51.100.1\r\n"+
		"X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nForwarded: for=198.51.100.1\r\nConnection: close\r\n\r\n")
	got := readAll(c)
	for _, want := range []string{"200 OK", "task /web", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http\r", "X-Forwarded-Port: 80\r"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(got, "198.51.100.1") {
		t.Error("what the client says of itself reaches the app")
	}
	if t.Failed() {
		t.Log(got)
	}
	if r, err := b.send("http", "web.test", b.http, "/"); err == nil {
		t.Errorf("without the protocol's header: %d", r.code)
	}
}

// The environment of marathon-lb's container: templates, options, certificates, credentials, a sandbox.
func TestEnvironment(t *testing.T) {
	port := porttest.Range(t, 2)
	sandbox := t.TempDir()
	if err := os.MkdirAll(filepath.Join(sandbox, "templates"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sandbox, "templates", "HAPROXY_BACKEND_HSTS_OPTIONS"),
		[]byte("  http-response set-header X-File yes\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"MESOS_SANDBOX": sandbox, "HAPROXY_BACKEND_HTTP_OPTIONS": `  http-response set-header X-One {a}\n  http-response set-header X-Two b`,
		"HAPROXY_HTTPS_FRONTEND_AUTH_ACL_ONLY": "nothing", "HAPROXY_GLOBAL_DEFAULT_OPTIONS": "redispatch,http-server-close",
		"FRAMEWORK_NAME": "two", "PORTS": "9090",
	} {
		t.Setenv(k, v)
	}
	apps := pair(t, port, map[string]string{"HAPROXY_0_USE_HSTS": "true"})
	apps[1].Labels["HAPROXY_GROUP"] = "external"
	b := newBalancerAt(t, apps, false)
	r, err := b.send("http", "one.test", b.http, "/")
	if err != nil || r.header.Get("X-One") != "{a}" || r.header.Get("X-Two") != "b" || r.header.Get("X-File") != "yes" {
		t.Errorf("headers %v, %v", r.header, err)
	}
	if got := b.status("http", "two.test", b.http); got != 503 {
		t.Errorf("the balancer's own app answers %d", got)
	}
	_, body, err := get(b.page("/_mlb_problems"), "")
	if err != nil || !strings.Contains(body, "HTTPS_FRONTEND_AUTH_ACL_ONLY has no effect") {
		t.Errorf("problems: %s, %v", body, err)
	}
}

// One of two Marathons answers in a way that Marathon never would: the other one is used.
func TestFailOver(t *testing.T) {
	for rule, handler := range map[string]http.HandlerFunc{
		"errors":          func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) },
		"unauthorised":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusUnauthorized) },
		"no JSON":         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"a redirect loop": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
	} {
		t.Run(rule, func(t *testing.T) {
			bad := httptest.NewServer(handler)
			defer bad.Close()
			port := porttest.Range(t, 2)
			b := newBalancer(t, pair(t, port, nil), "--marathon", bad.URL)
			if got := b.status("http", "one.test", b.http); got != 200 {
				t.Errorf("one.test: %d", got)
			}
		})
	}
}

// --once applies the present state and leaves HAProxy running; --dry prints and touches nothing.
func TestOneShot(t *testing.T) {
	port := porttest.Range(t, 2)
	b := newBalancer(t, pair(t, port, nil), "--leave-haproxy")
	b.proc.term()
	if got := b.status("http", "one.test", b.http); got != 200 {
		t.Fatalf("HAProxy that was left: %d", got)
	}
	b.marathon.SetApps(served("/late", port+1, map[string]string{"HAPROXY_0_VHOST": "late.test"}, upstream(t, "/late")))
	args := append(b.args(), "--dry")
	out, err := exec.Command(bin+"/mlb", args...).Output()
	if err != nil || !strings.Contains(string(out), "late_"+itoa(port+1)) {
		t.Errorf("--dry prints %d bytes, %v", len(out), err)
	}
	if got := b.status("http", "late.test", b.http); got != 503 {
		t.Errorf("after --dry: %d", got)
	}
	if out, err := exec.Command(bin+"/mlb", append(b.args(), "--once")...).CombinedOutput(); err != nil {
		t.Fatalf("--once: %v\n%s", err, out)
	}
	eventually(t, 30*time.Second, "the state has been applied", func() error {
		got := b.status("http", "late.test", b.http)
		return expect(got == 200, "%d", got)
	})
	if out, err := exec.Command(bin+"/mlb", args...).Output(); err != nil || len(out) > 0 {
		t.Errorf("--dry with nothing to do prints %d bytes, %v", len(out), err)
	}
	b.start() // takes HAProxy over, and ends it with the test
}
