package render

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/mlb/model"
	"berth/orchestrator/api"
)

func oneService(labels map[string]string) *model.Model {
	all := map[string]string{}
	for k, v := range labels {
		all["HAPROXY_0_"+k] = v
	}
	m, _ := model.Build([]*api.AppInfo{
		{
			App:   api.App{ID: "/a", Labels: all, PortDefinitions: []api.PortDefinition{{Port: 10000}}},
			Tasks: []api.Task{{ID: "t", Host: "10.0.0.1", Ports: []int{31000}, State: api.TaskRunning}},
		},
		{
			App: api.App{ID: "/good", Labels: map[string]string{"HAPROXY_0_VHOST": "good.test"},
				PortDefinitions: []api.PortDefinition{{Port: 10001}}},
			Tasks: []api.Task{{ID: "t", Host: "10.0.0.1", Ports: []int{31000}, State: api.TaskRunning}},
		},
	}, model.Options{Groups: []string{"*"}})
	return m
}

func TestOptionsAreWritten(t *testing.T) {
	out, found := Files(&model.Model{}, Options{
		Addr: "127.0.0.1", HTTPPort: 8080, HTTPSPort: 8443, StatsPort: 1, AppIDPort: 2, MapDir: "/m", StatsSocket: "/s",
		AdminSocket: "/a", StateFile: "/st", Certificates: []string{"/c1", "/c2"}, DefaultOptions: []string{"b", "a", "b", " "},
		MaxConn: 7, HardStopAfter: time.Minute, CloseSpread: time.Second, MaxReloads: 3, User: "u", Group: "g", Log: "/dev/log",
		AccessLog: true,
	})
	if len(found) != 0 {
		t.Fatal(found)
	}
	for _, line := range []string{
		"  bind 127.0.0.1:8080\n", "  bind 127.0.0.1:8443 ssl crt /c1 crt /c2 alpn h2,http/1.1\n", "  bind 127.0.0.1:1\n",
		"  bind 127.0.0.1:2\n", "map_str(/m/domain2backend.map)", "  stats socket /s mode 600 level admin\n",
		"  server admin unix@/a\n", "  server-state-file /st\n", "  load-server-state-from-file global\n",
		"  option a\n  option b\n  default-server", "  maxconn 7\n", "  hard-stop-after 60000ms\n",
		"  close-spread-time 1000ms\n", "  mworker-max-reloads 3\n", "  user u\n", "  group g\n", "  log /dev/log local0\n",
		"  option httplog\n", "https://%[var(txn.host)]:8443%[pathq]",
	} {
		if !bytes.Contains(out.Config(), []byte(line)) {
			t.Errorf("the configuration lacks %q", line)
		}
	}
}

func TestWithoutCertificateOrHTTPThereAreNoSuchFrontends(t *testing.T) {
	plain, _ := Files(&model.Model{}, Options{})
	none, _ := Files(&model.Model{}, Options{NoHTTP: true, Certificates: []string{"/c"}})
	if text := string(plain.Config()); strings.Contains(text, "marathon_https_in") || !strings.Contains(text, "marathon_http_in") {
		t.Error("without a certificate there must be port 80 and no port 443")
	}
	if text := string(none.Config()); strings.Contains(text, "marathon_http_in") || strings.Contains(text, "marathon_https_in") ||
		!strings.Contains(text, "marathon_http_appid_in") {
		t.Error("without http there must be the app id port alone")
	}
}

func TestMarkerFollowsTheText(t *testing.T) {
	r, _ := New(Options{})
	m := oneService(nil)
	a, _ := r.Render(m)
	b, _ := r.Render(oneService(nil))
	c, _ := r.Render(oneService(map[string]string{"BALANCE": "leastconn"}))
	if a.Marker != b.Marker || !bytes.Equal(a.Config(), b.Config()) {
		t.Error("equal models give different texts")
	}
	if a.Marker == c.Marker || len(a.Marker) != len("mlb:")+16 {
		t.Errorf("markers %s and %s", a.Marker, c.Marker)
	}
	d, _ := Files(m, Options{MaxConn: 5})
	if d.Marker == a.Marker {
		t.Error("the marker does not see the head")
	}
}

func TestMemoryOfTheRenderer(t *testing.T) {
	r, _ := New(Options{})
	m := oneService(nil)
	a, _ := r.Render(m)
	changed := *m.Services[0]
	changed.Balance = "first"
	b, _ := r.Render(&model.Model{
		Services: []*model.Service{&changed, m.Services[1]}, Hosts: m.Hosts, AppIDs: m.AppIDs,
	})
	if a.Fragments[1] != b.Fragments[1] || a.Fragments[0] == b.Fragments[0] {
		t.Error("the unchanged service alone must be the same fragment")
	}
	if &a.Maps[1].Data[0] != &b.Maps[1].Data[0] {
		t.Error("the map was written anew without need")
	}
	for range 50 {
		r.Render(oneService(nil))
	}
	if len(r.cache) > 30 {
		t.Errorf("%d services are remembered for two", len(r.cache))
	}
}

func TestServiceThatFailsTakesItsRoutesAlong(t *testing.T) {
	out, found := Files(oneService(map[string]string{"VHOST": "a.test", "BACKEND_HEAD": "nonsense"}), Options{})
	if len(found) != 1 || found[0].App != "/a" {
		t.Fatalf("problems %v", found)
	}
	for _, m := range out.Maps {
		if strings.Contains(string(m.Data), "a_10000") {
			t.Errorf("%s still leads to it: %s", m.Name, m.Data)
		}
	}
	if !strings.Contains(string(out.Config()), "backend good_10001\n") || len(out.Fragments) != 1 {
		t.Error("the good app is gone")
	}
}

func TestRowsOfTheRuleTables(t *testing.T) {
	auth := &model.Auth{Realm: "r"}
	for _, c := range []struct {
		s    model.Service
		want string
	}{
		{model.Service{VHosts: []string{"a"}}, "HTTP_FRONTEND_ACL"},
		{model.Service{VHosts: []string{"a"}, Auth: auth}, "HTTP_FRONTEND_ACL_WITH_AUTH"},
		{model.Service{VHosts: []string{"a"}, Auth: auth, RedirectToHTTPS: true},
			"HTTP_FRONTEND_ACL BACKEND_REDIRECT_HTTP_TO_HTTPS"},
		{model.Service{VHosts: []string{"a"}, Paths: []string{"/"}}, "HTTP_FRONTEND_ACL_WITH_PATH"},
		{model.Service{VHosts: []string{"a"}, Paths: []string{"/"}, Auth: auth}, "HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH"},
		{model.Service{VHosts: []string{"a"}, Paths: []string{"/"}, RedirectToHTTPS: true},
			"HTTP_FRONTEND_ACL_ONLY_WITH_PATH HTTP_FRONTEND_ACL_ONLY BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH"},
		{model.Service{VHosts: []string{"a", "b"}}, "HTTP_FRONTEND_ACL_ONLY HTTP_FRONTEND_ROUTING_ONLY"},
		{model.Service{VHosts: []string{"a", "b"}, Auth: auth}, "HTTP_FRONTEND_ACL_ONLY HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH"},
		{model.Service{VHosts: []string{"a", "b"}, RedirectToHTTPS: true},
			"HTTP_FRONTEND_ACL_ONLY BACKEND_REDIRECT_HTTP_TO_HTTPS"},
		{model.Service{VHosts: []string{"a", "b"}, Paths: []string{"/"}},
			"HTTP_FRONTEND_ACL_ONLY_WITH_PATH HTTP_FRONTEND_ACL_ONLY HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH"},
		{model.Service{VHosts: []string{"a", "b"}, Paths: []string{"/"}, Auth: auth}, "HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH " +
			"HTTP_FRONTEND_ACL_ONLY HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH"},
		{model.Service{VHosts: []string{"a", "b"}, Paths: []string{"/"}, Auth: auth, RedirectToHTTPS: true},
			"HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH HTTP_FRONTEND_ACL_ONLY BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH"},
	} {
		if d := cmp.Diff(c.want, strings.Join(httpRules(&c.s).names(), " ")); d != "" {
			t.Error(d)
		}
	}
}

// sectionsOf lists every line of a configuration that HAProxy would take for the head of a section.
func sectionsOf(config []byte) []string {
	var list []string
	plain := strings.NewReplacer(`"`, "", `'`, "", `\`, "")
	for line := range strings.Lines(string(config)) {
		fields := strings.Fields(plain.Replace(line))
		if len(fields) > 0 && opensSection(strings.TrimRight(fields[0], "#")) {
			list = append(list, strings.Join(fields, " "))
		}
	}
	return list
}

// FuzzLabel gives one app any value for any template label: it may change its own sections and leave them out, and
// nothing else.
func FuzzLabel(f *testing.F) {
	var names []string
	for _, row := range Templates {
		if row.Label {
			names = append(names, row.Name)
		}
	}
	f.Add(0, "backend {backend}\n  mode http\n")
	f.Add(3, "  x\nfrontend evil\n  bind *:1\n")
	f.Add(5, "\t\"global\"\n")
	f.Add(9, "  server x 1.2.3.4:5\r\n  .if 1\n")
	f.Add(19, "  acl x src 1.2.3.4\n  use_backend good_10001 if x\n")
	f.Add(12, "{{.backend}}{{if .x}}{{end}}")
	allowed := map[string]bool{"frontend a_10000": true, "backend a_10000": true, "userlist user_a_10000": true}
	for _, s := range sectionsOf(mustRender(oneService(nil)).Config()) {
		allowed[s] = true
	}
	f.Fuzz(func(t *testing.T, which int, value string) {
		name := names[(which%len(names)+len(names))%len(names)]
		m := oneService(map[string]string{
			"VHOST": "a.test", "PATH": "/x", "AUTH": "r:u:$1$abcdefgh$abcdefgh", "STICKY": "true", name: value,
		})
		out, _ := Files(m, Options{})
		for _, s := range sectionsOf(out.Config()) {
			if !allowed[s] {
				t.Errorf("%s=%q gives the line %q", name, value, s)
			}
		}
		if !bytes.Contains(out.Config(), []byte("\nbackend good_10001\n")) || !bytes.HasSuffix(out.Config(), []byte("\n")) {
			t.Errorf("%s=%q harms another app", name, value)
		}
	})
}

func mustRender(m *model.Model) *Output {
	out, _ := Files(m, Options{})
	return out
}
