package client

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestATokenFileIsReadForEachRequest: a token that was replaced on disk needs no restart of who uses it.
func TestATokenFileIsReadForEachRequest(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		_, _ = w.Write([]byte(`{"apps":[]}`))
	}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(" one \nother\n")
	c, err := New(Options{URLs: []string{srv.URL}, TokenFile: file, Token: "flag"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, want := range []string{"one", "two"} {
		if _, err := c.Apps(t.Context(), ReadOptions{}); err != nil || got != "Bearer "+want {
			t.Errorf("header %q, error %v", got, err)
		}
		write("two")
	}
	write("two words")
	if _, err := c.Apps(t.Context(), ReadOptions{}); err == nil || !strings.Contains(err.Error(), "without blanks") ||
		strings.Contains(err.Error(), "two words") {
		t.Errorf("a file without a token: %v", err)
	}
	if _, err := New(Options{URLs: []string{srv.URL}, TokenFile: file + ".none"}); err == nil {
		t.Error("a file that is not there is no mistake")
	}
}

func TestClientCertificatesNeedBothParts(t *testing.T) {
	for _, o := range []Options{{KeyFile: "k"}, {CertFile: "/nonexistent"}} {
		o.URLs = []string{"https://127.0.0.1:1"}
		if _, err := New(o); err == nil {
			t.Errorf("%+v is no mistake", o)
		}
	}
}
