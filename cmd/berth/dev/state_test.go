package dev

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStateSurvivesItsFile(t *testing.T) {
	dir := t.TempDir()
	if _, ok, err := ReadState(dir); ok || err != nil {
		t.Fatalf("state in an empty directory: %v, %v", ok, err)
	}
	want := State{PID: 7, Ready: true, Ports: map[string]int{"http": 8000}, URLs: URLs{API: "http://127.0.0.1:8080"}}
	if err := want.write(dir); err != nil {
		t.Fatal(err)
	}
	got, ok, err := ReadState(dir)
	if !ok || err != nil {
		t.Fatalf("read back: %v, %v", ok, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBrokenStateIsAnErrorThatNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, stateFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadState(dir); err == nil || !strings.Contains(err.Error(), stateFile) {
		t.Errorf("error %v, want one that names %s", err, stateFile)
	}
}

func TestOnlyOneRunPerDirectory(t *testing.T) {
	dir := t.TempDir()
	release, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); err == nil || !strings.Contains(err.Error(), "--dir") {
		t.Errorf("error %v, want one that names --dir", err)
	}
	release()
	again, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestDefaultDirFollowsTheDesktopsRules(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/s")
	if got := DefaultDir(); got != "/s/berth" {
		t.Errorf("with XDG_STATE_HOME: %s", got)
	}
	t.Setenv("XDG_STATE_HOME", "relative is to be ignored")
	t.Setenv("HOME", "/h")
	if got := DefaultDir(); got != "/h/.local/state/berth" {
		t.Errorf("with HOME: %s", got)
	}
}
