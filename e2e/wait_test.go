//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// eventually waits until check returns nil, looking every 20 ms, and fails with its last error after limit.
func eventually(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	if err := waitFor(limit, check); err != nil {
		t.Fatalf("%s: not within %v: %v", what, limit, err)
	}
}

func waitFor(limit time.Duration, check func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-deadline:
			return err
		case <-tick.C:
		}
	}
}

func expect(ok bool, format string, a ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, a...)
}
