package model

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

func oneApp(labels map[string]string) *api.AppInfo {
	return &api.AppInfo{
		App:   api.App{ID: "/a", Labels: labels, PortDefinitions: []api.PortDefinition{{Port: 10000}}},
		Tasks: []api.Task{{ID: "t", Host: "10.0.0.1", Ports: []int{31000}, State: api.TaskRunning}},
	}
}

// build applies one port label to an app in mode http, or in the mode of the label.
func build(t *testing.T, name, value string) (*Service, []Problem) {
	t.Helper()
	labels := map[string]string{"HAPROXY_0_MODE": "http", "HAPROXY_0_" + name: value}
	m, found := Build([]*api.AppInfo{oneApp(labels)}, Options{Groups: []string{"*"}})
	if len(m.Services) == 0 {
		return nil, found
	}
	return m.Services[0], found
}

func TestLabelTable(t *testing.T) {
	seen := make(map[string]bool)
	for _, l := range Labels {
		if l.Doc == "" || l.Type == "" || seen[l.Key()] {
			t.Errorf("row %s: no text, no type, or twice", l.Key())
		}
		seen[l.Key()] = true
	}
	names := make([]string, 0, len(Labels))
	for _, l := range Labels[len(appLabels):] {
		names = append(names, l.Name)
	}
	if !slices.IsSorted(names) {
		t.Error("labels are not in the order in which they are applied")
	}
}

func TestGoodValues(t *testing.T) {
	cases := []struct {
		name, value string
		want        any
		got         func(*Service) any
	}{
		{"VHOST", " A.Test., b.test,,b.test", []string{"a.test", "b.test"}, func(s *Service) any { return s.VHosts }},
		{"VHOST", "*.Example.com", []string{"*.example.com"}, func(s *Service) any { return s.VHosts }},
		{"VHOST", "a.test:8080", []string{"a.test"}, func(s *Service) any { return s.VHosts }},
		{"BALANCE", "uri  whole depth 3", "uri whole depth 3", func(s *Service) any { return s.Balance }},
		{"BALANCE", "hdr(X-User)", "hdr(X-User)", func(s *Service) any { return s.Balance }},
		{"BIND_ADDR", "::1", "[::1]", func(s *Service) any { return s.BindAddr }},
		{"BIND_OPTIONS", "accept-proxy  maxconn 10", "accept-proxy maxconn 10", func(s *Service) any { return s.BindOptions }},
		{"PORT", " 123 ", 123, func(s *Service) any { return s.Port }},
		{"STICKY", "T", true, func(s *Service) any { return s.Sticky }},
		{"STICKY", "1", false, func(s *Service) any { return s.Sticky }},
		{"BACKEND_WEIGHT", "-5", -5, func(s *Service) any { return s.Weight }},
		{"SSL_CERT", "/etc/ssl/a.pem", "/etc/ssl/a.pem", func(s *Service) any { return s.SSLCert }},
		{
			"AUTH", `My\ Realm:joe:$5$salt$abcdefghijkl`, &Auth{"My Realm", "joe", "$5$salt$abcdefghijkl"},
			func(s *Service) any { return s.Auth },
		},
		{
			"BACKEND_NETWORK_ALLOWED_ACL", "10.0.0.0/8  fd00::/8 1.2.3.4", []string{"10.0.0.0/8", "fd00::/8", "1.2.3.4"},
			func(s *Service) any { return s.AllowedNetworks },
		},
		{
			"BACKEND_HEAD", "a\r\nb\n", map[string]string{"BACKEND_HEAD": "a\nb\n"},
			func(s *Service) any { return s.Templates },
		},
	}
	for _, c := range cases {
		s, found := build(t, c.name, c.value)
		if s == nil {
			t.Errorf("%s=%q: %v", c.name, c.value, found)
			continue
		}
		if d := cmp.Diff(c.want, c.got(s)); d != "" {
			t.Errorf("%s=%q (-want +got)\n%s", c.name, c.value, d)
		}
	}
}

func TestBadValuesLeaveThePortOutAndNameTheLabel(t *testing.T) {
	bad := map[string][]string{
		"VHOST": {
			"a b.test", "-a.test", "a..test", "*", "a.*.test", "ä.test", "a.test;b.test", "[::1]", "a:b", "a\x00b",
			strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 200) + "test", strings.Repeat("a.test,", 300),
		},
		"PATH":                           {"api", "/a{b}", "/a\"b", `/a\b`, "/a#b", "-m /x", strings.Repeat("/x ", 60)},
		"PORT":                           {"0", "-1", "65536", "http", "1e3", ""},
		"BACKEND_WEIGHT":                 {"", "many", "99999999999999999999"},
		"BALANCE":                        {"", "fastest", "uri nonsense", "roundrobin\n  mode tcp", "hdr(a b)"},
		"BIND_ADDR":                      {"", "example.com", "1.2.3.4:80", "fe80::1%eth0", "unix@/x"},
		"BIND_OPTIONS":                   {"a'b", "a#b", "a\nbind :1", `a\ b`, "$X", "ssl crt-list /etc/shadow"},
		"SSL_CERT":                       {"", "cert.pem", "/a b", "/a\"b"},
		"MODE":                           {"", "https", "health"},
		"AUTH":                           {"", "a:b", "a:b:c", "r:u:$6$x$y\n", `r":u:$6$x$yyyyyyyyyy`, "a:b:c:d"},
		"HTTP_BACKEND_PROXYPASS_PATH":    {"", "x", "/x y", "/x'"},
		"HTTP_BACKEND_REVPROXY_PATH":     {"", "x", "ftp://a", "/x'"},
		"HTTP_BACKEND_REDIR":             {"", "javascript:x", "/a b"},
		"BACKEND_NETWORK_ALLOWED_ACL":    {"10.0.0.0/33", "everyone", "10.0.0.1-10.0.0.9"},
		"BACKEND_HEALTHCHECK_PORT_INDEX": {"", "x", "9999"},
		"BACKEND_HEAD":                   {"a\x00", "a\x1b[0m", "a\u00a0b", "a\u200bb", "a\u2028b", "\xff"},
		"STICKY":                         {strings.Repeat("x", 1<<20)},
	}
	for name, values := range bad {
		for _, v := range values {
			s, found := build(t, name, v)
			if s != nil || len(found) != 1 || found[0].Severity != SeverityError ||
				found[0].Field != "HAPROXY_0_"+name || found[0].Reason == "" {
				t.Errorf("%s=%q: service %v, problems %v", name, Shorten(v), s, found)
			}
		}
	}
}

func TestUnknownLabelsAreReportedWithTheNearest(t *testing.T) {
	for label, want := range map[string]string{
		"HAPROXY_0_VHOTS":                 "HAPROXY_<n>_VHOST is",
		"HAPROXY_0_BACKEND_HED":           "HAPROXY_<n>_BACKEND_HEAD is",
		"HAPROXY_GROUPS":                  "HAPROXY_GROUP is",
		"HAPROXY_0_SOMETHING":             "is no label",
		"HAPROXY_3_VHOST":                 "counted from 0",
		"HAPROXY_00_VHOST":                "is no label",
		"HAPROXY_0_MAP_HTTP_FRONTEND_ACL": "has no effect",
	} {
		labels := map[string]string{"HAPROXY_GROUP": "g", label: "x"}
		m, found := Build([]*api.AppInfo{oneApp(labels)}, Options{Groups: []string{"g"}})
		if len(m.Services) != 1 || len(found) != 1 || found[0].Severity != SeverityWarning ||
			!strings.Contains(found[0].Reason, want) {
			t.Errorf("%s: %d services, %v", label, len(m.Services), found)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	_, found := build(t, "AUTH", "realm:joe:hunter2")
	if len(found) != 1 || strings.Contains(found[0].String(), "hunter2") {
		t.Errorf("problems: %v", found)
	}
}

func TestGroups(t *testing.T) {
	cases := []struct {
		rule   string
		groups []string
		labels map[string]string
		want   bool
	}{
		{"the app's group", []string{"a"}, map[string]string{"HAPROXY_GROUP": "b,a"}, true},
		{"values are trimmed", []string{"a"}, map[string]string{"HAPROXY_GROUP": "b, a "}, true},
		{"no label", []string{"a"}, nil, false},
		{"the balancer's * takes all", []string{"*"}, nil, true},
		{"an app's * is a name", []string{"a"}, map[string]string{"HAPROXY_GROUP": "*"}, false},
		{"the port's label alone counts", []string{"a"}, map[string]string{"HAPROXY_GROUP": "a", "HAPROXY_0_GROUP": "b"}, false},
		{"even when it is empty", []string{"a"}, map[string]string{"HAPROXY_GROUP": "a", "HAPROXY_0_GROUP": ""}, false},
		{"the empty group", []string{""}, map[string]string{"HAPROXY_0_GROUP": ""}, true},
	}
	for _, c := range cases {
		if got := inGroup(c.groups, c.labels, "HAPROXY_0_GROUP"); got != c.want {
			t.Errorf("%s: %t", c.rule, got)
		}
	}
}
