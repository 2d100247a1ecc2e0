package haproxy

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// claim locks a file for as long as this process lives or the file is open: two mlbs with one configuration would take
// HAProxy away from each other.
func claim(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claim the run directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another mlb runs with this configuration (it holds %s): give this one a --haproxy-config "+
				"of its own", path)
		}
		return nil, fmt.Errorf("claim the run directory: %w", err)
	}
	return f, nil
}
