package model

import (
	"encoding/json"
	"strings"
	"testing"

	"berth/orchestrator/api"
)

// FuzzBuild takes any apps document: Build must not panic, and every name and value that a setting label gave must be
// one plain word or line.
func FuzzBuild(f *testing.F) {
	f.Add([]byte(`[{"id":"/a","labels":{"HAPROXY_0_VHOST":"a.test"},"ports":[1],"tasks":[{"host":"1.2.3.4","ports":[2]}]}]`))
	f.Add([]byte(`[{"id":"/a\n","labels":{"HAPROXY_DEPLOYMENT_GROUP":"\u0000"},"ports":[-1,0,0]}]`))
	f.Add([]byte(`[{"id":"/a","container":{"docker":{"network":"USER"}},"tasks":[{"host":"h","ipAddresses":[{}]}]}]`))
	f.Add([]byte(`[{"id":"/a","ports":[5],"healthChecks":[{"protocol":"HTTP","port":-1,"path":"x","intervalSeconds":-1}],
		"labels":{"HAPROXY_0_BACKEND_HEALTHCHECK_PORT_INDEX":"-1","HAPROXY_0_AUTH":"::"},
		"tasks":[{"host":"1.2.3.4","ports":[2]}]}]`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		var apps []*api.AppInfo
		if json.Unmarshal(doc, &apps) != nil {
			return
		}
		b := NewBuilder(Options{Groups: []string{"*"}, AutoPortMin: 10, AutoPortMax: 20, KeepEmpty: true})
		m, found := b.Build(apps)
		b.Build(apps)
		for _, p := range found {
			if p.Reason == "" || len(p.Value) > maxShown || strings.ContainsAny(p.String(), "\n\x00") {
				t.Errorf("problem %q", p)
			}
		}
		for _, s := range m.Services {
			words := append([]string{s.Name, s.BindAddr, s.SSLCert, s.ProxypassPath, s.RevproxyPath, s.RedirectPath}, s.VHosts...)
			words = append(append(words, s.Paths...), s.AllowedNetworks...)
			if s.HealthCheck != nil {
				words = append(words, s.HealthCheck.Path)
			}
			for _, w := range words {
				if strings.ContainsAny(w, " \t\r\n\x00\"'\\#") {
					t.Errorf("service %s holds %q", s.Name, w)
				}
			}
			if strings.ContainsAny(s.Balance+s.BindOptions, "\n\r\x00\"'\\#") {
				t.Errorf("service %s holds %q or %q", s.Name, s.Balance, s.BindOptions)
			}
		}
	})
}
