package haproxy

import (
	"context"
	"strings"
)

// probe is the server that AddsCookies tries to add.
const probe = "mlb_alive/cookie"

// AddsCookies asks the running worker whether servers added at run time may have a cookie, by adding one to the backend
// behind the health page and taking it out again: it never gets traffic, since new servers begin in maintenance.
func (h *HAProxy) AddsCookies(ctx context.Context) bool {
	answer, err := h.sock.worker(ctx, "add server "+probe+" 127.0.0.1:1 cookie x")
	if err != nil || !strings.Contains(answer, "New server registered.") {
		return false
	}
	_, err = h.sock.worker(ctx, "del server "+probe)
	return err == nil
}
