package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/exitcode"
)

// inspectTime bounds the look at a container after an event.
const inspectTime = 10 * time.Second

// Watch implements driver.Driver on the engine's event stream. When it returns, the engine records events for it, so a
// List made after it misses nothing.
func (d *Driver) Watch(ctx context.Context) (<-chan driver.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.ctx, cancel)
	now := time.Now()
	messages, errs := d.cli.Events(ctx, events.ListOptions{
		// The engine answers before it subscribes us; what happens in between it looks up.
		Since: fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()),
		Filters: filters.NewArgs(
			filters.Arg("type", string(events.ContainerEventType)), filters.Arg("label", labelCluster+"="+d.opt.Cluster),
			filters.Arg("event", string(events.ActionStart)), filters.Arg("event", string(events.ActionDie)),
		),
	})
	select {
	case err := <-errs:
		stop()
		cancel()
		return nil, fmt.Errorf("watch containers: %w", d.explain(err))
	default:
	}
	staging := d.feed.Watch(ctx)
	out := make(chan driver.Status)
	d.work.Go(func() {
		defer close(out)
		defer cancel()
		defer stop()
		d.relay(ctx, messages, errs, staging, out)
	})
	return out, nil
}

// relay passes on until ctx ends, the engine hangs up, or the reader of staging messages was too slow.
func (d *Driver) relay(
	ctx context.Context, messages <-chan events.Message, errs <-chan error, staging <-chan driver.Status,
	out chan<- driver.Status,
) {
	for {
		var s driver.Status
		select {
		case m := <-messages:
			var ok bool
			if s, ok = d.seen(ctx, m); !ok {
				continue
			}
		case st, open := <-staging:
			if !open {
				return
			}
			s = st
		case err := <-errs:
			if ctx.Err() == nil && !errors.Is(err, io.EOF) {
				d.opt.Log.Warn("the engine's event stream broke", "error", err)
			}
			return
		}
		select {
		case out <- s:
		case <-ctx.Done():
			return
		}
	}
}

// seen is the status that an event makes known: what the container says of itself, or if it is gone already, what the
// event says. A start that is reported late, after the end, is left out.
func (d *Driver) seen(ctx context.Context, m events.Message) (driver.Status, bool) {
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	s, err := d.status(ctx, m.Actor.ID)
	switch {
	case err == nil && m.Action == events.ActionStart:
		return s, s.TaskID != "" && s.State == api.TaskRunning
	case err == nil && s.State.Final():
		return s, s.TaskID != ""
	case err != nil && !cerrdefs.IsNotFound(err):
		d.opt.Log.Warn("look at a container after an event", "container", m.Actor.ID, "error", err)
	}
	if m.Action != events.ActionDie {
		return s, false
	}
	s, ok := d.fromEvent(m)
	if cerrdefs.IsNotFound(err) {
		s.Message += "; the container was removed"
	}
	return s, ok
}

// fromEvent reads the end of a task from a die event, whose attributes are the container's labels and its exit code.
func (d *Driver) fromEvent(m events.Message) (driver.Status, bool) {
	s := identity(m.Actor.Attributes)
	code, err := strconv.Atoi(m.Actor.Attributes["exitCode"])
	if err != nil || s.TaskID == "" {
		return s, false
	}
	s.ExitCode, s.State = code, api.TaskFailed
	s.Message = exitcode.Describe(code)
	if d.stopNoted(s.TaskID) {
		s.State = api.TaskKilled
	} else if code == 0 {
		s.State = api.TaskFinished
	}
	return s, true
}
