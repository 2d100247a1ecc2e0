package client

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/porttest"
	"berth/orchestrator/api"
)

// serve starts a server that ends with the test and returns its URL.
func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// reply answers everything with status and body.
func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// deadURL is an address where nobody listens.
func deadURL(t testing.TB) string {
	return fmt.Sprintf("http://127.0.0.1:%d", porttest.Free(t))
}

func TestReadsPassOverAURLThat(t *testing.T) {
	good := serve(t, reply(200, `{"apps":[]}`))
	loop := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path+"/again", http.StatusFound)
	})
	slow := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, bad := range map[string]string{
		"refuses connections":      deadURL(t),
		"answers 500":              serve(t, reply(500, `{"message":"oops"}`)),
		"answers 503 in HTML":      serve(t, reply(503, `<html>`)),
		"answers 401":              serve(t, reply(401, `{"message":"who?"}`)),
		"answers 403":              serve(t, reply(403, `{"message":"no"}`)),
		"answers a foreign 404":    serve(t, reply(404, `<html>`)),
		"redirects without end":    loop,
		"redirects without target": serve(t, reply(302, "")),
		"answers something else":   serve(t, reply(200, `<html>`)),
		"cuts its answer":          serve(t, reply(200, `{"apps":[{"id":"/a"}`)),
		"lacks the list":           serve(t, reply(200, `{"message":"hello"}`)),
		"hangs":                    slow,
		"answers too much":         serve(t, reply(200, `{"apps":[`+strings.Repeat(" ", 2000)+`]}`)),
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(t, Options{URLs: []string{bad, good}, Timeout: 200 * time.Millisecond, MaxBody: 1000})
			for range 2 {
				r := c.readAll(t.Context(), nil, "")
				if r.err != nil || r.source != good {
					t.Fatalf("source %q, %v", r.source, r.err)
				}
			}
			if got := c.order("")[0]; got != 1 {
				t.Error("the URL that worked is not asked first")
			}
			if got := c.order(good); !cmp.Equal(got, []int{0, 1}) {
				t.Errorf("order %v when the second is to be avoided", got)
			}
			c = newTestClient(t, Options{URLs: []string{bad}, Timeout: 200 * time.Millisecond, MaxBody: 1000})
			if r := c.readAll(t.Context(), nil, ""); r.err == nil || !strings.HasPrefix(r.err.Error(), bad+": ") {
				t.Errorf("alone: %v", r.err)
			}
		})
	}
}

func TestWritesAreSentAgainOnlyIfTheyHadNoEffect(t *testing.T) {
	for name, tc := range map[string]struct {
		bad   string
		again bool
	}{
		"nobody listens": {deadURL(t), true},
		"not ready":      {serve(t, reply(503, `{"message":"no leader"}`)), true},
		"not allowed":    {serve(t, reply(401, `{"message":"who?"}`)), true},
		"failed":         {serve(t, reply(500, `{"message":"oops"}`)), false},
		"cut":            {serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), false},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			good := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				n++
				_, _ = io.WriteString(w, `{"version":"2024-01-01T00:00:00.000Z","deploymentId":"d"}`)
			})
			c := newTestClient(t, Options{URLs: []string{tc.bad, good}})
			res, err := c.Restart(t.Context(), "/a", WriteOptions{})
			if (err == nil) != tc.again || (n == 1) != tc.again {
				t.Errorf("%v, sent on %d times, result %+v", err, n, res)
			}
		})
	}
}

func TestRefusalsBecomeAPIErrors(t *testing.T) {
	for body, tc := range map[string]struct {
		status int
		want   api.Error
	}{
		`{"message":"App '/x' does not exist"}`: {404, api.Error{Code: api.CodeNotFound, Message: "App '/x' does not exist"}},
		`{"message":"Invalid JSON","details":"line 1"}`: {
			400, api.Error{Code: api.CodeMalformed, Message: "Invalid JSON", ParserText: "line 1"},
		},
		`{"message":"scale and wipe"}`: {400, api.Error{Code: api.CodeBadRequest, Message: "scale and wipe"}},
		`{"message":"taken"}`:          {409, api.Error{Code: api.CodeConflict, Message: "taken"}},
		`{"message":"locked","deployments":[{"id":"d"}]}`: {
			409, api.Error{Code: api.CodeLocked, Message: "locked", Deployments: []api.DeploymentRef{{ID: "d"}}},
		},
		`{"message":"Object is not valid","details":[{"path":"/id","errors":["bad"]}]}`: {
			422, api.Error{
				Code: api.CodeInvalid, Message: "Object is not valid",
				Details: []api.Detail{{Path: "/id", Errors: []string{"bad"}}},
			},
		},
		`{"message":"too large"}`: {413, api.Error{Code: api.CodeTooLarge, Message: "too large"}},
		`{"message":"not ready"}`: {503, api.Error{Code: api.CodeUnavailable, Message: "not ready"}},
		`{"message":"who?"}`:      {401, api.Error{Code: api.CodeBadRequest, Message: "who?"}},
		`<html>`:                  {502, api.Error{Code: api.CodeInternal, Message: "status 502"}},
	} {
		c := newTestClient(t, Options{URLs: []string{serve(t, reply(tc.status, body))}})
		_, err := c.CreateApp(t.Context(), []byte(`{}`), WriteOptions{})
		var got *api.Error
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", body, err)
		} else if d := cmp.Diff(&tc.want, got); d != "" {
			t.Errorf("%s: %s", body, d)
		}
	}
}

func TestCredentialsReachTheTargetOfARedirect(t *testing.T) {
	leader := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if u, p, _ := r.BasicAuth(); u != "me" || p != "a:b@c" {
			w.WriteHeader(401)
		}
		_, _ = io.WriteString(w, `{"apps":[]}`)
	})
	follower := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, leader+r.URL.Path, http.StatusTemporaryRedirect)
	})
	c := newTestClient(t, Options{URLs: []string{strings.Replace(follower, "://", "://me:a:b%40c@", 1)}})
	if _, err := c.Apps(t.Context(), ReadOptions{}); err != nil {
		t.Error(err)
	}
}

func TestURLPrefixIDAndQueryAreKept(t *testing.T) {
	var got string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Method + " " + r.URL.String() + " " + r.Header.Get("Authorization")
		_, _ = io.WriteString(w, `{"version":"2024-01-01T00:00:00.000Z","deploymentId":"d"}`)
	})
	c := newTestClient(t, Options{URLs: []string{url + "/service/marathon/"}, Token: "secret"})
	if _, err := c.DeleteApp(t.Context(), "/prod/my app", WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if want := "DELETE /service/marathon/v2/apps/prod/my%20app?force=false Bearer secret"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNoCredentialsInErrors(t *testing.T) {
	for _, u := range []string{"", "ftp://me:secret@h", "http://me:sec/ret@host", "://secret", "http://me:secret@", "http://h?secret"} {
		if _, err := New(Options{URLs: []string{u}}); err == nil || strings.Contains(err.Error(), "sec") {
			t.Errorf("%s: %v", u, err)
		}
	}
	dead := strings.Replace(deadURL(t), "://", "://me:secret@", 1)
	c := newTestClient(t, Options{URLs: []string{dead, dead}})
	for _, err := range []error{c.Ping(t.Context()), c.readAll(t.Context(), nil, "").err} {
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
	}
}

func TestParseCredentialsSplitsAtTheFirstColon(t *testing.T) {
	for in, want := range map[string][2]string{"a:b:c\n": {"a", "b:c"}, "a:": {"a", ""}, ":b": {}, "secret": {}} {
		u, p, err := ParseCredentials(in)
		if u != want[0] || p != want[1] || (err == nil) != (want[0] != "") {
			t.Errorf("%q: %q %q %v", in, u, p, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
}

func TestServerIsVerified(t *testing.T) {
	s := httptest.NewUnstartedServer(reply(200, `{"apps":[]}`))
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		opt Options
		ok  bool
	}{
		"by default": {Options{}, false}, "by CA file": {Options{CAFile: ca}, true}, "not": {Options{Insecure: true}, true},
	} {
		tc.opt.URLs = []string{s.URL}
		if err := newTestClient(t, tc.opt).Ping(t.Context()); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{filepath.Join(t.TempDir(), "none"), os.DevNull} {
		if _, err := New(Options{URLs: []string{s.URL}, CAFile: file}); err == nil {
			t.Errorf("%s accepted as CA file", file)
		}
	}
}

func TestRedirectFromTLSToPlainIsRefused(t *testing.T) {
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { t.Error("credentials went out in clear text") })
	s := httptest.NewTLSServer(http.RedirectHandler(plain, http.StatusFound))
	t.Cleanup(s.Close)
	c := newTestClient(t, Options{URLs: []string{s.URL}, Insecure: true, User: "me", Password: "secret"})
	if err := c.Ping(t.Context()); err == nil {
		t.Error("followed")
	}
}

func TestWritesCarryTheDocumentAsWrittenAndBringBackRemarks(t *testing.T) {
	const doc = `{"id":"/a", "nonsense": 1}`
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		if string(got) != doc || r.Header.Get("Content-Type") != "application/json" || r.URL.Query().Get("force") != "true" {
			t.Errorf("%s %s %s", got, r.Header, r.URL)
		}
		w.Header().Add("X-Warnings", "port 80 is taken, too")
		w.Header().Add("X-Warnings", `["second","third"]`)
		w.Header().Set("X-Unknown-Fields", "/nonsense, /other")
		w.Header().Set("Marathon-Deployment-Id", "d1")
		w.WriteHeader(201)
		_, _ = io.WriteString(w, `{"id":"/a","instances":2,"version":"2024-01-01T00:00:00.000Z","tasks":[]}`)
	})
	c := newTestClient(t, Options{URLs: []string{url}})
	res, err := c.CreateApp(t.Context(), []byte(doc), WriteOptions{Force: true})
	if err != nil || res.App == nil || res.App.Instances != 2 || res.DeploymentID != "d1" || res.Version == 0 {
		t.Errorf("%+v, %v", res, err)
	}
	if d := cmp.Diff([]string{"port 80 is taken, too", "second", "third"}, res.Warnings); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"/nonsense", "/other"}, res.Unknown); d != "" {
		t.Error(d)
	}
}

func TestTypedCalls(t *testing.T) {
	answers := map[string]string{
		"GET /v2/apps?embed=apps.tasks&label=a%3D%3Db": `{"apps":[{"id":"/a"}]}`,
		"GET /v2/apps/a?":                     `{"app":{"id":"/a"}}`,
		"PUT /v2/apps/a?partialUpdate=false":  `{"version":"2024-01-01T00:00:00.000Z","deploymentId":"d"}`,
		"PATCH /v2/apps/a?dryRun=true":        `{"steps":[{"actions":[]}],"app":{"id":"/a"}}`,
		"PATCH /v2/apps/a?":                   `{"version":"2024-01-01T00:00:00.000Z","deploymentId":"d"}`,
		"GET /v2/tasks?":                      `{"tasks":[{"id":"a.1"}]}`,
		"GET /v2/apps/a/tasks?":               `{"tasks":[{"id":"a.1"}]}`,
		"POST /v2/tasks/delete?":              `{"tasks":[{"id":"a.1"}]}`,
		"POST /v2/tasks/delete?scale=true":    `{"version":"2024-01-01T00:00:00.000Z","deploymentId":"d"}`,
		"GET /v2/deployments?":                `[{"id":"d"}]`,
		"DELETE /v2/deployments/d?force=true": ``,
		"GET /v2/queue?":                      `{"queue":[{"count":1}]}`,
		"DELETE /v2/queue/a/delay?":           ``,
		"GET /v2/apps/a/versions?":            `{"versions":["2024-01-01T00:00:00.000Z"]}`,
		"GET /v2/info?":                       `{"name":"marathon","version":"1.11.24","orchestrator":{"version":"x"}}`,
		"GET /ping?":                          `pong`,
		"GET /v2/tasks/a.1/logs?follow=true&lines=3&stream=stderr": `line`,
		"GET /v2/apps/a/versions/2024-01-01T00:00:00.000Z?":        `{"id":"/a"}`,
	}
	asked := map[string]bool{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.Method + " " + r.URL.Path + "?" + r.URL.RawQuery
		asked[key] = true
		body, ok := answers[key]
		if !ok {
			t.Errorf("unexpected %s", key)
		}
		_, _ = io.WriteString(w, body)
	})
	c, ctx := newTestClient(t, Options{URLs: []string{url}}), t.Context()
	check := func(ok bool, err error) {
		t.Helper()
		if err != nil || !ok {
			t.Errorf("ok %v, %v", ok, err)
		}
	}
	apps, err := c.Apps(ctx, ReadOptions{Embed: []string{"apps.tasks"}, Label: "a==b"})
	check(len(apps) == 1 && apps[0].ID == "/a", err)
	one, err := c.App(ctx, "/a")
	check(one != nil && one.ID == "/a", err)
	res, err := c.PutApp(ctx, "/a", []byte(`{}`), WriteOptions{Replace: true})
	check(res.DeploymentID == "d", err)
	res, err = c.PatchApp(ctx, "/a", []byte(`{}`), WriteOptions{DryRun: true})
	check(len(res.Steps) == 1 && res.App.ID == "/a", err)
	res, err = c.Scale(ctx, "/a", 3, WriteOptions{})
	check(res.DeploymentID == "d", err)
	tasks, err := c.Tasks(ctx, "")
	check(len(tasks) == 1, err)
	tasks, err = c.Tasks(ctx, "/a")
	check(len(tasks) == 1, err)
	tasks, _, err = c.KillTasks(ctx, []string{"a.1"}, KillOptions{})
	check(len(tasks) == 1, err)
	_, res, err = c.KillTasks(ctx, []string{"a.1"}, KillOptions{Scale: true})
	check(res.DeploymentID == "d", err)
	ds, err := c.Deployments(ctx)
	check(len(ds) == 1, err)
	res, err = c.CancelDeployment(ctx, "d", WriteOptions{Force: true})
	check(res.DeploymentID == "", err)
	q, err := c.Queue(ctx)
	check(len(q) == 1 && q[0].Count == 1, err)
	check(true, c.ResetDelay(ctx, "/a"))
	vs, err := c.Versions(ctx, "/a")
	check(len(vs) == 1, err)
	v, err := c.Version(ctx, "/a", vs[0])
	check(v != nil && v.ID == "/a", err)
	info, err := c.Info(ctx)
	check(info.Version == "1.11.24" && json.Valid(info.Raw), err)
	check(true, c.Ping(ctx))
	logs, err := c.Logs(ctx, "a.1", LogOptions{Stream: "stderr", Follow: true, Lines: 3})
	check(logs != nil, err)
	text, err := io.ReadAll(logs)
	check(string(text) == "line", errors.Join(err, logs.Close()))
	for key := range answers {
		if !asked[key] {
			t.Errorf("never asked: %s", key)
		}
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c := newTestClient(t, Options{URLs: []string{url, url}})
	if _, err := c.Info(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := c.Logs(ctx, "a.1", LogOptions{}); err == nil {
		t.Error("logs without an error")
	}
}
