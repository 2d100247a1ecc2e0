package dev

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestOrdinaryLinesOfHAProxyAreNoWarnings(t *testing.T) {
	for _, c := range []struct {
		rule     string
		level    slog.Level
		message  string
		stopping bool
		shown    bool
	}{
		{"a worker's end is ordinary", slog.LevelWarn, haproxyMessage, false, false},
		{"an alert is shown", slog.LevelError, haproxyMessage, false, true},
		{"an alert during the stop is ordinary", slog.LevelError, haproxyMessage, true, false},
		{"warnings of ours are shown", slog.LevelWarn, "label ignored", true, true},
	} {
		var out bytes.Buffer
		h := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})
		log := slog.New(quiet{h, func() bool { return c.stopping }}).With("a", 1)
		log.Log(t.Context(), c.level, c.message)
		if shown := strings.Contains(out.String(), c.message); shown != c.shown {
			t.Errorf("%s: shown %v, want %v", c.rule, shown, c.shown)
		}
	}
}
