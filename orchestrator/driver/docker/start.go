package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/hostport"
	"berth/orchestrator/driver/sandbox"
)

const sandboxDir = "sandbox"

var errExists = errors.New("a task with this id is already there")

// Start implements driver.Driver.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) error {
	if !d.reserve(spec.TaskID) {
		return fmt.Errorf("start task %s: %w", spec.TaskID, errExists)
	}
	defer d.release(spec.TaskID)
	if _, err := d.inspect(ctx, spec.TaskID); !errors.Is(err, driver.ErrNotFound) {
		if err == nil {
			err = errExists
		}
		return fmt.Errorf("start task %s: %w", spec.TaskID, err)
	}
	err := d.bringUp(ctx, spec)
	if err != nil && !errors.Is(err, errExists) {
		err = errors.Join(err, os.RemoveAll(d.dir(spec.TaskID)))
	}
	return err
}

func (d *Driver) reserve(taskID string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.starting[taskID] {
		return false
	}
	d.starting[taskID] = true
	return true
}

func (d *Driver) release(taskID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.starting, taskID)
}

func (d *Driver) bringUp(ctx context.Context, spec driver.Spec) error {
	logDriver, err := d.logDriver(ctx)
	if err != nil {
		return err
	}
	dir := filepath.Join(d.opt.EngineData, "containers", sandbox.Name(spec.TaskID), sandboxDir)
	c, err := Build(spec, BuildOptions{
		Cluster: d.opt.Cluster, Sandbox: dir, HardCPU: d.opt.HardCPU, LogDriver: logDriver, DNS: d.opt.DNS,
	})
	if err != nil {
		return err
	}
	if err := d.check(ctx, spec, c); err != nil {
		return err
	}
	if err := d.fill(ctx, spec); err != nil {
		return err
	}
	if err := d.pull(ctx, spec); err != nil {
		return err
	}
	return d.run(ctx, c)
}

// check finds early, and says clearly, what the engine would find late.
func (d *Driver) check(ctx context.Context, spec driver.Spec, c *Config) error {
	if c.Host.Privileged && d.opt.ForbidPrivilege {
		return errors.New("privileged containers are forbidden here")
	}
	if ports, err := hostport.Of(spec); err == nil && d.local() {
		ip := publishAddress(spec.AgentIP)
		if spec.App.Mode() == api.NetworkHost {
			ip = publishAddress("")
		}
		if err := hostport.Check(ports, ip); err != nil {
			return err
		}
	}
	if c.Networks == nil {
		return nil
	}
	name := string(c.Host.NetworkMode)
	_, err := d.cli.NetworkInspect(ctx, name, network.InspectOptions{})
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("network %q does not exist on this engine (docker network create %s makes one)", name, name)
	}
	if err != nil {
		return fmt.Errorf("look for network %q: %w", name, d.explain(err))
	}
	return nil
}

// local reports whether the engine runs on this host, so that its ports can be looked at.
func (d *Driver) local() bool { return strings.HasPrefix(d.cli.DaemonHost(), "unix://") }

// logDriver asks the engine once for its default log driver.
func (d *Driver) logDriver(ctx context.Context) (string, error) {
	d.mu.Lock()
	name := d.logs
	d.mu.Unlock()
	if name != "" {
		return name, nil
	}
	info, err := d.cli.Info(ctx)
	if err != nil {
		return "", fmt.Errorf("ask the docker engine what it is: %w", d.explain(err))
	}
	d.mu.Lock()
	d.logs = info.LoggingDriver
	d.mu.Unlock()
	return info.LoggingDriver, nil
}

// fill makes the sandbox, writable for whichever user the container runs as, and the volumes in it. What an interrupted
// start left is thrown away.
func (d *Driver) fill(ctx context.Context, spec driver.Spec) error {
	dir := filepath.Join(d.dir(spec.TaskID), sandboxDir)
	if err := os.RemoveAll(d.dir(spec.TaskID)); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make the sandbox: %w", err)
	}
	if len(spec.App.Fetch) > 0 {
		d.stage(spec, fmt.Sprintf("fetching %d files", len(spec.App.Fetch)))
	}
	if err := d.opt.Fetcher.Fetch(ctx, dir, spec.App.Fetch); err != nil {
		return err
	}
	open := []string{dir}
	for _, v := range spec.App.Container.Volumes {
		if local, err := sandbox.Local(v.HostPath); err == nil {
			open = append(open, filepath.Join(dir, local))
		}
	}
	for _, name := range open {
		if err := openDir(name); err != nil {
			return fmt.Errorf("make the sandbox: %w", err)
		}
	}
	return nil
}

// openDir makes a directory that everyone may write to; a file that was fetched there stays as it is.
func openDir(name string) error {
	if info, err := os.Lstat(name); err == nil && !info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(name, 0o777); err != nil {
		return err
	}
	return os.Chmod(name, 0o777)
}

func (d *Driver) stage(spec driver.Spec, message string) {
	s := identity(labels(d.opt.Cluster, spec))
	s.State, s.Message = api.TaskStaging, message
	d.feed.Publish(s)
}

// run creates and starts the container; if it does not start, nothing of it is left.
func (d *Driver) run(ctx context.Context, c *Config) error {
	made, err := d.cli.ContainerCreate(ctx, c.Container, c.Host, c.Networks, nil, c.Name)
	if cerrdefs.IsConflict(err) {
		return errExists
	}
	if err != nil {
		return fmt.Errorf("create container: %w", d.explain(err))
	}
	for _, w := range made.Warnings {
		d.opt.Log.Debug("engine's warning", "container", c.Name, "warning", w)
	}
	if err := d.cli.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		// The caller's time may be over; cleaning up gets its own, bounded by the driver's life.
		rm := d.cli.ContainerRemove(d.ctx, made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if rm != nil && !cerrdefs.IsNotFound(rm) {
			d.opt.Log.Error("remove a container that did not start", "container", c.Name, "error", rm)
		}
		return startError(c, d.explain(err))
	}
	return nil
}

// startError puts the commonest reasons in front of the engine's text, which buries them.
func startError(c *Config, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "executable file not found"), strings.Contains(text, "no such file or directory: unknown"),
		strings.Contains(text, "stat ") && strings.Contains(text, "no such file or directory"):
		return fmt.Errorf("start container: command %q not found in the image: %w", firstWord(c), err)
	case strings.Contains(text, "permission denied"):
		return fmt.Errorf("start container: command %q: permission denied: %w", firstWord(c), err)
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		return fmt.Errorf("start container: a host port is bound by another process on this host: %w", err)
	}
	return fmt.Errorf("start container: %w", err)
}

// firstWord is the first word of what the container was to run, as far as we know: an entry point may be the image's.
func firstWord(c *Config) string {
	for _, words := range [][]string{c.Container.Entrypoint, c.Container.Cmd} {
		if len(words) > 0 {
			return words[0]
		}
	}
	return c.Container.Image
}
