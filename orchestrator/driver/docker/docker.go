// Package docker is the driver for apps with an image: each task is a container on a Docker engine (API 1.41, engine
// 20.10, or newer). Labels on the container say who the task is, so a new instance of the driver finds it again; a
// directory per task on this host holds its sandbox.
//
// Start goes: spec → Build (pure: the engine's configuration) → sandbox and fetch → pull → create → start.
package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"berth/orchestrator/driver"
	"berth/orchestrator/driver/feed"
	"berth/orchestrator/driver/sandbox"
)

// Options configure a Driver.
type Options struct {
	Cluster string // mark of the tasks that are ours
	Data    string // directory; sandboxes live in containers/ below it
	// EngineData is the path under which the engine's host sees Data; "" means the same. It differs when the
	// orchestrator itself runs in a container.
	EngineData string
	Host       string // engine's address; "" means DOCKER_HOST, or the local socket
	// ConfigFile holds registry credentials; "" means config.json in DOCKER_CONFIG or ~/.docker.
	ConfigFile      string
	HardCPU         bool // cpus is a hard quota, not only a share
	ForbidPrivilege bool // refuse privileged containers
	// DNS are the name servers of containers whose app names none; none leaves it to the engine.
	DNS     []string
	Fetcher sandbox.Fetcher
	Log     *slog.Logger // nil discards
}

// Driver runs tasks as containers.
type Driver struct {
	opt  Options
	cli  *client.Client
	root string // absolute path of the sandboxes
	feed feed.Feed

	ctx    context.Context // ends the background work
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	starting map[string]bool
	finals   map[string]driver.Status // by container id: an ended container does not change
	logs     string                   // the engine's default log driver, "" until asked
}

var _ driver.Driver = (*Driver)(nil)

// New prepares the driver. It does not need the engine to answer yet.
func New(opt Options) (*Driver, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	root, err := filepath.Abs(filepath.Join(opt.Data, "containers"))
	if err != nil {
		return nil, fmt.Errorf("find the sandbox directory: %w", err)
	}
	if opt.EngineData == "" {
		opt.EngineData = filepath.Dir(root)
	}
	// 0700: the sandboxes below are open to every user id that a container may have, and to nobody on this host.
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("make the sandbox directory: %w", err)
	}
	cli, err := newClient(opt.Host)
	if err != nil {
		return nil, err
	}
	d := &Driver{
		opt: opt, cli: cli, root: root, starting: map[string]bool{}, finals: map[string]driver.Status{},
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

func newClient(host string) (*client.Client, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	cli, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("configure the docker client: %w", err)
	}
	return cli, nil
}

// Close ends the driver's own work and closes the channels of Watch. The tasks run on.
func (d *Driver) Close() {
	d.cancel()
	d.feed.Close()
	d.work.Wait()
	d.cli.Close()
}

// Kind returns driver.KindDocker.
func (d *Driver) Kind() driver.Kind { return driver.KindDocker }

func (d *Driver) dir(taskID string) string { return filepath.Join(d.root, sandbox.Name(taskID)) }

// Stop implements driver.Driver. The engine counts the grace time in whole seconds; a part of one is rounded up.
func (d *Driver) Stop(ctx context.Context, taskID string, grace time.Duration) error {
	c, err := d.inspect(ctx, taskID)
	if err != nil {
		return fmt.Errorf("stop task: %w", err)
	}
	if c.State == nil || !c.State.Running {
		return nil
	}
	if err := d.noteStop(taskID); err != nil {
		return fmt.Errorf("stop task %s: %w", taskID, err)
	}
	seconds := int((grace + time.Second - 1) / time.Second)
	err = d.cli.ContainerStop(ctx, c.ID, container.StopOptions{Timeout: &seconds})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("stop task %s: %w", taskID, d.explain(err))
	}
	return nil
}

// noteStop remembers, also for later instances, that the end to come is no failure.
func (d *Driver) noteStop(taskID string) error {
	if err := os.MkdirAll(d.dir(taskID), 0o711); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.dir(taskID), "stop"), nil, 0o600)
}

func (d *Driver) stopNoted(taskID string) bool {
	_, err := os.Stat(filepath.Join(d.dir(taskID), "stop"))
	return err == nil
}

// Remove implements driver.Driver. Anonymous volumes of the image go too.
func (d *Driver) Remove(ctx context.Context, taskID string) error {
	c, err := d.inspect(ctx, taskID)
	if errors.Is(err, driver.ErrNotFound) {
		// Somebody removed the container by hand: what is left of the task is its directory.
		if _, statErr := os.Stat(d.dir(taskID)); statErr == nil {
			return os.RemoveAll(d.dir(taskID))
		}
	}
	if err != nil {
		return fmt.Errorf("remove task: %w", err)
	}
	if c.State != nil && c.State.Running {
		return fmt.Errorf("remove task %s: it has not ended", taskID)
	}
	err = d.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("remove task %s: %w", taskID, d.explain(err))
	}
	d.mu.Lock()
	delete(d.finals, c.ID)
	d.mu.Unlock()
	if err := os.RemoveAll(d.dir(taskID)); err != nil {
		return fmt.Errorf("remove task %s: %w", taskID, err)
	}
	return nil
}

// explain says in so many words when it is the engine that does not answer, and takes the engine's preamble away.
func (d *Driver) explain(err error) error {
	if err == nil {
		return nil
	}
	if unreachable(err) {
		return fmt.Errorf("the docker engine at %s does not answer: %w", d.cli.DaemonHost(), err)
	}
	return engineError{err}
}

func unreachable(err error) bool {
	return client.IsErrConnectionFailed(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// engineError is an answer of the engine as a person wants to read it.
type engineError struct{ err error }

func (e engineError) Error() string {
	return strings.TrimSpace(strings.TrimPrefix(e.err.Error(), "Error response from daemon: "))
}
func (e engineError) Unwrap() error { return e.err }
