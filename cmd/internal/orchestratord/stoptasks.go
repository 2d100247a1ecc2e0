package orchestratord

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/orchestrator/driver"
)

// stopGrace is the time between SIGTERM and SIGKILL in StopTasks.
const stopGrace = 5 * time.Second

// stopAtOnce bounds how many tasks are stopped side by side.
const stopAtOnce = 32

// StopTasks ends and removes all tasks of c's cluster on its agents. The definitions of the apps stay. It is for an
// orchestrator that has ended: a running one would start others.
func StopTasks(ctx context.Context, c Config, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c, err := c.named()
	if err != nil {
		return fmt.Errorf("stop the tasks: %w", err)
	}
	r, err := c.resolve()
	if err != nil {
		return fmt.Errorf("stop the tasks: %w", err)
	}
	agents, release, err := openAgents(ctx, c, r, 0, log)
	if err != nil {
		return fmt.Errorf("stop the tasks: %w", err)
	}
	defer release()
	for _, a := range agents {
		for kind, d := range a.Drivers {
			if err := stopAll(ctx, d); err != nil {
				return fmt.Errorf("stop the tasks of driver %s on agent %s: %w", kind, a.ID, err)
			}
		}
	}
	return nil
}

func stopAll(ctx context.Context, d driver.Driver) error {
	tasks, err := d.List(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(stopAtOnce)
	for _, t := range tasks {
		g.Go(func() error {
			if err := d.Stop(ctx, t.TaskID, stopGrace); err != nil {
				return err
			}
			return d.Remove(ctx, t.TaskID)
		})
	}
	return g.Wait()
}
