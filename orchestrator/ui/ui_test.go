package ui

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func TestFiles(t *testing.T) {
	for _, tc := range []struct {
		rule, path  string
		status      int
		contentType string
	}{
		{"the page", "/ui/", 200, "text/html; charset=utf-8"},
		{"its script", "/ui/app.js", 200, "text/javascript; charset=utf-8"},
		{"its style", "/ui/style.css", 200, "text/css; charset=utf-8"},
		{"the slash is added, for the relative links", "/ui", 302, ""},
		{"no such file", "/ui/nothing", 404, "application/json"},
		{"a folder is no file", "/ui/.", 404, "application/json"},
		{"nothing outside", "/ui/../ui.go", 404, "application/json"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := get(tc.path)
			if ct := w.Header().Get("Content-Type"); w.Code != tc.status || ct != tc.contentType {
				t.Errorf("%d %q", w.Code, ct)
			}
		})
	}
}

// TestPageNeedsNothingElse holds what the content policy enforces: no inline code, no other server, and every file the
// page names is there.
func TestPageNeedsNothingElse(t *testing.T) {
	page := get("/ui/").Body.String()
	if strings.Contains(page, "<style") || strings.Contains(page, "style=") || strings.Contains(page, "onclick") {
		t.Error("inline style or script")
	}
	refs := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(refs) < 3 {
		t.Fatalf("references: %v", refs)
	}
	for _, m := range refs {
		if strings.Contains(m[1], "//") {
			t.Errorf("%s leads to another server", m[1])
		}
		if !strings.HasPrefix(m[1], "/") && get("/ui/"+m[1]).Code != 200 {
			t.Errorf("%s is missing", m[1])
		}
	}
	if script := get("/ui/app.js").Body.String(); strings.Contains(script, "innerHTML") {
		t.Error("the script writes HTML from data")
	}
}
