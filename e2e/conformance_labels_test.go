//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"berth/mlb/model"
	"berth/orchestrator/api"
)

const (
	someHash = "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1" // of "secret", by openssl passwd -1 -salt abcdefgh
	basic    = "Basic am9lOnNlY3JldA=="             // joe:secret
)

var settings = []labelCase{
	{rule: "VHOST: on both ports, in any case, with a port, and never under another name",
		labels: map[string]string{"VHOST": "$host,second.$host,*.wild.$host"},
		check: func(s *subject) {
			for _, host := range []string{s.host, strings.ToUpper(s.host), s.host + ":8080", "second." + s.host, "a.b.wild." + s.host} {
				s.ok(s.must("http", host, s.http, "/"), "")
				s.ok(s.must("https", host, s.https, "/"), "")
			}
			s.code(s.must("http", "third."+s.host, s.http, "/"), 503)
			s.code(s.must("https", "wild."+s.host, s.https, "/"), 503)
			s.ok(s.direct("/"), "")
			s.ok(s.byID(), "")
		}},
	{rule: "VHOST: an empty element and one that is no host name", labels: map[string]string{"VHOST": "bad host"},
		check: func(s *subject) { s.problem("VHOST"); s.closed() }},
	{rule: "PATH: a prefix, one of several", labels: map[string]string{"PATH": "/one /two"},
		check: func(s *subject) {
			s.ok(s.web("/one/x"), "line GET /one/x")
			s.ok(s.tls("/two"), "line GET /two")
			s.ok(s.web("/oneself"), "")
			s.code(s.web("/three"), 503)
			s.code(s.web("/One"), 503)
		}},
	{rule: "PATH: in any case", labels: map[string]string{"PATH": "-i /one"},
		check: func(s *subject) { s.ok(s.web("/ONE"), ""); s.ok(s.tls("/one"), ""); s.code(s.web("/"), 503) }},
	{rule: "PATH: without a virtual host it has no effect", labels: map[string]string{"VHOST": "-", "PATH": "/x", "MODE": "http"},
		check: func(s *subject) { s.problem("PATH"); s.ok(s.direct("/y"), "") }},
	{rule: "BACKEND_WEIGHT: the heavier one first", labels: map[string]string{"VHOST": "weight.test", "BACKEND_WEIGHT": "1"},
		check: func(s *subject) { s.problem("weight") }},
	{rule: "BACKEND_WEIGHT: though it is younger", labels: map[string]string{"VHOST": "weight.test", "BACKEND_WEIGHT": "2"},
		check: func(s *subject) { s.ok(s.must("http", "weight.test", s.http, "/"), "") }},
	{rule: "BACKEND_WEIGHT: a word is refused", labels: map[string]string{"BACKEND_WEIGHT": "much"},
		check: func(s *subject) { s.problem("BACKEND_WEIGHT"); s.code(s.web("/"), 503) }},
	{rule: "REDIRECT_TO_HTTPS: on port 80 only, with path and query", labels: map[string]string{"REDIRECT_TO_HTTPS": "T"},
		check: func(s *subject) {
			r := s.web("/x?y=1")
			if want := fmt.Sprintf("https://%s:%d/x?y=1", s.host, s.https); r.code != 301 || r.location != want {
				s.t.Errorf("%d to %q, want 301 to %q", r.code, r.location, want)
			}
			s.ok(s.tls("/x?y=1"), "line GET /x?y=1")
			s.ok(s.direct("/"), "")
		}},
	{rule: "REDIRECT_TO_HTTPS: any other word is false", labels: map[string]string{"REDIRECT_TO_HTTPS": "1"},
		check: func(s *subject) { s.problem("REDIRECT_TO_HTTPS"); s.ok(s.web("/"), "") }},
	{rule: "USE_HSTS", labels: map[string]string{"USE_HSTS": "yes"},
		check: func(s *subject) {
			for _, r := range []reply{s.web("/"), s.tls("/"), s.direct("/")} {
				s.has(r, "Strict-Transport-Security", "max-age=15768000")
			}
		}},
	{rule: "AUTH: on every way in", labels: map[string]string{"AUTH": "My Realm:joe:" + someHash},
		check: func(s *subject) {
			s.everywhere(401)
			s.everywhere(200, "Authorization", basic)
			s.has(s.web("/"), "Www-Authenticate", `Basic realm="My Realm"`)
			s.code(s.web("/", "Authorization", "Basic am9lOndyb25n"), 401)
			s.code(s.must("http", s.host, s.stats, "/_haproxy_getconfig"), 200)
			_, config, _ := get(s.page("/_haproxy_getconfig"), "")
			if strings.Contains(config, someHash) {
				s.t.Error("the configuration shows the hash")
			}
		}},
	{rule: "AUTH: a plain password is refused rather than useless", labels: map[string]string{"AUTH": "r:joe:secret"},
		check: func(s *subject) { s.problem("mkpasswd"); s.closed(); s.code(s.byID(), 503) }},
	{rule: "AUTH: with paths and several hosts", labels: map[string]string{"AUTH": "r:joe:" + someHash, "PATH": "/p",
		"VHOST": "$host,second.$host"},
		check: func(s *subject) {
			s.code(s.must("http", "second."+s.host, s.http, "/p"), 401)
			s.code(s.must("https", "second."+s.host, s.https, "/p", "Authorization", basic), 200)
		}},
	{rule: "AUTH: no TCP port without it", labels: map[string]string{"AUTH": "r:joe:" + someHash, "MODE": "tcp"},
		check: func(s *subject) { s.problem("AUTH"); s.closed() }},
	{rule: "STICKY: a cookie keeps the client", labels: map[string]string{"STICKY": "true"}, tasks: 3,
		check: func(s *subject) {
			cookie := s.web("/").header.Get("Set-Cookie")
			if !strings.HasPrefix(cookie, "mesosphere_server_id=") {
				s.t.Fatalf("cookie %q", cookie)
			}
			cookie, _, _ = strings.Cut(cookie, ";")
			first := s.server(cookie)
			for range 9 {
				if now := s.server(cookie); now != first {
					s.t.Errorf("server %q, then %q", first, now)
				}
			}
		}},
	{rule: "BALANCE: by source address", labels: map[string]string{"BALANCE": "source"}, tasks: 3,
		check: func(s *subject) {
			first := s.server("")
			for range 9 {
				if now := s.server(""); now != first {
					s.t.Errorf("server %q, then %q", first, now)
				}
			}
		}},
	{rule: "BALANCE: round robin by default", labels: nil, tasks: 3,
		check: func(s *subject) {
			seen := map[string]bool{}
			for range 9 {
				seen[s.server("")] = true
			}
			if len(seen) != 3 {
				s.t.Errorf("%d servers of 3 answered", len(seen))
			}
		}},
	{rule: "BALANCE: an algorithm nobody knows", labels: map[string]string{"BALANCE": "dice"},
		check: func(s *subject) { s.problem("BALANCE"); s.closed() }},
	{rule: "MODE: tcp lets anything through", labels: map[string]string{"VHOST": "-", "MODE": "TCP"},
		check: func(s *subject) {
			if r := s.direct("/"); r.code != 200 || strings.Contains(r.body, "X-Forwarded") {
				s.t.Errorf("%d %s", r.code, r.body)
			}
			s.code(s.byID(), 503)
		}},
	{rule: "MODE: tcp and a virtual host", labels: map[string]string{"MODE": "tcp"},
		check: func(s *subject) { s.problem("VHOST"); s.code(s.web("/"), 503); s.code(s.direct("/"), 200) }},
	{rule: "MODE: http adds what the app should know of the client", labels: map[string]string{"VHOST": "-", "MODE": "http"},
		check: func(s *subject) {
			r := s.direct("/")
			s.ok(r, "X-Forwarded-For: 127.0.0.1")
			s.ok(r, "X-Forwarded-Port: "+itoa(s.port))
			s.ok(s.byID(), "")
		}},
	{rule: "MODE: http on the TLS port tells of it", labels: nil,
		check: func(s *subject) { s.ok(s.tls("/"), "X-Forwarded-Proto: https") }},
	{rule: "PORT: another port, by which the names go", labels: map[string]string{"PORT": "0"},
		check: func(s *subject) { s.problem("PORT"); s.closed() }},
	{rule: "BIND_ADDR: one address only", labels: map[string]string{"BIND_ADDR": "127.0.0.9"},
		check: func(s *subject) {
			s.closed()
			c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.9:%d", s.port), time.Second)
			if err != nil {
				s.t.Fatal(err)
			}
			c.Close()
			s.ok(s.web("/"), "")
		}},
	{rule: "BIND_OPTIONS: words of the bind line", labels: map[string]string{"BIND_OPTIONS": "accept-proxy"},
		check: func(s *subject) {
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.port))
			if err != nil {
				s.t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprintf(c, "PROXY TCP4 203.0.113.7 203.0.113.8 1 2\r\nGET / HTTP/1.0\r\n\r\n")
			text := readAll(c)
			if !strings.Contains(text, "X-Forwarded-For: 203.0.113.7") {
				s.t.Errorf("answer:\n%s", text)
			}
		}},
	{rule: "SSL_CERT: a file that is not there", labels: map[string]string{"SSL_CERT": "/nowhere/cert.pem"},
		check: func(s *subject) { s.problem("SSL_CERT"); s.closed(); s.ok(s.web("/"), "") }},
	{rule: "HTTP_BACKEND_PROXYPASS_PATH: a prefix is taken off, Host becomes the virtual host",
		labels: map[string]string{"HTTP_BACKEND_PROXYPASS_PATH": "/prefix", "VHOST": "$host,second.$host"},
		check: func(s *subject) {
			s.ok(s.web("/prefix/rest?q=1"), "line GET /rest?q=1 ")
			s.ok(s.web("/prefix"), "line GET / ")
			s.ok(s.web("/PREFIX/x"), "line GET /x ")
			s.ok(s.web("/other"), "line GET /other ")
			s.ok(s.must("http", "whatever", s.port, "/"), "Host: "+s.host)
			s.ok(s.must("http", "second."+s.host, s.http, "/"), "Host: second."+s.host)
		}},
	{rule: "HTTP_BACKEND_REVPROXY_PATH: Location headers that point to the app",
		labels: map[string]string{"HTTP_BACKEND_REVPROXY_PATH": "/outside"},
		check: func(s *subject) {
			for to, want := range map[string]string{"http://" + s.host + "/in": "/outside", "https://" + s.host + ":8/in": "/outside",
				"/in": "/outside", "http://elsewhere.test/in": "http://elsewhere.test/in"} {
				if r := s.web("/?to=" + to); r.location != want {
					s.t.Errorf("Location %s becomes %s, want %s", to, r.location, want)
				}
			}
		}},
	{rule: "HTTP_BACKEND_REDIR: from exactly /", labels: map[string]string{"HTTP_BACKEND_REDIR": "/home", "VHOST": "$host,second.$host"},
		check: func(s *subject) {
			for _, host := range []string{s.host, "second." + s.host} {
				if r := s.must("http", host, s.http, "/"); r.code != 301 || r.location != "/home" {
					s.t.Errorf("%s: %d %s", host, r.code, r.location)
				}
			}
			s.ok(s.web("/home"), "")
			s.ok(s.must("http", "another", s.port, "/"), "")
		}},
	{rule: "BACKEND_NETWORK_ALLOWED_ACL: others are refused on every way in",
		labels: map[string]string{"BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8 192.168.1.1"},
		check:  func(s *subject) { s.everywhere(403) }},
	{rule: "BACKEND_NETWORK_ALLOWED_ACL: those of the network come in",
		labels: map[string]string{"BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8 127.0.0.0/8"},
		check:  func(s *subject) { s.everywhere(200) }},
	{rule: "BACKEND_NETWORK_ALLOWED_ACL: in mode tcp",
		labels: map[string]string{"VHOST": "-", "MODE": "tcp", "BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8"},
		check: func(s *subject) {
			if r, err := s.send("http", "x", s.port, "/"); err == nil {
				s.t.Errorf("answered %d", r.code)
			}
		}},
	{rule: "BACKEND_NETWORK_ALLOWED_ACL: an address that is none", labels: map[string]string{"BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.300"},
		check: func(s *subject) { s.problem("BACKEND_NETWORK_ALLOWED_ACL"); s.closed(); s.code(s.web("/"), 503) }},
	{rule: "BACKEND_HEALTHCHECK_PORT_INDEX: the health of another port",
		labels: map[string]string{"BACKEND_HEALTHCHECK_PORT_INDEX": "0"},
		adapt: func(a *api.AppInfo) {
			a.HealthChecks = []api.HealthCheck{{Protocol: "HTTP", Path: "/health", PortIndex: new(int), IntervalSeconds: 1}}
		},
		check: func(s *subject) { s.up() }},
	{rule: "ENABLED: false leaves the port out", labels: map[string]string{"ENABLED": "no"},
		check: func(s *subject) { s.closed(); s.code(s.web("/"), 503); s.code(s.byID(), 503) }},
	{rule: "GROUP: of the port, instead of the app's", labels: map[string]string{"HAPROXY_GROUP": "internal", "GROUP": "other, external"},
		check: func(s *subject) { s.everywhere(200) }},
	{rule: "GROUP: of others", labels: map[string]string{"GROUP": "internal"},
		check: func(s *subject) { s.closed() }},
	{rule: "HAPROXY_GROUP: one of a list, with blanks", labels: map[string]string{"HAPROXY_GROUP": "internal, external"},
		check: func(s *subject) { s.everywhere(200) }},
	{rule: "HAPROXY_GROUP: a star of an app is no wildcard", labels: map[string]string{"HAPROXY_GROUP": "*"},
		check: func(s *subject) { s.closed() }},
	{rule: "HAProxy's own checks keep requests from a task that fails them", tasks: 2,
		adapt: func(a *api.AppInfo) {
			checked("HTTP")(a)
			a.HealthChecks[0].MaxConsecutiveFailures = 0
			a.Tasks[1].Ports = []int{9} // nobody is there
		},
		check: func(s *subject) {
			eventually(s.t, 30*time.Second, "the dead one is down", func() error {
				for range 6 {
					if r := s.web("/"); r.code != 200 {
						return fmt.Errorf("status %d", r.code)
					}
				}
				return nil
			})
		}},
	{rule: "an unknown label, and the nearest known one", labels: map[string]string{"VHOSTS": "x"},
		check: func(s *subject) { s.problem("HAPROXY_<n>_VHOST"); s.ok(s.web("/"), "") }},
}

// server is the server that answers; each task has an address of its own.
func (s *subject) server(cookie string) string {
	s.t.Helper()
	r := s.web("/", "Cookie", cookie)
	s.ok(r, "")
	_, port, _ := strings.Cut(r.body, "X-Upstream: ")
	port, _, _ = strings.Cut(port, "\n")
	return port
}

// up waits for the backend's servers to be up in the statistics.
func (s *subject) up() {
	s.t.Helper()
	eventually(s.t, 30*time.Second, "a server is UP", func() error {
		_, body, err := get(s.page("/haproxy?stats;csv"), "")
		if err != nil {
			return err
		}
		for line := range strings.Lines(body) {
			if strings.HasPrefix(line, s.name+",127_0_0_1_") && strings.Contains(line, ",UP,") {
				return nil
			}
		}
		return fmt.Errorf("none of %s", s.name)
	})
}

func TestLabels(t *testing.T) {
	covered := conform(t, settings)
	for key := range templateRows(t) {
		covered["HAPROXY_0_"+key] = true // TestTemplateLabels
	}
	for _, key := range []string{ // TestZDD
		"HAPROXY_APP_ID", "HAPROXY_DEPLOYMENT_ALT_PORT", "HAPROXY_DEPLOYMENT_COLOUR", "HAPROXY_DEPLOYMENT_GROUP",
		"HAPROXY_DEPLOYMENT_NEW_INSTANCES", "HAPROXY_DEPLOYMENT_STARTED_AT", "HAPROXY_DEPLOYMENT_TARGET_INSTANCES",
	} {
		covered[key] = true
	}
	for _, key := range []string{"BERTH_CANARY_OF", "BERTH_CANARY_WEIGHT"} { // TestCanary
		covered[key] = true
	}
	for _, l := range model.Labels {
		if key := strings.Replace(l.Key(), "<n>", "0", 1); !l.Dead && !covered[key] {
			t.Errorf("no case for label %s", key)
		}
	}
}
