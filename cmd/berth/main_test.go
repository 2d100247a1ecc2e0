package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"berth": main})
}

// TestScripts runs the transcripts in testdata/script, each against an orchestrator of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			server := httptest.NewServer(newFake())
			env.Defer(server.Close)
			env.Setenv("BERTH_URL", server.URL)
			vip := httptest.NewServer(http.HandlerFunc(answerVIPs))
			env.Defer(vip.Close)
			env.Setenv("FAKE_VIP", vip.URL)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // each command is a process of its own
			return nil
		},
	})
}

// answerVIPs answers as a vip that runs.
func answerVIPs(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v2/vips" {
		http.NotFound(w, r)
		return
	}
	_, _ = io.WriteString(w, `{"vips": [{"id": "tcp/1.1.1.1:80", "vip": "1.1.1.1:80", "addresses": ["1.1.1.1"], "protocol": "tcp",
		"port": 80, "apps": ["/web"], "connections": 7, "backends": [
		{"app": "/web", "task": "web.1", "address": "10.0.0.1:31000", "state": "active", "weight": 1, "connections": 7},
		{"app": "/web", "task": "web.2", "address": "10.0.0.2:31000", "state": "unhealthy", "weight": 1}]}],
		"problems": [{"app": "/odd", "field": "VIP_0", "value": "x", "reason": "no VIP: expected more"}]}`)
}
