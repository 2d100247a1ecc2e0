package mlb_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/internal/porttest"
	"berth/mlb/explain"
	"berth/mlb/render"
	"berth/orchestrator/api"
)

var (
	somePaths = []string{"", "", "", "/a", "/a/b", "/A", "/a /c", "-i /I", "/a%20b"}
	someHosts = []string{"a.test", "b.test", "x.a.test", "*.test", "*.a.test", "a.test,b.test", "*.test,c.test", ""}
	askHosts  = []string{"a.test", "b.test", "c.test", "x.a.test", "y.x.a.test", "other.test", "test", "A.TEST", "1.2.3.4.test",
		"1.2.3.4.5.test", "nowhere"}
	askPaths = []string{"/", "/a", "/a/b/c", "/ab", "/A/x", "/c", "/i/x", "/I", "/a%20b", "/?q=1"}
)

// someApps are apps that compete for hosts and paths.
func someApps(port int, task api.Task) *rapid.Generator[[]*api.AppInfo] {
	return rapid.Custom(func(t *rapid.T) []*api.AppInfo {
		var apps []*api.AppInfo
		for i := range rapid.IntRange(1, 14).Draw(t, "apps") {
			labels := map[string]string{"MODE": "http", "BIND_ADDR": fmt.Sprintf("127.0.1.%d", i+1)}
			put := func(name string, choices ...string) {
				if v := rapid.SampledFrom(choices).Draw(t, name); v != "" {
					labels[name] = v
				}
			}
			put("VHOST", someHosts...)
			put("PATH", somePaths...)
			put("BACKEND_WEIGHT", "", "", "", "0", "1", "5", "-1")
			put("REDIRECT_TO_HTTPS", "", "", "", "true")
			put("AUTH", "", "", "", "", "r:joe:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1")
			put("HTTP_BACKEND_REDIR", "", "", "", "/home")
			put("BACKEND_NETWORK_ALLOWED_ACL", "", "", "", "10.0.0.0/8", "127.0.0.0/8")
			put("HTTP_FRONTEND_ACL", "", "", "", "  acl host_{cleanedUpHostname} var(txn.host) {hostMatch}\n"+
				"  use_backend {backend} if host_{cleanedUpHostname}\n")
			a := testApp(fmt.Sprintf("/app%d", i), port, labels, task)
			a.Version = api.Timestamp(rapid.IntRange(1, 5).Draw(t, "version"))
			if rapid.IntRange(0, 9).Draw(t, "empty") == 0 {
				a.Tasks = nil
			}
			apps = append(apps, a)
		}
		return apps
	})
}

// TestExplainAgreesWithHAProxy asks a real HAProxy and the explanation about the same requests.
func TestExplainAgreesWithHAProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Header.Get("X-Backend"))
	}))
	defer server.Close()
	_, text, _ := net.SplitHostPort(server.Listener.Addr().String())
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	task := api.Task{ID: "t", Host: "127.0.0.1", Ports: []int{n}, State: api.TaskRunning}
	say := render.Override{Name: "BACKEND_HTTP_OPTIONS", Source: "test", Text: "  http-request set-header X-Backend %[be_name]\n"}
	for seed := range 12 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			apps := someApps(porttest.Free(t), task).Example(seed)
			r, state := start(t, apps, say)
			in := explain.Input{
				Model: state.Model, Output: state.Output, Apps: apps, HTTPPort: r.ro.HTTPPort, HTTPSPort: r.ro.HTTPSPort,
				StatsPort: r.ro.StatsPort, AppIDPort: r.ro.AppIDPort,
			}
			for _, scheme := range []string{"http", "https"} {
				for _, host := range askHosts {
					for _, path := range askPaths {
						r.agrees(t, in, scheme, host, path)
					}
				}
			}
			for i := range 16 {
				id := fmt.Sprintf("/App%d", i)
				q, err := explain.ParseRequest(fmt.Sprintf("http://x:%d/", r.ro.AppIDPort), []string{"X-Marathon-App-Id=" + id}, 1, 2)
				if err != nil {
					t.Fatal(err)
				}
				q.From = netip.MustParseAddr("127.0.0.1")
				got := r.get(t, "http", "x", "/", r.ro.AppIDPort, "X-Marathon-App-Id", id)
				if a := explain.Explain(in, q); said(a) != got {
					t.Errorf("app id %s: haproxy %q, explained %q:\n%s", id, got, said(a), a)
				}
			}
			if t.Failed() {
				for _, a := range apps {
					t.Logf("%s version %d, %d tasks: %v", a.ID, a.Version, len(a.Tasks), a.Labels)
				}
			}
		})
	}
}

func (r *running) agrees(t *testing.T, in explain.Input, scheme, host, path string) {
	t.Helper()
	port := r.ro.HTTPPort
	if scheme == "https" {
		port = r.ro.HTTPSPort
	}
	q, err := explain.ParseRequest(scheme+"://"+host+path, nil, r.ro.HTTPPort, r.ro.HTTPSPort)
	if err != nil {
		t.Fatal(err)
	}
	q.From = netip.MustParseAddr("127.0.0.1")
	got := r.get(t, scheme, host, path, port)
	a := explain.Explain(in, q)
	if said(a) != got {
		t.Errorf("%s://%s%s: haproxy %q, explained %q:\n%s", scheme, host, path, got, said(a), a)
	}
	for _, l := range a.Lost {
		if l.Why == "" || l.Backend == a.Backend {
			t.Errorf("%s://%s%s: loser %+v", scheme, host, path, l)
		}
	}
}

// said is an answer in the form of running.get.
func said(a explain.Answer) string {
	switch {
	case a.Status == 0:
		return "200 " + a.Backend
	case a.Location != "":
		return strings.TrimSpace(fmt.Sprint(a.Status, " ", a.Location))
	}
	return fmt.Sprint(a.Status)
}
