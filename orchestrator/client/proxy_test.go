package client

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"berth/orchestrator/client/clienttest"
)

// proxyTo puts a proxy before s that shows each request to see, which may hold it up or panic.
func proxyTo(t *testing.T, s *clienttest.Server, see func(*http.Request)) string {
	t.Helper()
	target, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	p := httputil.NewSingleHostReverseProxy(target)
	p.Transport, p.FlushInterval = tr, -1
	p.ErrorLog = log.New(io.Discard, "", 0)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		see(r)
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		tr.CloseIdleConnections()
	})
	return srv.URL
}
