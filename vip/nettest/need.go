package nettest

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips the test where a tool is missing on a laptop, and fails it in CI: there every tool must be there.
func Need(t testing.TB, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed; in CI nothing may be missing", tool)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s is not installed", tool)
}
