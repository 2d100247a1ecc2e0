package api

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseGroup(t *testing.T) {
	u, notes, err := ParseGroup([]byte(`{
		"id":"/shop","version":null,"ports":1,"pods":[],"enforceRole":true,"apps":[{"id":"web","cmd":"x","dependencies":["db","../other"]}],
		"groups":[{"id":"/shop/back","dependencies":["../store","/shop/store","/far"],"apps":null,"groups":[{"id":"deep","apps":[]}]}]}`), "/shop")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"/ports"}, notes.Unknown); d != "" {
		t.Error(d)
	}
	if u.ID != "/shop" || u.Dependencies != nil || u.EnforceRole == nil || !*u.EnforceRole {
		t.Errorf("%+v", u)
	}
	web := u.Apps[0]
	if d := cmp.Diff([]string{"/shop/db", "/other"}, web.Dependencies); d != "" || web.ID != "/shop/web" || web.Instances != 1 {
		t.Errorf("%s %d %s", web.ID, web.Instances, d)
	}
	back := u.Groups[0]
	if d := cmp.Diff([]string{"/shop/store", "/far"}, back.Dependencies); d != "" || back.ID != "/shop/back" || back.Apps != nil {
		t.Errorf("%+v %s", back, d)
	}
	if deep := back.Groups[0]; deep.ID != "/shop/back/deep" || deep.Apps == nil || deep.Groups != nil {
		t.Errorf("%+v", deep)
	}
}

func TestParseGroupFindsItsPlace(t *testing.T) {
	tests := []struct{ rule, doc, at, want string }{
		{"the URL's without an id", `{}`, "/a/b", "/a/b"},
		{"its own path", `{"id":"/a/b"}`, "/a/b", "/a/b"},
		{"relative to the root", `{"id":"a/b"}`, "/a/b", "/a/b"},
		{"relative to the parent", `{"id":"b"}`, "/a/b", "/a/b"},
		{"the root", `{"id":"/"}`, "/", "/"},
		{"another one", `{"id":"/a/c"}`, "/a/b", ""},
		{"not the root", `{"id":"/a"}`, "/", ""},
	}
	for _, tt := range tests {
		u, _, err := ParseGroup([]byte(tt.doc), tt.at)
		if (err != nil) != (tt.want == "") || err == nil && u.ID != tt.want {
			t.Errorf("%s: %+v, %v", tt.rule, u, err)
		}
	}
	for doc, want := range map[string]string{`{"id":"c"}`: "/a/b/c", `{"id":"/c"}`: "/c", `{}`: "/a/b", `{"id":"../c"}`: "/a/c"} {
		if u, _, err := ParseNewGroup([]byte(doc), "/a/b"); err != nil || u.ID != want {
			t.Errorf("%s: %+v, %v", doc, u, err)
		}
	}
}

func TestParseGroupSaysWhatIsWrong(t *testing.T) {
	app := `{"id":"a","cmd":"x"}`
	tests := []struct{ rule, doc, message, want string }{
		{"an app lies directly in its group", `{"apps":[{"id":"/a","cmd":"x"},{"id":"b/c","cmd":"x"}]}`, messageInvalidObject,
			"/apps(0)/id, /apps(1)/id"},
		{"a group lies directly in its group", `{"groups":[{"id":"/x"},{"id":"a/b"},{}]}`, messageInvalidObject,
			"/groups(0)/id, /groups(1)/id, /groups(2)/id"},
		{"an id stands once", `{"apps":[` + app + `,` + app + `],"groups":[{"id":"a"}]}`, messageInvalidObject,
			"/apps(1)/id, /groups(0)/id"},
		{"rules of apps hold, wherever they are", `{"groups":[{"id":"x","apps":[{"id":"a","cmd":"x","cpus":-1}]}]}`, messageInvalidObject,
			"/groups(0)/apps(0)/cpus"},
		{"wrong types", `{"apps":{},"groups":[1],"dependencies":"x","enforceRole":"y","scaleBy":true,"version":1}`, messageInvalidJSON,
			"/apps, /groups(0)/, /dependencies, /enforceRole, /scaleBy, /version"},
		{"a wrong type in an app", `{"apps":[{"id":"a","cmd":1}]}`, messageInvalidJSON, "/apps(0)/cmd"},
		{"a null app", `{"apps":[null]}`, messageInvalidJSON, "/apps(0)/"},
		{"a bad id", `{"dependencies":["A","/"]}`, messageInvalidObject, "/dependencies(0), /dependencies(1)"},
		{"scaleBy stands alone", `{"scaleBy":2,"apps":[]}`, messageInvalidObject, "/"},
		{"version stands alone", `{"version":"2026-01-02T03:04:05.000Z","dependencies":[]}`, messageInvalidObject, "/"},
		{"not both", `{"version":"2026-01-02T03:04:05.000Z","scaleBy":1}`, messageInvalidObject, "/"},
		{"only outermost", `{"groups":[{"id":"x","scaleBy":2}]}`, messageInvalidObject, "/groups(0)/"},
		{"not negative", `{"scaleBy":-1}`, messageInvalidObject, "/scaleBy"},
		{"not endless", `{"scaleBy":1e300}`, messageInvalidObject, "/scaleBy"},
		{"pods", `{"pods":[{}]}`, messageInvalidObject, "/pods"},
		{"no object", `[]`, messageInvalidJSON, "/"},
	}
	for _, tt := range tests {
		_, _, err := ParseGroup([]byte(tt.doc), "/g")
		var e *Error
		if !errors.As(err, &e) || e.Code != CodeInvalid || e.Message != tt.message {
			t.Errorf("%s: %v", tt.rule, err)
			continue
		}
		var paths []string
		for _, d := range e.Details {
			paths = append(paths, d.Path)
		}
		if d := cmp.Diff(tt.want, strings.Join(paths, ", ")); d != "" {
			t.Errorf("%s:\n%s\n%v", tt.rule, d, err)
		}
	}
	if _, _, err := ParseGroup([]byte(`{`), "/g"); CodeOf(err) != CodeMalformed {
		t.Errorf("not JSON: %v", err)
	}
}

func TestScaledBy(t *testing.T) {
	for _, tt := range []struct {
		n    int
		f    float64
		want int
		ok   bool
	}{{2, 1.5, 3, true}, {3, 1.5, 5, true}, {10, 0.3, 3, true}, {1, 0.01, 1, true}, {7, 0, 0, true}, {0, 5, 0, true}, {1 << 30, 2, 0, false}} {
		if got, ok := ScaledBy(tt.n, tt.f); got != tt.want || ok != tt.ok {
			t.Errorf("%d × %v = %d, %v", tt.n, tt.f, got, ok)
		}
	}
}

// FuzzGroup holds that a document is read or refused with an error that has a code, and that what was read lies where it
// says.
func FuzzGroup(f *testing.F) {
	f.Add(`{"id":"/g","apps":[{"id":"a","cmd":"x","ports":[0,0]}],"groups":[{"id":"s","dependencies":["../t"],"groups":[]}]}`)
	f.Add(`{"version":"2026-01-02T03:04:05.000Z"}`)
	f.Add(`{"scaleBy":1e-9,"id":null}`)
	f.Add(`{"apps":[{"id":"../a","cmd":"x"},{"id":"","instances":1.5}],"dependencies":["..","/",""]}`)
	f.Add(`{"groups":[{"groups":[{"id":"x"}]},{"id":"tasks"},[]]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		for _, parse := range []func([]byte, string) (*GroupUpdate, Notes, error){ParseGroup, ParseNewGroup} {
			u, _, err := parse([]byte(doc), "/g")
			if err != nil {
				if c := CodeOf(err); c == CodeInternal {
					t.Fatalf("%v", err)
				}
				continue
			}
			inPlace(t, u)
		}
	})
}

func inPlace(t *testing.T, u *GroupUpdate) {
	if _, err := ParseID(u.ID, "/"); err != nil {
		t.Fatalf("group %q: %v", u.ID, err)
	}
	for _, a := range u.Apps {
		if Parent(a.ID) != u.ID {
			t.Fatalf("app %q in group %q", a.ID, u.ID)
		}
	}
	for _, sub := range u.Groups {
		if Parent(sub.ID) != u.ID {
			t.Fatalf("group %q in group %q", sub.ID, u.ID)
		}
		inPlace(t, sub)
	}
}
