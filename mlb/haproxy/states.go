package haproxy

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/google/renameio/v2"
)

// noStates makes an empty table, so that HAProxy has nothing to warn about at its first start.
func (p Paths) noStates() error {
	if _, err := os.Stat(p.State); err == nil {
		return nil
	}
	if err := os.WriteFile(p.State, []byte("1\n"), 0o600); err != nil {
		return fmt.Errorf("server states: %w", err)
	}
	return nil
}

// saveStates writes what "show servers state" says to Paths.State, so that a server known to be down does not count as up
// in the new worker until its checks have failed again.
//
// Only health is carried over. What an administrator or a Runtime API command did (column srv_admin_state: maint, drain) is
// blanked, since the new configuration says it itself: a server that is no longer draining must not stay so.
func (h *HAProxy) saveStates(ctx context.Context) error {
	text, err := h.sock.worker(ctx, "show servers state")
	if err != nil {
		return fmt.Errorf("show servers state: %w", err)
	}
	states, err := healthOnly(text)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(h.opt.Paths.State, []byte(states), 0o600); err != nil {
		return fmt.Errorf("write server states: %w", err)
	}
	return nil
}

// healthOnly rewrites the table of "show servers state" (version 1, management guide section 9.3):
//
//	1
//	# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state …
//	3 b 1 s1 127.0.0.1 2 8 1 1 …
func healthOnly(text string) (string, error) {
	version, table, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if version != "1" {
		return "", fmt.Errorf("unexpected answer to show servers state: %q", shorten(text))
	}
	const admin = 6 // position of srv_admin_state
	var b strings.Builder
	b.WriteString("1\n")
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) > admin && f[0] != "#" {
			f[admin] = "0"
		}
		if len(f) > 0 {
			b.WriteString(strings.Join(f, " ") + "\n")
		}
	}
	return b.String(), nil
}
