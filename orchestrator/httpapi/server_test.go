package httpapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

func TestAuthentication(t *testing.T) {
	s := newServer(t, newFake(), Options{Credentials: []Credential{
		{Name: "ann", Password: "s3cret"}, {Name: "bob", Password: "p:w"}, {Name: "token", Token: "tok"}}})
	basic := func(user, password string) []string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, password)
		return []string{"Authorization", r.Header.Get("Authorization")}
	}
	for _, tc := range []struct {
		rule, target string
		send         []string
		status       int
	}{
		{"nothing given", "/v2/apps", nil, 401},
		{"unknown routes are covered too", "/v2/zzz", nil, 401},
		{"the page as well", "/", nil, 401},
		{"right password", "/v2/apps", basic("ann", "s3cret"), 200},
		{"a colon in the password", "/v2/apps", basic("bob", "p:w"), 200},
		{"another's password", "/v2/apps", basic("ann", "p:w"), 401},
		{"unknown user", "/v2/apps", basic("eve", "s3cret"), 401},
		{"empty password", "/v2/apps", basic("ann", ""), 401},
		{"token", "/v2/apps", []string{"Authorization", "Bearer tok"}, 200},
		{"token the way of DC/OS", "/v2/apps", []string{"Authorization", "token=tok"}, 200},
		{"wrong token", "/v2/apps", []string{"Authorization", "Bearer toc"}, 401},
		{"a token is no password", "/v2/apps", basic("", "tok"), 401},
		{"ping is open", "/ping", nil, 200},
		{"healthz is open", "/healthz", nil, 200},
		{"readyz is open", "/readyz", nil, 200},
		{"metrics are not", "/metrics", nil, 401},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := do(s, "GET", tc.target, "", tc.send...)
			if w.Code != tc.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if h := w.Header().Get("WWW-Authenticate"); (h == `Basic realm="Mesosphere"`) != (tc.status == 401) {
				t.Errorf("WWW-Authenticate: %q", h)
			}
		})
	}
}

func TestCrossOrigin(t *testing.T) {
	_, s := seeded(t)
	w := do(s, "GET", "/v2/apps", "", "Origin", "https://ui.example")
	if h := w.Header().Get("Access-Control-Allow-Origin"); h != "" {
		t.Errorf("without configuration: %q", h)
	}
	open := newServer(t, newFake(), Options{Origins: []string{"https://ui.example"}, Credentials: []Credential{{Token: "tok"}}})
	w = do(open, "OPTIONS", "/v2/apps", "", "Origin", "https://ui.example", "Access-Control-Request-Method", "POST")
	want := []string{"https://ui.example", "GET, HEAD, OPTIONS, PATCH, POST, PUT"}
	got := []string{w.Header().Get("Access-Control-Allow-Origin"), w.Header().Get("Access-Control-Allow-Methods")}
	if diff := cmp.Diff(want, got); w.Code != http.StatusNoContent || diff != "" {
		t.Error(w.Code, diff)
	}
	w = do(open, "POST", "/v2/tasks/delete", `{"ids":[]}`, "Origin", "https://ui.example", "Sec-Fetch-Site", "cross-site",
		"Authorization", "Bearer tok")
	if w.Code != http.StatusOK {
		t.Errorf("write of a trusted origin: %d %s", w.Code, w.Body)
	}
	if _, err := New(newFake(), Options{Origins: []string{"nonsense"}}); err == nil {
		t.Error("an origin without a scheme was accepted")
	}
}

func TestBodyLimit(t *testing.T) {
	s := newServer(t, newFake(), Options{MaxBody: 100})
	w := do(s, "POST", "/v2/apps", `{"id":"/a","cmd":"`+strings.Repeat("x", 100)+`"}`)
	want := "the body is larger than the limit of 100 bytes"
	if got := dig(decoded(t, w.Body.Bytes()), "message"); w.Code != http.StatusRequestEntityTooLarge || got != want {
		t.Errorf("%d %v", w.Code, got)
	}
}

func TestGzip(t *testing.T) {
	_, s := seeded(t)
	plain := do(s, "GET", "/v2/apps?embed=apps.tasks", "")
	if plain.Header().Get("Content-Encoding") != "" {
		t.Fatal("compressed without being asked")
	}
	if w := do(s, "GET", "/v2/apps", "", "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("compressed although refused")
	}
	w := do(s, "GET", "/v2/apps?embed=apps.tasks", "", "Accept-Encoding", "deflate, gzip")
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil || !bytes.Equal(got, plain.Body.Bytes()) {
		t.Errorf("%v\n%s\n%s", err, got, plain.Body)
	}
}

func TestPanicIsAnAnswer(t *testing.T) {
	f, s := seeded(t)
	f.panics = true
	w := do(s, "GET", "/v2/apps", "")
	if got := dig(decoded(t, w.Body.Bytes()), "message"); w.Code != 500 || strings.Contains(got.(string), "fake") {
		t.Errorf("%d %v", w.Code, got)
	}
}

func TestErrorsOfTheBackend(t *testing.T) {
	for _, tc := range []struct {
		rule   string
		err    error
		status int
		body   string
	}{
		{"unexpected errors stay inside", errors.New("bolt: /secret/path is full"), 500,
			`{"message":"internal error; the orchestrator's log has the cause"}`},
		{"not ready", &api.Error{Code: api.CodeUnavailable, Message: "starting"}, 503, `{"message":"starting"}`},
		{"a broken rule", &api.Error{Code: api.CodeInvalid, Message: "Object is not valid",
			Details: []api.Detail{{Path: "/portDefinitions(0)/port", Errors: []string{"none is free"}}}}, 422,
			`{"message":"Object is not valid","details":[{"path":"/portDefinitions(0)/port","errors":["none is free"]}]}`},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			f, s := seeded(t)
			f.fail = tc.err
			w := do(s, "PUT", "/v2/apps/web", `{"instances":1}`)
			if diff := cmp.Diff(tc.body, w.Body.String()); w.Code != tc.status || diff != "" {
				t.Error(w.Code, diff)
			}
		})
	}
}

func TestNotesTravelInHeaders(t *testing.T) {
	f, s := seeded(t)
	f.warn = []string{"service port 80 is also asked for by /prod/db\r\nX-Evil: 1"}
	doc := `{"id":"/n","cmd":"x","maintainer":"me","Instances":7}`
	if w := do(s, "POST", "/v2/apps?strict=true", doc); w.Code != http.StatusUnprocessableEntity ||
		dig(decoded(t, w.Body.Bytes()), "details/0/errors/0") != "unknown field" {
		t.Errorf("strict: %d %s", w.Code, w.Body)
	}
	w := do(s, "POST", "/v2/apps", doc)
	unknown := strings.Split(w.Header().Get("X-Unknown-Fields"), ", ")
	slices.Sort(unknown)
	if diff := cmp.Diff([]string{"/Instances", "/maintainer"}, unknown); w.Code != http.StatusCreated || diff != "" {
		t.Errorf("%d %s", w.Code, diff)
	}
	want := []string{`service port 80 is also asked for by /prod/db\r\nX-Evil: 1`}
	if diff := cmp.Diff(want, w.Header()["X-Warnings"]); diff != "" {
		t.Error(diff)
	}
	if got := dig(decoded(t, w.Body.Bytes()), "instances"); got != 1.0 {
		t.Errorf("Instances with a capital letter scaled the app to %v", got)
	}
}

func TestWritesAreAudited(t *testing.T) {
	var log bytes.Buffer
	f := newFake()
	s := newServer(t, f, Options{
		Log:         slog.New(slog.NewTextHandler(&log, nil)),
		Credentials: []Credential{{Name: "ann", Password: "s3cret"}},
	})
	r := httptest.NewRequest("DELETE", "/v2/apps/x?force=true", nil)
	r.SetBasicAuth("ann", "s3cret")
	s.ServeHTTP(httptest.NewRecorder(), r)
	for _, part := range []string{"msg=write", "user=ann", "method=DELETE", `uri="/v2/apps/x?force=true"`, "status=404",
		"remote=192.0.2.1:1234"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%s is missing in %s", part, log.String())
		}
	}
	if strings.Contains(log.String(), "s3cret") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("log: %s", log.String())
	}
}

func TestTaskText(t *testing.T) {
	_, s := seeded(t)
	for _, tc := range []struct{ rule, target, accept, want string }{
		{"one line per app and port", "/v2/tasks", "text/plain",
			"prod_db\t0\thost1:31003\t\nprod_sub_api\t0\t\nweb\t0\thost1:31001\thost0:31002\t\n"},
		{"one app", "/v2/apps/prod/db/tasks", "text/plain", "prod_db\t0\thost1:31003\t\n"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := do(s, "GET", tc.target, "", "Accept", tc.accept)
			if diff := cmp.Diff(tc.want, w.Body.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if w := do(s, "GET", "/v2/tasks", "", "Accept", "*/*"); w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("*/* gave %s", w.Header().Get("Content-Type"))
	}
	noPorts := &api.AppInfo{App: api.App{ID: "/g/a"}, Tasks: []api.Task{{State: api.TaskRunning, Host: "h1"}}}
	var b strings.Builder
	writeTaskLines(&b, noPorts)
	if b.String() != "g_a\t \th1\t\n" {
		t.Errorf("without ports: %q", b.String())
	}
}

func TestMetricsText(t *testing.T) {
	_, s := seeded(t)
	do(s, "BREW", "/v2/apps", "")
	for _, tc := range []struct{ target, accept string }{
		{"/metrics/prometheus", ""},
		{"/metrics", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"},
		{"/metrics", "text/plain"},
	} {
		w := do(s, "GET", tc.target, "", "Accept", tc.accept)
		for _, want := range []string{
			`berth_http_requests_total{code="201",method="POST",route="/v2/apps"} 3`,
			`berth_http_requests_total{code="405",method="other",route="/v2/apps"} 1`,
			`berth_tasks{state="TASK_RUNNING"} 3`, "berth_apps 3", "berth_event_subscribers 0",
		} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s, Accept %q: %s is missing", tc.target, tc.accept, want)
			}
		}
	}
}

func TestLogs(t *testing.T) {
	f, s := seeded(t)
	f.logs["web.1"] = "hello\n"
	w := do(s, "GET", "/v2/tasks/web.1/logs?stream=stderr&lines=10", "")
	if ct := w.Header().Get("Content-Type"); w.Body.String() != "stderr: hello\n" || ct != "text/plain; charset=utf-8" {
		t.Errorf("%s %q", ct, w.Body)
	}
	resp, err := http.Get(serve(t, s) + "/v2/tasks/web.1/logs?follow=true")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line := make([]byte, 6)
	if _, err := io.ReadFull(resp.Body, line); err != nil || string(line) != "hello\n" {
		t.Fatalf("%q %v", line, err)
	}
	s.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("after the server's end: %q %v", rest, err)
	}
}

func TestPingIsText(t *testing.T) {
	s := newServer(t, newFake(), Options{})
	for _, accept := range []string{"", "*/*", "text/plain"} {
		if w := do(s, "GET", "/ping", "", "Accept", accept); w.Body.String() != "pong" {
			t.Errorf("Accept %q: %q", accept, w.Body)
		}
	}
}
