package sandbox

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestName(t *testing.T) {
	for id, want := range map[string]string{
		"prod_web.6f0e-1": "prod_web.6f0e-1",
		"":                "task--",
		"..":              "task-..-",
		".hidden":         "task-.hidden-",
		"a/../b":          "task-a-..-b-",
		"ä":               "task---",
	} {
		if got := Name(id); got != want && !(strings.HasSuffix(want, "-") && strings.HasPrefix(got, want)) {
			t.Errorf("Name(%q) = %q, want %q", id, got, want)
		}
	}
}

func TestNamesAreSafeAndDiffer(t *testing.T) {
	ids := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z._/-]{0,300}`))
	rapid.Check(t, func(t *rapid.T) {
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		for _, n := range []string{Name(a), Name(b)} {
			if n == "" || len(n) > maxName || strings.ContainsAny(n, "/\x00") || strings.HasPrefix(n, ".") {
				t.Fatalf("%q is no good directory name", n)
			}
		}
		if a != b && Name(a) == Name(b) {
			t.Fatalf("%q and %q share the name %q", a, b, Name(a))
		}
	})
}

func TestLocal(t *testing.T) {
	for path, ok := range map[string]bool{
		"a": true, "a/b": true, "./a": true, "a/../b": true, ".": true,
		"": false, "..": false, "../a": false, "a/../../b": false, "/a": false,
	} {
		if _, err := Local(path); (err == nil) != ok {
			t.Errorf("Local(%q): %v", path, err)
		}
	}
}
