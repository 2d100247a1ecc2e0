package api

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestIDs(t *testing.T) {
	for _, c := range []struct{ in, base, want string }{
		{"web", "", "/web"},
		{"/web", "", "/web"},
		{"//group///web//", "", "/group/web"},
		{"web", "/group", "/group/web"},
		{"/web", "/group", "/web"},
		{"web", "/", "/web"},
		{"./web", "/group", "/group/web"},
		{"../web", "/group/sub", "/group/web"},
		{"/a/b/..", "", "/a"},
		{"/a/./b", "", "/a/b"},
		{"a.b-c.9", "", "/a.b-c.9"},
		{"tasks/x", "", "/tasks/x"},
		{"versions/x", "", "/versions/x"},
		{"restart/x", "", "/restart/x"},
		{"a/restart/x", "", "/a/restart/x"},
	} {
		got, err := ParseID(c.in, c.base)
		if err != nil || got != c.want {
			t.Errorf("ParseID(%q, %q) = %q, %v; expected %q", c.in, c.base, got, err, c.want)
		}
	}
}

func TestRefusedIDs(t *testing.T) {
	for name, id := range map[string]string{
		"empty":                    "",
		"the root":                 "/",
		"only slashes":             "///",
		"the root by resolution":   "/a/..",
		"above the root":           "/../a",
		"upper case":               "/Web",
		"underscore":               "/my_app",
		"space":                    "/my app",
		"percent":                  "/my%2fapp",
		"line break":               "/a\nb",
		"not ASCII":                "/grün",
		"hyphen first":             "/-a",
		"hyphen last":              "/a-",
		"hyphen last in a label":   "/a-.b",
		"empty label":              "/a..b",
		"dot last":                 "/a.",
		"three dots":               "/...",
		"ends in restart":          "/a/restart",
		"ends in tasks":            "tasks",
		"ends in versions":         "/a/b/versions",
		"tasks before the last":    "a/tasks/x",
		"versions before the last": "/a/b/versions/x",
		"too long":                 strings.Repeat("/abcdefg", 65),
		"much too long":            strings.Repeat("a/../", 100000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseID(id, "")
			wantPaths(t, err, "/id")
		})
	}
	if _, err := ParseID(strings.Repeat("/abcdefg", 64), ""); err != nil {
		t.Errorf("512 characters: %v", err)
	}
}

func TestDefinitionNeedsAnID(t *testing.T) {
	for _, document := range []string{`{"cmd":"a"}`, `{"cmd":"a","id":null}`, `{"cmd":"a","id":""}`, `{"cmd":"a","id":"/A"}`} {
		_, _, err := ParseApp([]byte(document))
		wantPaths(t, err, "/id")
	}
}

func TestParsedIDsAreFixedPoints(t *testing.T) {
	segment := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,3}[a-z0-9])?(\.[a-z0-9]{1,3})?|\.|\.\.|restart|tasks|versions`)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(segment, 1, 6).Draw(t, "segments"), "/")
		base, err := ParseID(strings.Join(rapid.SliceOfN(segment, 1, 3).Draw(t, "base"), "/"), "")
		if err != nil {
			base = ""
		}
		id, err := ParseID(s, base)
		if err != nil {
			return
		}
		again, err := ParseID(id, "/elsewhere")
		if err != nil || again != id || !strings.HasPrefix(id, "/") || strings.HasSuffix(id, "/") {
			t.Fatalf("ParseID(%q) = %q, then %q, %v", s, id, again, err)
		}
	})
}

func TestNamesThatBreakDNSAreWarnedAbout(t *testing.T) {
	for id, want := range map[string]int{
		"/web":                            0,
		"/" + strings.Repeat("a", 54):     0,
		"/" + strings.Repeat("a", 55):     1,
		"/a.b/c":                          1,
		"/a.b/" + strings.Repeat("c", 55): 2,
	} {
		_, notes, err := ParseApp([]byte(`{"id":"` + id + `","cmd":"a"}`))
		if err != nil || len(notes.Warnings) != want {
			t.Errorf("%s: %v, warnings %q, expected %d", id, err, notes.Warnings, want)
		}
	}
}
