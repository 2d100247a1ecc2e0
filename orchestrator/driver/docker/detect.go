package docker

import (
	"context"
	"fmt"
)

// Info is what an engine says of its host.
type Info struct {
	Host       string // the engine's address
	Name       string // host name
	Version    string // of the engine
	APIVersion string // in use between it and us
	OS         string // linux
	CPUs       int
	Memory     float64 // MiB
}

// Detect looks for an engine where DOCKER_HOST says, or at the local socket, and reports what it finds. Give ctx a
// deadline: an address that swallows packets answers late.
func Detect(ctx context.Context) (*Info, error) { return detect(ctx, "") }

// Measure asks the engine for its host's CPUs and memory in MiB.
func (d *Driver) Measure(ctx context.Context) (cpus, mem float64, err error) {
	info, err := d.cli.Info(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("ask the docker engine for its size: %w", d.explain(err))
	}
	return float64(info.NCPU), float64(info.MemTotal) / (1 << 20), nil
}

// Ping reports whether the engine answers.
func (d *Driver) Ping(ctx context.Context) error {
	if _, err := d.cli.Ping(ctx); err != nil {
		return d.explain(err)
	}
	return nil
}

func detect(ctx context.Context, host string) (*Info, error) {
	cli, host, err := newClient(host, TLSFiles{})
	if err != nil {
		return nil, err
	}
	defer cli.Close()
	info, err := cli.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for a docker engine at %s: %w", host, err)
	}
	return &Info{
		Host: host, Name: info.Name, Version: info.ServerVersion, APIVersion: cli.ClientVersion(),
		OS: info.OSType, CPUs: info.NCPU, Memory: float64(info.MemTotal) / (1 << 20),
	}, nil
}
