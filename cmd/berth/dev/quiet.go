package dev

import (
	"context"
	"log/slog"
)

// quiet lowers the level of what HAProxy itself says: it calls every worker's ordinary end a warning, and its own stop an
// alert, which would frighten people at each change and at each Ctrl-C.
type quiet struct {
	slog.Handler
	stopping func() bool
}

// haproxyMessage marks records that carry a line of HAProxy's.
const haproxyMessage = "haproxy"

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == haproxyMessage && (r.Level == slog.LevelWarn || r.Level > slog.LevelWarn && q.stopping()) {
		r.Level = slog.LevelInfo
		if !q.Enabled(ctx, r.Level) {
			return nil
		}
	}
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(attrs), q.stopping}
}

func (q quiet) WithGroup(name string) slog.Handler {
	return quiet{q.Handler.WithGroup(name), q.stopping}
}
