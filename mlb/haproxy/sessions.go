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
			id, err := h.sock.backendID(ctx, pid, backend)
			if err != nil {
				return nil, fmt.Errorf("count sessions: %w", err)
			}
			if id == 0 {
				continue // this worker has no such backend, or has just ended
			}
			text, err := h.sock.toMaster(ctx, fmt.Sprintf("@!%d show stat %d 4 -1", pid, id))
			if err != nil {
				return nil, fmt.Errorf("count sessions: %w", err)
			}
			rows, err := parseStat(text)
			if err != nil {
				continue // this worker has just ended
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

// backendID asks a worker for the number of a backend, 0 if it has none of that name. "show stat" takes a name as well, but
// then finds the frontend first, and every service has a frontend that is called like its backend.
func (s *sockets) backendID(ctx context.Context, pid int, backend string) (int, error) {
	text, err := s.toMaster(ctx, fmt.Sprintf("@!%d show servers state %s", pid, backend))
	if err != nil {
		return 0, err
	}
	return parseBackendID(text, backend), nil
}

// parseBackendID reads the first server of "show servers state" (see healthOnly).
func parseBackendID(text, backend string) int {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) > 2 && f[1] == backend {
			if id, err := strconv.Atoi(f[0]); err == nil && id > 0 {
				return id
			}
		}
	}
	return 0
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
