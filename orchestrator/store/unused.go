package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// unused fails if an orchestrator holds the file at path. bbolt locks it with flock(2) for as long as it is open.
func unused(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("an orchestrator is running on %s; stop it first", path)
	case err != nil:
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}
