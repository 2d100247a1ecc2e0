package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/internal/porttest"
	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProbes(t *testing.T) {
	web := http.NewServeMux()
	web.HandleFunc("/ok", func(http.ResponseWriter, *http.Request) {})
	web.Handle("/moved", http.RedirectHandler("/bad", http.StatusFound))
	web.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	web.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x-long")
		_, _ = w.Write([]byte(strings.Repeat("x", 2*maxAnswer)))
	})
	web.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	plain, secure := httptest.NewServer(web), httptest.NewTLSServer(web)
	defer plain.Close()
	defer secure.Close()
	at := plain.Listener.Addr().String()
	closed := fmt.Sprintf("127.0.0.1:%d", porttest.Free(t))

	exec := func(_ context.Context, task, command string) (driver.ExecResult, error) {
		switch command {
		case "true":
			return driver.ExecResult{}, nil
		case "false":
			return driver.ExecResult{ExitCode: 1, Output: []byte("it is down\n")}, nil
		}
		return driver.ExecResult{}, errors.New("no such task")
	}
	tests := []struct {
		rule    string
		check   api.HealthCheck
		address string
		want    string // part of the error; "" passes
	}{
		{"200 passes", api.HealthCheck{Protocol: "HTTP", Path: "/ok"}, at, ""},
		{"a path without slash", api.HealthCheck{Protocol: "HTTP", Path: "ok"}, at, ""},
		{"a redirect passes and is not followed", api.HealthCheck{Protocol: "MESOS_HTTP", Path: "/moved"}, at, ""},
		{"503 fails", api.HealthCheck{Protocol: "HTTP", Path: "/bad"}, at, "answered 503"},
		{"404 fails", api.HealthCheck{Protocol: "HTTP", Path: "/"}, at, "answered 404"},
		{"no answer in time", api.HealthCheck{Protocol: "HTTP", Path: "/slow", TimeoutSeconds: 0.1}, at, "no answer within 100ms"},
		{"nobody listens", api.HealthCheck{Protocol: "HTTP", Path: "/"}, closed, "connection refused"},
		{"any certificate will do", api.HealthCheck{Protocol: "HTTPS", Path: "/ok"}, secure.Listener.Addr().String(), ""},
		{"HTTPS to plain HTTP", api.HealthCheck{Protocol: "MESOS_HTTPS", Path: "/ok"}, at, "HTTP response to HTTPS client"},
		{"a connection passes", api.HealthCheck{Protocol: "TCP"}, at, ""},
		{"no connection", api.HealthCheck{Protocol: "MESOS_TCP"}, closed, "connection refused"},
		{"exit code 0 passes", api.HealthCheck{Protocol: "COMMAND", Command: &api.HealthShell{Value: "true"}}, "", ""},
		{"another fails with its output", api.HealthCheck{Protocol: "COMMAND", Command: &api.HealthShell{Value: "false"}}, "", "exit code 1: it is down"},
		{"a command that cannot run", api.HealthCheck{Protocol: "COMMAND", Command: &api.HealthShell{Value: "x"}}, "", "no such task"},
		{"no command", api.HealthCheck{Protocol: "COMMAND"}, "", "no command"},
		{"unknown protocol", api.HealthCheck{Protocol: "SCTP"}, at, "protocol SCTP"},
	}
	p := newProber(exec)
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if tt.check.TimeoutSeconds == 0 {
				tt.check.TimeoutSeconds = 10
			}
			err := p.probe(context.Background(), &Check{Task: "t", Def: &tt.check, Address: tt.address})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("failed: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	t.Run("readiness wants one of its codes", func(t *testing.T) {
		r := &api.ReadinessCheck{Protocol: "HTTP", Path: "/bad", TimeoutSeconds: 5, HTTPStatusCodesForReady: []int{503}}
		if err := p.probe(context.Background(), &Check{Readiness: r, Address: at}); err != nil {
			t.Error(err)
		}
		r.Path = "/ok"
		if err := p.probe(context.Background(), &Check{Readiness: r, Address: at}); err == nil {
			t.Error("200 passed")
		}
	})
	t.Run("readiness keeps the answer", func(t *testing.T) {
		r := &api.ReadinessCheck{Protocol: "HTTP", Path: "/long", TimeoutSeconds: 5, HTTPStatusCodesForReady: []int{200}}
		c := &Check{Readiness: r, Address: at}
		if err := p.probe(context.Background(), c); err != nil {
			t.Error(err)
		}
		if a := c.Response; a == nil || a.Status != 200 || a.ContentType != "text/x-long" || len(a.Body) != maxKept ||
			strings.Trim(a.Body, "x") != "" {
			t.Errorf("answer %+v", a)
		}
		c.Address = closed
		err := p.probe(context.Background(), c)
		if a := c.Response; err == nil || a == nil || a.Status != 504 || a.Body != err.Error() {
			t.Errorf("no answer: %+v, %v", c.Response, err)
		}
	})
}

func TestTimeoutsAreBounded(t *testing.T) {
	c := Check{Def: &api.HealthCheck{TimeoutSeconds: 1e12, IntervalSeconds: 0}}
	if c.timeout() != time.Hour || c.interval() != 100*time.Millisecond {
		t.Errorf("%s %s", c.timeout(), c.interval())
	}
}
