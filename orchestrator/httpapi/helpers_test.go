package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// seeded is a fake with a few apps, a deployment and a queue.
func seeded(t testing.TB) (*fake, *Server) {
	t.Helper()
	f := newFake()
	s := newServer(t, f, Options{Advertise: "10.0.0.1:8080"})
	for _, doc := range []string{
		`{"id":"/web","cmd":"sleep 1","instances":2,"cpus":0.1,"mem":32,"labels":{"tier":"front"}}`,
		`{"id":"/prod/db","cmd":"run DB","instances":1,"cpus":0.1,"mem":32,"labels":{"tier":"back"}}`,
		`{"id":"/prod/sub/api","cmd":"sleep 3","instances":0,"cpus":0.1,"mem":32}`,
	} {
		if got := do(s, "POST", "/v2/apps", doc); got.Code != http.StatusCreated {
			t.Fatalf("seed %s: %d %s", doc, got.Code, got.Body)
		}
	}
	return f, s
}

func newServer(t testing.TB, b Backend, opt Options) *Server {
	t.Helper()
	s, err := New(b, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// do sends one request; header holds pairs of names and values.
func do(s http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	} else {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// at walks into a decoded JSON document; list positions are numbers. A missing member is the string "(absent)".
func dig(v any, path string) any {
	for name := range strings.SplitSeq(path, "/") {
		switch x := v.(type) {
		case map[string]any:
			m, ok := x[name]
			if !ok {
				return "(absent)"
			}
			v = m
		case []any:
			var n int
			if err := json.Unmarshal([]byte(name), &n); err != nil || n >= len(x) {
				return "(absent)"
			}
			v = x[n]
		default:
			return "(absent)"
		}
	}
	return v
}

func decoded(t testing.TB, body []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, body)
	}
	return v
}
