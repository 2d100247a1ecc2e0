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

func detect(ctx context.Context, host string) (*Info, error) {
	cli, err := newClient(host)
	if err != nil {
		return nil, err
	}
	defer cli.Close()
	info, err := cli.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for a docker engine at %s: %w", cli.DaemonHost(), err)
	}
	return &Info{
		Host: cli.DaemonHost(), Name: info.Name, Version: info.ServerVersion, APIVersion: cli.ClientVersion(),
		OS: info.OSType, CPUs: info.NCPU, Memory: float64(info.MemTotal) / (1 << 20),
	}, nil
}
