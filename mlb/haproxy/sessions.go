package haproxy

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	pids := append(procs.Workers, procs.Old...)
	h.ids.forget(pids)
	for _, pid := range pids {
		for backend, names := range wanted {
			rows, err := h.stats(ctx, pid, backend)
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

// stats reads the servers of one backend of one worker; none if that worker has no such backend or has just ended. The
// backend is asked for by its number: frontends may have the same name, and would be found first.
func (h *HAProxy) stats(ctx context.Context, pid int, backend string) ([]serverStat, error) {
	id, known := h.ids.get(pid, backend)
	if !known {
		text, err := h.sock.toMaster(ctx, fmt.Sprintf("@!%d show servers state %s", pid, backend))
		if err != nil {
			return nil, err
		}
		if id = backendID(text, backend); id == 0 {
			return nil, nil
		}
		h.ids.put(pid, backend, id)
	}
	text, err := h.sock.toMaster(ctx, fmt.Sprintf("@!%d show stat %d 4 -1", pid, id))
	if err != nil {
		return nil, err
	}
	rows, err := parseStat(text)
	if err != nil {
		return nil, nil //nolint:nilerr // the worker has just ended
	}
	return rows, nil
}

// backendID finds a backend's number in the answer to "show servers state", 0 if it is not there.
func backendID(text, backend string) int {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == backend {
			id, _ := strconv.Atoi(f[0])
			return id
		}
	}
	return 0
}

// backendIDs remembers the numbers of backends, which a worker never changes.
type backendIDs struct {
	mu    sync.Mutex
	known map[int]map[string]int // by pid, then backend
}

func (b *backendIDs) get(pid int, backend string) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, ok := b.known[pid][backend]
	return id, ok
}

func (b *backendIDs) put(pid int, backend string, id int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = map[int]map[string]int{}
	}
	if b.known[pid] == nil {
		b.known[pid] = map[string]int{}
	}
	b.known[pid][backend] = id
}

// forget drops workers that are gone.
func (b *backendIDs) forget(living []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for pid := range b.known {
		if !slices.Contains(living, pid) {
			delete(b.known, pid)
		}
	}
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
