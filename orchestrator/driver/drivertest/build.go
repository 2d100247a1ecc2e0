package drivertest

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// Build compiles the test task, statically, into dir and returns its path.
func Build(dir string) (string, error) {
	return BuildPackage("berth/orchestrator/driver/drivertest/testtask", filepath.Join(dir, "task"))
}

// BuildPackage compiles a main package into a small static binary.
func BuildPackage(pkg, out string) (string, error) {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return out, nil
}
