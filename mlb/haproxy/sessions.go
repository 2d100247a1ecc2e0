package haproxy

import (
	"context"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// Server names a server in a backend.
type Server struct{ Backend, Name string }

// Sessions counts the current and queued sessions of the servers on all workers, old ones included. A server that no worker
// has any more is missing from the answer.
func (h *HAProxy) Sessions(ctx context.Context, servers []Server) (map[Server]int, error) {
	wanted := map[string]map[string]bool{}
	for _, s := range servers {
		if wanted[s.Backend] == nil {
			wanted[s.Backend] = map[string]bool{}
		}
		wanted[s.Backend][s.Name] = true
	}
	counts := map[Server]int{}
	if len(wanted) == 0 {
		return counts, nil
	}
	procs, err := h.sock.procs(ctx)
	if err != nil {
		return nil, fmt.Errorf("count sessions: %w", err)
	}
	for _, pid := range append(procs.Workers, procs.Old...) {
		for backend, names := range wanted {
			rows, err := h.serverStats(ctx, pid, backend)
			if err != nil {
				return nil, fmt.Errorf("count sessions: %w", err)
			}
			for _, r := range rows {
				if r.Backend == backend && names[r.Name] {
					counts[r.Server] += r.Sessions
				}
			}
		}
	}
	return counts, nil
}

// serverStats asks one worker about the servers of a backend; there are none when it has no such backend, or has just
// ended. The backend is named by its number: a frontend has the same name, and "show stat" would take that one.
func (h *HAProxy) serverStats(ctx context.Context, pid int, backend string) ([]serverStat, error) {
	text, err := h.sock.toMaster(ctx, fmt.Sprintf("@!%d show servers state %s", pid, backend))
	if err != nil {
		return nil, err
	}
	id, ok := backendID(text)
	if !ok {
		return nil, nil
	}
	if text, err = h.sock.toMaster(ctx, fmt.Sprintf("@!%d show stat %s 4 -1", pid, id)); err != nil {
		return nil, err
	}
	rows, err := parseStat(text)
	if err != nil {
		return nil, nil
	}
	return rows, nil
}

// backendID reads the number of the backend out of "show servers state" (see healthOnly).
func backendID(text string) (string, bool) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 3 && f[0] != "#" {
			_, err := strconv.Atoi(f[0])
			return f[0], err == nil
		}
	}
	return "", false
}

// serverStat is a server's line in the statistics.
type serverStat struct {
	Server
	Sessions int // current and queued
	Status   string
}

// parseStat reads the CSV of "show stat" (management guide section 9.1): a header that begins with "# ", quoted fields, and
// a comma at the end of each line. Columns are found by name.
func parseStat(text string) ([]serverStat, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(text), "# ")
	if !ok {
		return nil, fmt.Errorf("unexpected answer to show stat: %q", shorten(text))
	}
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("answer to show stat: %w", err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	var stats []serverStat
	for _, row := range rows[1:] {
		field := func(name string) string {
			if i, ok := column[name]; ok && i < len(row) {
				return row[i]
			}
			return ""
		}
		current, _ := strconv.Atoi(field("scur"))
		queued, _ := strconv.Atoi(field("qcur"))
		stats = append(stats, serverStat{Server{field("pxname"), field("svname")}, current + queued, field("status")})
	}
	return stats, nil
}
