//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bin is where TestMain puts the programs.
var bin string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "berth-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	bin = dir
	if haproxy := os.Getenv("BERTH_HAPROXY"); haproxy != "" { // of another version, say
		os.Setenv("MLB_HAPROXY_BINARY", haproxy)
		os.Setenv("PATH", filepath.Dir(haproxy)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./cmd/...")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// need skips the test where a tool is missing on a laptop, and fails it in CI: there every tool must be there.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	missing(t, tool+" is not installed")
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s; in CI nothing may be missing", what)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s", what)
}
