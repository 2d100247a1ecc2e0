package dev

import "context"

func (p *plan) mlb() daemon {
	return daemon{name: "mlb", run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		ready: func(context.Context) error { return nil }}
}
