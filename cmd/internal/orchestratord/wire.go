package orchestratord

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"berth/orchestrator"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/docker"
	"berth/orchestrator/driver/process"
)

// open makes the orchestrator with its state and its one agent, this machine.
func open(ctx context.Context, c Config, r resolved, port int, log *slog.Logger) (engine, func(), error) {
	drivers, release, err := openDrivers(ctx, c, log)
	if err != nil {
		return nil, nil, err
	}
	o, err := orchestrator.New(options(c, r, port, drivers, log))
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("open the orchestrator, see --data: %w", err)
	}
	return o, release, nil
}

func options(c Config, r resolved, port int, drivers map[driver.Kind]driver.Driver, log *slog.Logger) orchestrator.Options {
	opt := orchestrator.Options{
		DataDir: c.Data,
		Name:    c.Cluster,
		Agents: []orchestrator.Agent{{
			ID:           "agent-1",
			Host:         c.AgentHost,
			IP:           c.AgentIP,
			CPUs:         c.CPUs,
			Mem:          c.Mem,
			Disk:         c.Disk,
			Ports:        r.ports.Without(port),
			DynamicPorts: r.dynamicPorts.Without(port),
			Attributes:   r.attributes,
			Roles:        c.Roles,
			Drivers:      drivers,
		}},
		LocalPortMin:        c.LocalPortMin,
		LocalPortMax:        c.LocalPortMax,
		DefaultDrainSeconds: c.DrainSeconds,
		KeepEndedFor:        c.TaskRetention,
		ListenPort:          port,
		HostName:            advertised(c, r),
		Log:                 log,
	}
	// There the zero value means the default.
	if c.DrainSeconds == 0 {
		opt.DefaultDrainSeconds = -1
	}
	if c.TaskRetention == 0 {
		opt.KeepEnded = -1
	}
	return opt
}

// openDrivers makes the drivers asked for. Apps without an image always run as processes.
func openDrivers(ctx context.Context, c Config, log *slog.Logger) (map[driver.Kind]driver.Driver, func(), error) {
	p, err := process.New(process.Options{Cluster: c.Cluster, Data: c.Data, Path: c.TaskPath, Log: log})
	if err != nil {
		return nil, nil, fmt.Errorf("start the process driver, see --data: %w", err)
	}
	drivers := map[driver.Kind]driver.Driver{driver.KindProcess: p}
	if c.Driver == DriverProcess {
		return drivers, p.Close, nil
	}
	d, err := openDocker(ctx, c, log)
	if err != nil {
		p.Close()
		return nil, nil, err
	}
	if d == nil {
		return drivers, p.Close, nil
	}
	drivers[driver.KindDocker] = d
	return drivers, func() { d.Close(); p.Close() }, nil
}

// engineTimeout bounds the question whether a Docker engine answers.
const engineTimeout = 5 * time.Second

// openDocker returns nil without an error if no engine answers and none is needed. Where it is, the engine may come up
// later: the driver goes on asking, and /readyz says what it waits for.
func openDocker(ctx context.Context, c Config, log *slog.Logger) (*docker.Driver, error) {
	needed := c.Driver == DriverDocker || hasContainers(c.Data)
	d, err := docker.New(docker.Options{
		Cluster:         c.Cluster,
		Data:            c.Data,
		EngineData:      c.EngineData,
		Host:            c.DockerHost,
		ForbidPrivilege: c.ForbidPrivileged,
		DNS:             c.DNS,
		Log:             log,
	})
	if err != nil {
		return nil, fmt.Errorf("start the docker driver: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	_, err = d.List(ctx)
	if err == nil {
		return d, nil
	}
	if needed {
		log.Warn("the Docker engine does not answer yet", "error", err)
		return d, nil
	}
	d.Close()
	log.Info("no Docker engine answers: apps with an image wait, others run as processes", "error", err)
	return nil, nil
}

// hasContainers reports whether a daemon with this data directory ran containers before. Then Docker is part of it, even
// if the engine comes up later than we do.
func hasContainers(data string) bool {
	entries, err := os.ReadDir(filepath.Join(data, "containers"))
	return err == nil && len(entries) > 0
}
