package haproxy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/google/renameio/v2"
)

// noStates makes an empty table: HAProxy warns about a missing one, and what an earlier HAProxy thought of servers is no
// longer true.
func (p Paths) noStates() error {
	if err := os.WriteFile(p.State, []byte("1\n"), 0o600); err != nil {
		return fmt.Errorf("server states: %w", err)
	}
	return nil
}

// saveStates writes what "show servers state" says to Paths.State, so that a server known to be down does not count as up
// in the new worker until its checks have failed again.
//
// Only health is carried over, and only that of servers which the old worker checked and the new one will check. A server in
// maintenance is stopped whatever its health; one without checks that is stopped in the file would stay so for ever. What an
// administrator or a Runtime API command did (column srv_admin_state: maint, drain) is blanked, since the new configuration
// says it itself: a server that is no longer draining must not stay so.
func (h *HAProxy) saveStates(ctx context.Context) error {
	text, err := h.sock.worker(ctx, "show servers state")
	if err != nil {
		return fmt.Errorf("show servers state: %w", err)
	}
	states, err := healthOnly(text, checkedServers(h.good.Config()))
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(h.opt.Paths.State, []byte(states), 0o600); err != nil {
		return fmt.Errorf("write server states: %w", err)
	}
	return nil
}

// The columns of "show servers state" that matter here, and the bits of srv_admin_state that mean maintenance now: forced,
// inherited, and for want of an address (management guide, section 9.3). A fourth one tells what the file had said.
const (
	stateBackend, stateServer = 1, 3
	stateAdmin                = 6
	inMaintenance             = 0x01 | 0x02 | 0x20 | 0x40
)

// healthOnly rewrites the table of "show servers state" (version 1, management guide section 9.3) for servers that are
// checked, by "backend/server":
//
//	1
//	# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state …
//	3 b 1 s1 127.0.0.1 2 8 1 1 …
func healthOnly(text string, checked map[string]bool) (string, error) {
	version, table, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if version != "1" {
		return "", fmt.Errorf("unexpected answer to show servers state: %q", shorten(text))
	}
	var b strings.Builder
	b.WriteString("1\n")
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) <= stateAdmin {
			continue
		}
		if f[0] != "#" {
			admin, err := strconv.Atoi(f[stateAdmin])
			if err != nil || admin&inMaintenance != 0 || !checked[f[stateBackend]+"/"+f[stateServer]] {
				continue
			}
			f[stateAdmin] = "0"
		}
		b.WriteString(strings.Join(f, " ") + "\n")
	}
	return b.String(), nil
}

// checkedServers lists the servers of a configuration that have checks, by "backend/server". One that owes them to a
// default-server line is not among them, and begins as any new server does.
func checkedServers(config []byte) map[string]bool {
	all, backend := map[string]bool{}, ""
	for line := range bytes.Lines(config) {
		if line[0] != ' ' && line[0] != '\t' {
			if f := bytes.Fields(line); len(f) > 1 {
				backend = string(f[1])
			}
			continue
		}
		if !bytes.Contains(line, []byte(" check")) {
			continue
		}
		f := strings.Fields(string(line))
		if len(f) > 3 && f[0] == "server" && slices.Contains(f[3:], "check") {
			all[backend+"/"+f[1]] = true
		}
	}
	return all
}
