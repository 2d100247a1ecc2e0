//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"berth/mlb/model"
	"berth/orchestrator/api"
)

// checked gives an app a health check of a protocol.
func checked(protocol string) func(*api.AppInfo) {
	return func(a *api.AppInfo) {
		a.HealthChecks = []api.HealthCheck{{Protocol: protocol, Path: "/health", PortIndex: new(int), IntervalSeconds: 1,
			MaxConsecutiveFailures: 3}}
	}
}

// marked wants the header by which a text shows that it took part.
func marked(want string) func(*subject) {
	return func(s *subject) {
		s.t.Helper()
		s.has(s.direct("/"), "X-T", want)
		s.has(s.web("/"), "X-T", want)
	}
}

// weighs wants the weight of the servers in the statistics.
func weighs(want string) func(*subject) {
	return func(s *subject) {
		s.t.Helper()
		_, body, err := get(s.page("/haproxy?stats;csv"), "")
		if err != nil {
			s.t.Fatal(err)
		}
		column := -1
		for line := range strings.Lines(body) {
			f := strings.Split(line, ",")
			if i := slices.Index(f, "weight"); column < 0 {
				column = i
			}
			if f[0] == s.name && strings.HasPrefix(f[1], "127_0_0_1_") && f[column] != want {
				s.t.Errorf("weight %s, want %s", f[column], want)
			}
		}
		s.ok(s.web("/"), "")
	}
}

// renamed is for texts that route: the row's own text takes the app's requests under another host, or below another path.
func renamed(https bool, host, path string, auth bool) func(*subject) {
	return func(s *subject) {
		s.t.Helper()
		port, scheme := s.http, "http"
		if https {
			port, scheme = s.https, "https"
		}
		r := s.must(scheme, host+s.host, port, path)
		if auth {
			s.code(r, 401)
			r = s.must(scheme, host+s.host, port, path, "Authorization", basic)
		}
		s.ok(r, "")
		s.code(s.must(scheme, "nobody."+s.host, port, path), 503)
	}
}

// templateRows has a row for each template that a label can replace.
func templateRows(t *testing.T) map[string]labelCase {
	t.Helper()
	const (
		auth     = "r:joe:" + someHash
		two      = "$host,second.$host"
		ownHost  = "  acl host_{cleanedUpHostname} hdr(host) -i renamed.{hostname}\n"
		ownPath  = "  acl path_{backend} path_beg /renamed\n"
		use      = "  use_backend {backend} if host_{cleanedUpHostname}\n"
		usePath  = "  use_backend {backend} if host_{cleanedUpHostname} path_{backend}\n"
		useOnly  = "  use_backend {backend} if host_{cleanedUpHostname} {{ path_beg /only }}\n"
		useHTTPS = "  use_backend {backend} if {{ hdr(host) -i renamed.{hostname} }}\n"
		authACL  = "  acl auth_{cleanedUpHostname} http_auth(user_{backend})\n"
	)
	rows := map[string]labelCase{
		"FRONTEND_HEAD": {labels: map[string]string{
			"FRONTEND_HEAD": "frontend {backend}\n  bind {bindAddr}:{servicePort}{sslCert}{bindOptions}\n  mode {mode}\n  http-response set-header X-T own"},
			check: func(s *subject) { s.has(s.direct("/"), "X-T", "own"); s.has(s.web("/"), "X-T", "") }},
		"FRONTEND_BACKEND_GLUE": {labels: map[string]string{"FRONTEND_BACKEND_GLUE": "  http-response set-header X-T {backend}\r\n  use_backend {backend}"},
			check: func(s *subject) { s.has(s.direct("/"), "X-T", s.name); s.has(s.web("/"), "X-T", "") }},
		"USERLIST_HEAD": {labels: map[string]string{"AUTH": auth, "USERLIST_HEAD": "userlist user_{backend}\n  user {user} insecure-password other\n"},
			check: func(s *subject) {
				s.everywhere(401, "Authorization", basic)
				s.everywhere(200, "Authorization", "Basic am9lOm90aGVy")
			}},
		"BACKEND_HEAD": {labels: map[string]string{"BACKEND_HEAD": "backend {backend}\n  balance {balance}\n  mode {mode}\n  http-response set-header X-T {balance}\n"},
			check: marked("roundrobin")},
		"BACKEND_HTTP_OPTIONS": {labels: map[string]string{"BACKEND_HTTP_OPTIONS": "  http-response set-header X-T {braces}%[int(1)] if { ssl_fc } or { always_true }"},
			check: marked("{braces}1")},
		"BACKEND_HSTS_OPTIONS": {labels: map[string]string{"USE_HSTS": "true", "BACKEND_HSTS_OPTIONS": "  rspadd  X-T:\\ old\n"}, check: marked("old")},
		"BACKEND_STICKY_OPTIONS": {labels: map[string]string{"STICKY": "true", "BACKEND_STICKY_OPTIONS": "  cookie mine insert indirect nocache\n"},
			check: func(s *subject) {
				if c := s.web("/").header.Get("Set-Cookie"); !strings.HasPrefix(c, "mine=") {
					s.t.Errorf("cookie %q", c)
				}
			}},
		"BACKEND_HTTP_HEALTHCHECK_OPTIONS": {adapt: checked("HTTP"),
			labels: map[string]string{"BACKEND_HTTP_HEALTHCHECK_OPTIONS": "  option httpchk GET {healthCheck[path]}\n  http-response set-header X-T {healthCheckFalls:02d}"},
			check:  marked("04")},
		"BACKEND_TCP_HEALTHCHECK_OPTIONS": {adapt: checked("TCP"),
			labels: map[string]string{"MODE": "http", "BACKEND_TCP_HEALTHCHECK_OPTIONS": "  http-response set-header X-T {healthCheckProtocol}"},
			check:  marked("TCP")},
		"BACKEND_SERVER_OPTIONS": {
			labels: map[string]string{"BACKEND_SERVER_OPTIONS": "  server {serverName} {host_ipv4}:{port} id {serverId}{cookieOptions}{healthCheckOptions}{otherOptions} weight 7"},
			check:  weighs("7")},
		"BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS": {adapt: checked("HTTP"),
			labels: map[string]string{"BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS": "  check inter {healthCheckIntervalSeconds}s fall {healthCheckFalls} weight 8 \n"}, check: weighs("8")},
		"BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS": {adapt: checked("TCP"),
			labels: map[string]string{"BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS": "check inter 1s weight 9"}, check: weighs("9")},
		"BACKEND_REDIRECT_HTTP_TO_HTTPS": {labels: map[string]string{"REDIRECT_TO_HTTPS": "true",
			"BACKEND_REDIRECT_HTTP_TO_HTTPS": "  redirect scheme https code 307 if !{{ ssl_fc }} host_{cleanedUpHostname}\n"},
			check: func(s *subject) { s.code(s.web("/"), 307); s.ok(s.tls("/"), "") }},
		"BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH": {labels: map[string]string{"REDIRECT_TO_HTTPS": "true", "PATH": "/p",
			"BACKEND_REDIRECT_HTTP_TO_HTTPS_WITH_PATH": "  redirect scheme https code 308 if !{{ ssl_fc }} host_{cleanedUpHostname} path_{backend}"},
			check: func(s *subject) { s.code(s.web("/p"), 308); s.code(s.web("/q"), 503); s.ok(s.tls("/p"), "") }},
		"HTTP_BACKEND_PROXYPASS_GLUE": {labels: map[string]string{"HTTP_BACKEND_PROXYPASS_PATH": "/prefix",
			"HTTP_BACKEND_PROXYPASS_GLUE": "  http-response set-header X-T {proxypath}"}, check: marked("/prefix")},
		"HTTP_BACKEND_REVPROXY_GLUE": {labels: map[string]string{"HTTP_BACKEND_REVPROXY_PATH": "/root",
			"HTTP_BACKEND_REVPROXY_GLUE": "  http-response set-header X-T {rootpath}"}, check: marked("/root")},
		"HTTP_BACKEND_NETWORK_ALLOWED_ACL": {labels: map[string]string{"BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8",
			"HTTP_BACKEND_NETWORK_ALLOWED_ACL": "  acl network_allowed src {network_allowed} 127.0.0.1"}, check: func(s *subject) { s.everywhere(200) }},
		"TCP_BACKEND_NETWORK_ALLOWED_ACL": {labels: map[string]string{"VHOST": "-", "MODE": "tcp", "BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8",
			"TCP_BACKEND_NETWORK_ALLOWED_ACL": "  acl network_allowed src {network_allowed} 127.0.0.1"}, check: func(s *subject) { s.code(s.direct("/"), 200) }},
		"HTTP_FRONTEND_APPID_ACL": {labels: map[string]string{
			"HTTP_FRONTEND_APPID_ACL": "  acl app_{cleanedUpAppId} hdr(x-own) -i {appId}\n  use_backend {backend} if app_{cleanedUpAppId}"},
			check: func(s *subject) { s.ok(s.must("http", "x", s.appID, "/", "X-Own", s.id), ""); s.code(s.byID(), 503) }},
		"HTTP_FRONTEND_ACL":                     {labels: map[string]string{"HTTP_FRONTEND_ACL": ownHost + use}, check: renamed(false, "renamed.", "/", false)},
		"HTTP_FRONTEND_ACL_WITH_AUTH":           {labels: map[string]string{"AUTH": auth, "HTTP_FRONTEND_ACL_WITH_AUTH": ownHost + use}, check: renamed(false, "renamed.", "/", true)},
		"HTTP_FRONTEND_ACL_WITH_PATH":           {labels: map[string]string{"PATH": "/p", "HTTP_FRONTEND_ACL_WITH_PATH": ownHost + ownPath + usePath}, check: renamed(false, "renamed.", "/renamed", false)},
		"HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH":  {labels: map[string]string{"PATH": "/p", "AUTH": auth, "HTTP_FRONTEND_ACL_WITH_AUTH_AND_PATH": ownHost + ownPath + usePath}, check: renamed(false, "renamed.", "/renamed", true)},
		"HTTP_FRONTEND_ACL_ONLY":                {labels: map[string]string{"VHOST": two, "HTTP_FRONTEND_ACL_ONLY": ownHost}, check: renamed(false, "renamed.second.", "/", false)},
		"HTTP_FRONTEND_ACL_ONLY_WITH_PATH":      {labels: map[string]string{"VHOST": two, "PATH": "/p", "HTTP_FRONTEND_ACL_ONLY_WITH_PATH": ownPath}, check: renamed(false, "second.", "/renamed", false)},
		"HTTP_FRONTEND_ROUTING_ONLY":            {labels: map[string]string{"VHOST": two, "HTTP_FRONTEND_ROUTING_ONLY": useOnly}, check: renamed(false, "second.", "/only", false)},
		"HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH":  {labels: map[string]string{"VHOST": two, "AUTH": auth, "HTTP_FRONTEND_ROUTING_ONLY_WITH_AUTH": useOnly}, check: renamed(false, "second.", "/only", true)},
		"HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH":  {labels: map[string]string{"VHOST": two, "PATH": "/p", "HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH": useOnly}, check: renamed(false, "", "/only", false)},
		"HTTPS_FRONTEND_ACL":                    {labels: map[string]string{"HTTPS_FRONTEND_ACL": useHTTPS}, check: renamed(true, "renamed.", "/", false)},
		"HTTPS_FRONTEND_ACL_WITH_AUTH":          {labels: map[string]string{"AUTH": auth, "HTTPS_FRONTEND_ACL_WITH_AUTH": useHTTPS}, check: renamed(true, "renamed.", "/", true)},
		"HTTPS_FRONTEND_ACL_WITH_PATH":          {labels: map[string]string{"PATH": "/p", "HTTPS_FRONTEND_ACL_WITH_PATH": useHTTPS}, check: renamed(true, "renamed.", "/", false)},
		"HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH": {labels: map[string]string{"PATH": "/p", "AUTH": auth, "HTTPS_FRONTEND_ACL_WITH_AUTH_AND_PATH": useHTTPS}, check: renamed(true, "renamed.", "/", true)},
		"HTTPS_FRONTEND_ACL_ONLY_WITH_PATH":     {labels: map[string]string{"PATH": "/p", "HTTPS_FRONTEND_ACL_ONLY_WITH_PATH": ownPath}, check: renamed(true, "", "/renamed", false)},
		"HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH": {labels: map[string]string{"VHOST": two, "PATH": "/p", "AUTH": auth,
			"HTTP_FRONTEND_ACL_ONLY_WITH_PATH_AND_AUTH": ownPath + authACL}, check: renamed(false, "second.", "/renamed", true)},
		"HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH": {labels: map[string]string{"VHOST": two, "PATH": "/p", "AUTH": auth,
			"HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH_AND_AUTH": useOnly}, check: renamed(false, "", "/only", true)},
	}
	for _, l := range model.Labels {
		if l.Type == model.Template && !l.Dead && rows[l.Name].check == nil {
			t.Errorf("no case for template %s", l.Name)
		}
	}
	return rows
}

// Each template that a label can replace, in marathon-lb's language.
func TestTemplateLabels(t *testing.T) {
	byName := templateRows(t)
	var rows []labelCase
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		row := byName[name]
		row.rule = name
		rows = append(rows, row)
	}
	conform(t, rows)
}

// The same in Go's language, and mistakes in either: each hurts its own app alone and is told.
func TestTemplateLanguages(t *testing.T) {
	text := func(s string) map[string]string { return map[string]string{"BACKEND_HEAD": s} }
	refused := func(want string) func(*subject) {
		return func(s *subject) { s.t.Helper(); s.problem(want); s.code(s.web("/"), 503) }
	}
	conform(t, []labelCase{
		{rule: "Go", labels: text("backend {{.backend}}\n  balance {{.balance}}\n  mode {{.mode}}\n{{if eq .mode \"http\"}}  http-response set-header X-T go{{end}}"),
			check: marked("go")},
		{rule: "Python with doubled braces", labels: text("backend {backend}\n  mode {mode}\n  http-response set-header X-T py if {{ always_true }}"),
			check: marked("py")},
		{rule: "single braces stay where they are no variable", labels: text("backend {backend}\n  mode {mode}\n  http-response set-header X-T single if { always_true }"),
			check: marked("single")},
		{rule: "an unknown variable", labels: text("backend {backend}\n  mode {moood}\n"), check: refused("moood")},
		{rule: "an unknown Go variable", labels: text("backend {{.backend}}\n  mode {{.moood}}\n"), check: refused("moood")},
		{rule: "an unclosed Go action", labels: text("backend {{.backend}\n"), check: refused("BACKEND_HEAD")},
		{rule: "another name for the section", labels: text("backend mine\n  mode http\n"), check: refused("begin with")},
		{rule: "a second section", labels: text("backend {backend}\n  mode http\nlisten mine\n  bind *:1\n"), check: refused("section")},
		{rule: "a removed directive that has no counterpart", labels: map[string]string{"BACKEND_HTTP_OPTIONS": "  reqirep ^([^\\ :]*)\\ /a/(.*) \\1\\ /\\2"},
			check: refused("replace-path")},
		{rule: "a word that HAProxy does not know", labels: map[string]string{"BACKEND_HTTP_OPTIONS": "  option nonsense"}, check: refused("nonsense")},
		{rule: "a rule without a condition in a frontend of all", labels: map[string]string{"HTTP_FRONTEND_ACL": "  http-request deny\n"},
			check: func(s *subject) { s.problem("condition") }},
		{rule: "all of that hurts nobody else", check: func(s *subject) { s.everywhere(200); s.ok(s.web("/"), fmt.Sprint("task ", s.id)) }},
	})
}
