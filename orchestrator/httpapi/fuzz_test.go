package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzRequest sends any request: it may be refused, but it is never our fault (5xx), it never ends without an answer,
// and every error is JSON with a message.
func FuzzRequest(f *testing.F) {
	for _, tc := range conformance {
		f.Add(tc.method, tc.target, tc.body, strings.Join(tc.send, "\n"))
	}
	f.Add("PUT", "/v2/apps/web?partialUpdate=false", `{"id":"/web","cmd":"x","ports":[1,2],"env":{"A":null}}`, "")
	f.Add("PUT", "/v2/apps", `[null,1,{"id":"/a","cmd":"x"},{"id":"/a"}]`, "")
	f.Add("PATCH", "/v2/apps/web", `{"version":"x","instances":1}`, "Accept-Encoding\ngzip")
	f.Add("PUT", "/v2/groups/g", `{"apps":[{"id":"../x"}],"groups":[{"id":"g"},null,{"groups":{}}],"dependencies":[1,".."],"scaleBy":-1}`, "")
	f.Add("POST", "/v2/groups//a/versions", `{"version":"2026-01-02T03:04:05.003Z","scaleBy":1e9}`, "")
	f.Add("GET", "/v2/apps/..//../web/%00", "", "Accept\ntext/plain;q=x,,*/*")
	f.Add("POST", "/v1/acks", `{"subscriber":1e400}`, "")
	f.Fuzz(func(t *testing.T, method, target, body, header string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || !strings.HasPrefix(target, "/") || len(method) > 20 {
			return
		}
		_, s := seeded(t)
		// A stream that is let in lasts until the request's context ends.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		words := strings.Split(header, "\n")
		for i := 0; i+1 < len(words); i += 2 {
			r.Header.Set(words[i], words[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		checkAnswer(t, w)
	})
}

func checkAnswer(t *testing.T, w *httptest.ResponseRecorder) {
	if w.Code >= 500 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w.Code < 400 || w.Header().Get("Content-Encoding") != "" {
		return
	}
	var body struct{ Message string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Message == "" {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	for name, values := range w.Header() {
		for _, v := range values {
			if strings.ContainsAny(v, "\r\n\x00") {
				t.Fatalf("header %s: %q", http.CanonicalHeaderKey(name), v)
			}
		}
	}
}
