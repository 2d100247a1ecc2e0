package dev

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"berth/cmd/internal/cli"
	"berth/cmd/internal/orchestratord"
)

// orchestratorConfig is the daemon's configuration in this run.
func (p *plan) orchestratorConfig() orchestratord.Config {
	c := orchestratord.DefaultConfig()
	c.Listen = net.JoinHostPort(p.host, strconv.Itoa(p.ports["api"]))
	c.Data = filepath.Join(p.c.Dir, "orchestrator")
	c.Driver = p.c.Driver
	c.Version = cli.Version()
	c.LocalPortMin, c.LocalPortMax = p.c.ServicePortMin, p.c.ServicePortMax
	c.TaskPath = taskPath()
	// The engine's containers of one directory are not those of another.
	c.Cluster = p.name()
	return c
}

func (p *plan) orchestrator() daemon {
	return daemon{
		name: "orchestrator",
		run: func(ctx context.Context) error {
			return orchestratord.Run(ctx, p.orchestratorConfig(), orchestratord.Options{Log: p.opt.Log})
		},
		ready: func(ctx context.Context) error { return answers(ctx, p.urls.API+"/readyz") },
	}
}

// taskPath is ours, with the directory of this program first: the examples run `berth hello`.
func taskPath() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	return filepath.Dir(self) + string(filepath.ListSeparator) + os.Getenv("PATH")
}

// stopTasks ends what the drivers still run. The orchestrator, which would start other tasks instead, is down by then.
func (p *plan) stopTasks() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return orchestratord.StopTasks(ctx, p.orchestratorConfig(), p.opt.Log)
}

// answers asks url and wants a success.
func answers(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(url + ": " + resp.Status)
	}
	return nil
}
