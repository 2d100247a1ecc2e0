package mlbd

import (
	"errors"
	"fmt"
	"syscall"
)

// portError words why a port of mlb's own cannot be opened.
func portError(p basePort, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d is in use by another process: choose another with %s", p.number, p.flag)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %d needs root or CAP_NET_BIND_SERVICE: choose one above 1023 with %s", p.number, p.flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s %d: this machine has no address %s (see --bind-address, --stats-address)", p.flag, p.number, p.address)
	}
	return fmt.Errorf("%s %d: %w", p.flag, p.number, err)
}
