package render

import (
	"strings"
	"testing"

	"berth/mlb/model"
)

func TestFitsSpare(t *testing.T) {
	web := func(change func(*model.Service)) *model.Service {
		s := &model.Service{App: "/web", Name: "web_1", Port: 1, Mode: model.HTTP, Balance: "roundrobin", BindAddr: "*", VHosts: []string{"a.test"}}
		change(s)
		return s
	}
	check := func(protocol string, timeout float64) *model.HealthCheck {
		return &model.HealthCheck{Protocol: protocol, Path: "/up", TimeoutSeconds: timeout, IntervalSeconds: 5}
	}
	for _, c := range []struct {
		rule   string
		change func(*model.Service)
		want   bool
	}{
		{"a plain http service", func(*model.Service) {}, true},
		{"hosts, paths and a redirect are in maps", func(s *model.Service) { s.Paths, s.RedirectToHTTPS = []string{"/x"}, true }, true},
		{"a plain tcp service", func(s *model.Service) { s.Mode = model.TCP }, true},
		{"an HTTP check has its path in a map", func(s *model.Service) { s.HealthCheck = check("HTTP", 20) }, true},
		{"a check that may take longer", func(s *model.Service) { s.HealthCheck = check("HTTP", 21) }, false},
		{"a TCP check in mode http", func(s *model.Service) { s.HealthCheck = check("TCP", 5) }, false},
		{"a TCP check in mode tcp", func(s *model.Service) { s.Mode, s.HealthCheck = model.TCP, check("TCP", 5) }, true},
		{"another algorithm", func(s *model.Service) { s.Balance = "leastconn" }, false},
		{"sticky sessions", func(s *model.Service) { s.Sticky = true }, false},
		{"authentication", func(s *model.Service) { s.Auth = &model.Auth{Realm: "r", User: "u", PasswordHash: "p"} }, false},
		{"HSTS", func(s *model.Service) { s.HSTS = true }, false},
		{"allowed networks", func(s *model.Service) { s.AllowedNetworks = []string{"10.0.0.0/8"} }, false},
		{"a certificate on its port", func(s *model.Service) { s.SSLCert = "/x.pem" }, false},
		{"an address of its own", func(s *model.Service) { s.BindAddr = "127.0.0.9" }, false},
		{"a template of its own", func(s *model.Service) { s.Templates = map[string]string{"BACKEND_HEAD": "backend x"} }, false},
		{"no port of its own", func(s *model.Service) { s.Unbound = true }, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			r, _ := New(Options{})
			if got := r.FitsSpare(web(c.change)); got != c.want {
				t.Errorf("fits: %v, want %v", got, c.want)
			}
		})
	}
}

func TestSpareBackendSaysTheSameWhoeverClaimedIt(t *testing.T) {
	r, _ := New(Options{MapDir: "/etc/mlb", SpareSocket: "/run/spare.sock"})
	blank := &model.Service{Name: "spare:http:001", Mode: model.HTTP, Balance: "roundrobin", Unbound: true, Spare: true}
	claimed := *blank
	claimed.App, claimed.Proper, claimed.Port = "/web", "web_10001", 10001
	claimed.HealthCheck = &model.HealthCheck{Protocol: "HTTP", Path: "/up", TimeoutSeconds: 5, IntervalSeconds: 5}
	claimed.Servers = []model.Server{{Name: "s", Host: "10.0.0.1", IP: "10.0.0.1", Port: 31000, ID: 7, Check: &model.Check{HTTP: true}}}
	spare := &model.Spare{Ports: []int{10001, 10002, 10005}, Settled: []model.PortRoute{{Port: 10000, Backend: "old_10000"}}}
	one, _ := r.Render(&model.Model{Services: []*model.Service{blank}, Spare: spare})
	two, _ := r.Render(&model.Model{Services: []*model.Service{&claimed}, Spare: spare})
	if a, b := one.Fragments[0], two.Fragments[0]; a.Backend != b.Backend || len(a.Servers) != 0 || len(b.Servers) != 1 || b.Frontend != "" {
		t.Errorf("blank\n%s\nclaimed\n%s", a.Backend, b.Backend)
	}
	text := string(two.Config())
	for _, want := range []string{"bind *:10001-10002,*:10005\n", "be_name,map_str(/etc/mlb/spare2check.map,/)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	maps := map[string]string{}
	for _, m := range two.Maps {
		maps[m.Name] = string(m.Data)
	}
	if maps[PortMap] != "10000 old_10000\n10001 spare:http:001\n" || maps[CheckMap] != "spare:http:001 /up\n" {
		t.Errorf("maps %q", maps)
	}
}
