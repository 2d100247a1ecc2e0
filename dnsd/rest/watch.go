package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"berth/dnsd/zone"
)

const (
	maxWatched   = 100 // names of one stream
	watchBeat    = 15 * time.Second
	watchTimeout = 10 * time.Second // to accept one event
)

// change is one event of a watch: what a name has now, by type. No records: there is nothing of that name.
type change struct {
	Serial  uint32              `json:"serial"`
	Name    string              `json:"name"`
	Records map[string][]string `json:"records"`
}

// watch streams the records of names as server-sent events: each name at once, and then again whenever it differs.
//
//	GET /v2/watch?name=web.marathon.mesos&name=_web._tcp.marathon.mesos
//
//	event: records
//	id: 1700000000
//	data: {"serial":1700000000,"name":"web.marathon.mesos","records":{"A":["10.0.0.1"]}}
func (h *handler) watch(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, n := range r.URL.Query()["name"] {
		for _, n := range strings.Split(n, ",") {
			if n = strings.ToLower(strings.TrimSuffix(n, ".")); n != "" && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	if len(names) == 0 || len(names) > maxWatched {
		writeError(w, 400, fmt.Sprintf("name: %d given, expected 1 to %d", len(names), maxWatched))
		return
	}
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		writeError(w, http.StatusServiceUnavailable, fmt.Sprintf("more than %d watches", maxStreams))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	s := &stream{w: w, rc: http.NewResponseController(w), last: map[string]string{}}
	if s.send(":\n\n") == nil {
		_ = s.run(r.Context(), h.o.Daemon, names) // the client is gone
	}
}

type stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	last map[string]string // name → its records as sent last
}

func (s *stream) send(text string) error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(watchTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprint(s.w, text); err != nil {
		return err
	}
	return s.rc.Flush()
}

func (s *stream) run(ctx context.Context, d Daemon, names []string) error {
	serial := uint32(0)
	for {
		z, err := next(ctx, d, serial)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil: // nothing new for a while
			if err := s.send(":\n\n"); err != nil {
				return err
			}
			continue
		}
		serial = z.Serial()
		if err := s.changes(z, names); err != nil {
			return err
		}
	}
}

func next(ctx context.Context, d Daemon, serial uint32) (*zone.Zone, error) {
	ctx, cancel := context.WithTimeout(ctx, watchBeat)
	defer cancel()
	return d.Next(ctx, serial)
}

func (s *stream) changes(z *zone.Zone, names []string) error {
	for _, name := range names {
		c := change{z.Serial(), name, map[string][]string{}}
		if n := z.Node(name); n != nil {
			for i := range n.Sets {
				set := &n.Sets[i]
				for _, r := range set.Records() {
					typ := zone.TypeName(set.Type)
					c.Records[typ] = append(c.Records[typ], row("", set.Type, &r).Host)
				}
			}
		}
		records, err := json.Marshal(c.Records)
		if err != nil {
			return err
		}
		if old, sent := s.last[name]; sent && old == string(records) {
			continue
		}
		s.last[name] = string(records)
		data, err := json.Marshal(c)
		if err != nil {
			return err
		}
		if err := s.send(fmt.Sprintf("event: records\nid: %d\ndata: %s\n\n", c.Serial, data)); err != nil {
			return err
		}
	}
	return nil
}
