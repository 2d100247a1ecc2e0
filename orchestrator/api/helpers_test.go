package api

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mustParse reads a definition that has to be accepted.
func mustParse(t testing.TB, document string) *App {
	t.Helper()
	app, _, err := ParseApp([]byte(document))
	if err != nil {
		t.Fatalf("ParseApp(%s): %v", document, err)
	}
	return app
}

// mustApply applies a partial update that has to be accepted.
func mustApply(t testing.TB, stored *App, update string) (*App, Notes) {
	t.Helper()
	u, notes, err := ParseUpdate([]byte(update))
	if err != nil {
		t.Fatalf("ParseUpdate(%s): %v", update, err)
	}
	app, more, err := u.Apply(stored)
	if err != nil {
		t.Fatalf("Apply(%s): %v", update, err)
	}
	return app, notes.and(more)
}

// update parses and applies, whichever fails first.
func update(stored *App, document string) (*App, error) {
	u, _, err := ParseUpdate([]byte(document))
	if err != nil {
		return nil, err
	}
	app, _, err := u.Apply(stored)
	return app, err
}

func mustMarshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	return b
}

// pathsOf returns the sorted paths an error names, or its code if it names none.
func pathsOf(t testing.TB, err error) []string {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("expected an *Error, found %T %v", err, err)
	}
	if len(e.Details) == 0 {
		return []string{string(e.Code)}
	}
	var paths []string
	for _, d := range e.Details {
		if len(d.Errors) == 0 {
			t.Errorf("path %s comes without a message", d.Path)
		}
		paths = append(paths, d.Path)
	}
	slices.Sort(paths)
	return paths
}

func wantPaths(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("accepted, expected errors at %q", want)
		return
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, pathsOf(t, err)); diff != "" {
		t.Errorf("paths (-want +got):\n%s\n%v", diff, err)
	}
}

// sameDocument compares two JSON texts by meaning.
func sameDocument(t testing.TB, want string, got []byte) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("wanted text: %v", err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("got text: %v", err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}
