package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"golang.org/x/sync/errgroup"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/exitcode"
	"berth/orchestrator/driver/tail"
)

// What of stderr is quoted when a task fails.
const (
	quoteLines = 10
	quoteBytes = 2 << 10
)

// inspectors is how many containers are looked at in parallel.
const inspectors = 8

// List implements driver.Driver; it is sorted by task id.
func (d *Driver) List(ctx context.Context) ([]driver.Status, error) {
	mark := filters.NewArgs(filters.Arg("label", labelCluster+"="+d.opt.Cluster))
	found, err := d.cli.ContainerList(ctx, container.ListOptions{All: true, Filters: mark})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", d.explain(err))
	}
	all := make([]*driver.Status, len(found))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspectors)
	for i, c := range found {
		g.Go(func() error {
			s, err := d.status(ctx, c.ID)
			if err == nil {
				all[i] = &s
			}
			if cerrdefs.IsNotFound(err) {
				return nil // removed meanwhile
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("inspect containers: %w", d.explain(err))
	}
	out := make([]driver.Status, 0, len(all))
	for _, s := range all {
		if s != nil && s.TaskID != "" {
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b driver.Status) int { return strings.Compare(a.TaskID, b.TaskID) })
	return out, nil
}

// inspect finds a task's container by its name, and makes sure that it is the task's.
func (d *Driver) inspect(ctx context.Context, taskID string) (container.InspectResponse, error) {
	c, err := d.cli.ContainerInspect(ctx, containerName(d.opt.Cluster, taskID))
	if cerrdefs.IsNotFound(err) {
		return c, fmt.Errorf("task %s: %w", taskID, driver.ErrNotFound)
	}
	if err != nil {
		return c, fmt.Errorf("look at task %s: %w", taskID, d.explain(err))
	}
	if c.Config == nil || c.Config.Labels[labelTask] != taskID || c.Config.Labels[labelCluster] != d.opt.Cluster {
		return c, fmt.Errorf("container %s is in the way: it is not the task's", strings.TrimPrefix(c.Name, "/"))
	}
	return c, nil
}

// status reads a container's state. The final state of one is remembered: its message takes a look into the logs.
func (d *Driver) status(ctx context.Context, id string) (driver.Status, error) {
	d.mu.Lock()
	s, ok := d.finals[id]
	d.mu.Unlock()
	if ok {
		return s, nil
	}
	c, err := d.cli.ContainerInspect(ctx, id)
	if err != nil {
		return driver.Status{}, err
	}
	if c.Config == nil || c.State == nil || c.HostConfig == nil {
		return driver.Status{}, errors.New("the engine's answer about a container lacks its state")
	}
	s = identity(c.Config.Labels)
	s.StartedAt = startedAt(c)
	s.Addresses = addresses(c)
	switch {
	case c.State.Running:
		s.State = api.TaskRunning
	case c.State.Status == container.StateCreated:
		s.State, s.Message = d.created(s.TaskID)
	default:
		d.final(ctx, c, &s)
		d.mu.Lock()
		d.finals[id] = s
		d.mu.Unlock()
	}
	return s, nil
}

// created is the state of a container that was never started: one that a Start is about to, or that it no longer will.
func (d *Driver) created(taskID string) (api.TaskState, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.starting[taskID] {
		return api.TaskStaging, ""
	}
	return api.TaskFailed, "the orchestrator ended before the container was started"
}

// final says how a container ended and why.
func (d *Driver) final(ctx context.Context, c container.InspectResponse, s *driver.Status) {
	s.ExitCode = c.State.ExitCode
	reason := exitcode.Describe(s.ExitCode)
	switch {
	case c.State.OOMKilled:
		reason = fmt.Sprintf("out of memory: it was killed at its limit of %d MiB", c.HostConfig.Memory>>20)
	case c.State.Error != "":
		reason += ": " + c.State.Error
	}
	switch {
	case d.stopNoted(s.TaskID):
		s.State, s.Message = api.TaskKilled, "stopped: "+reason
	case s.ExitCode == 0 && !c.State.OOMKilled:
		s.State, s.Message = api.TaskFinished, reason
	default:
		s.State, s.Message = api.TaskFailed, reason+d.quote(ctx, c)
	}
}

// quote returns the end of a container's stderr; with a terminal there is only one output.
func (d *Driver) quote(ctx context.Context, c container.InspectResponse) string {
	stream := driver.Stderr
	if c.Config.Tty {
		stream = driver.Stdout
	}
	r, err := d.openLogs(ctx, c, driver.LogOptions{Stream: stream, Lines: quoteLines})
	if err != nil {
		return ""
	}
	defer r.Close()
	// Ten lines may be of any length; what lies beyond a megabyte does not count.
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return ""
	}
	return tail.QuoteText(text, quoteLines, quoteBytes)
}

func startedAt(c container.InspectResponse) time.Time {
	for _, text := range []string{c.State.StartedAt, c.Created} {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil && t.Year() > 1 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// addresses are the container's on its networks, sorted by network name; none in host mode.
func addresses(c container.InspectResponse) []api.Address {
	out := []api.Address{}
	if c.NetworkSettings == nil {
		return out
	}
	for _, name := range slices.Sorted(maps.Keys(c.NetworkSettings.Networks)) {
		n := c.NetworkSettings.Networks[name]
		if n != nil && n.IPAddress != "" {
			out = append(out, api.Address{IPAddress: n.IPAddress, Protocol: "IPv4"})
		}
		if n != nil && n.GlobalIPv6Address != "" {
			out = append(out, api.Address{IPAddress: n.GlobalIPv6Address, Protocol: "IPv6"})
		}
	}
	return out
}
