package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestExplainAsksTheLoadBalancer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("url") == "http://none/" {
			http.Error(w, "nothing has been applied yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"request": %q, "entry": "http port", "rule": %q, "app": "/web", "backend": "web_1"}`, q.Get("url"), strings.Join(q["header"], ","))
	}))
	defer s.Close()
	run := func(args ...string) (string, error) {
		cmd := newRoot()
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(append([]string{"explain", "--mlb", s.URL}, args...))
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
	out, err := run("http://web.test/", "--header", "K=V")
	if err != nil || !strings.Contains(out, "backend   web_1\n") || !strings.Contains(out, "K=V") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run("http://web.test/", "-o", "json"); err != nil || !strings.Contains(out, `"backend": "web_1"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := run("http://none/"); err == nil || !strings.Contains(err.Error(), "nothing has been applied yet") {
		t.Errorf("error %v", err)
	}
	if _, err := run("nonsense://"); err == nil {
		t.Error("a wrong URL is taken")
	}
}
