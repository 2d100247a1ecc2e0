package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestPagesOfOtherSitesMayNotWrite(t *testing.T) {
	for _, tc := range []struct {
		rule, host, origin string
		opt                Options
		status             int
	}{
		{"no browser", "api.example.com", "", Options{}, 200},
		{"by address", "", "", Options{}, 200},
		{"own page by name", "localhost:8080", "http://localhost:8080", Options{}, 200},
		{"own page below localhost", "api.localhost", "http://api.localhost", Options{}, 200},
		{"own page by Marathon's name", "marathon.mesos:8080", "http://marathon.mesos:8080", Options{}, 200},
		{"another site", "localhost:8080", "http://evil.example", Options{}, 403},
		{"another site whose name points here", "evil.example:8080", "http://evil.example:8080", Options{}, 403},
		{"an origin that is none", "evil.example", "null", Options{}, 403},
		{"a site that is allowed", "api.example.com", "http://ui.example.com", Options{Origins: []string{"http://ui.example.com"}}, 200},
		{"with credentials a name does no harm", "api.example.com", "http://api.example.com", Options{Credentials: []Credential{{Token: "t"}}}, 200},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			url := serve(t, newServer(t, newFake(), tc.opt))
			req, err := http.NewRequest("POST", url+"/v2/tasks/delete", strings.NewReader(`{"ids":[]}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer t")
			if tc.host != "" {
				req.Host = tc.host
			}
			if tc.origin != "" {
				req.Header.Set("Origin", tc.origin)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tc.status)
			}
		})
	}
}
