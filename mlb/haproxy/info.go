package haproxy

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Info is what a worker says about itself.
type Info struct {
	PID      int
	Version  string
	Marker   string // of the text it was started with, "" if it is not mlb's
	Stopping bool
	Conns    int
}

// parseInfo reads "show info": one "Name: value" a line.
func parseInfo(text string) (Info, error) {
	var i Info
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "Pid":
			i.PID, _ = strconv.Atoi(value)
		case "Version":
			i.Version = value
		case "description":
			i.Marker = markerOf(value)
		case "Stopping":
			i.Stopping = value != "0"
		case "CurrConns":
			i.Conns, _ = strconv.Atoi(value)
		}
	}
	if i.PID <= 0 {
		return Info{}, fmt.Errorf("unexpected answer to show info: %q", shorten(text))
	}
	return i, nil
}

// info asks the current worker over its own socket, procs the master.
func (s *sockets) info(ctx context.Context) (Info, error) {
	text, err := s.worker(ctx, "show info")
	if err != nil {
		return Info{}, fmt.Errorf("show info: %w", err)
	}
	return parseInfo(text)
}

// infoOf asks the worker with this pid through the master.
func (s *sockets) infoOf(ctx context.Context, pid int) (Info, error) {
	text, err := s.toMaster(ctx, fmt.Sprintf("@!%d show info", pid))
	if err != nil {
		return Info{}, fmt.Errorf("show info of worker %d: %w", pid, err)
	}
	return parseInfo(text)
}

func (s *sockets) procs(ctx context.Context) (Procs, error) {
	text, err := s.toMaster(ctx, "show proc")
	if err != nil {
		return Procs{}, fmt.Errorf("show proc: %w", err)
	}
	return parseProcs(text)
}
