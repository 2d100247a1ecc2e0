package dev

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"berth/cmd/internal/mlbd"
	"berth/mlb"
)

// mlbConfig is the daemon's configuration in this run.
func (p *plan) mlbConfig() mlbd.Config {
	c := mlbd.DefaultConfig()
	c.Marathon = []string{p.urls.API}
	c.Groups = p.c.Groups
	c.HealthCheck = true
	c.HAProxyConfig = filepath.Join(p.c.Dir, "mlb", "haproxy.cfg")
	c.TemplateDir = filepath.Join(p.c.Dir, "templates")
	c.RunDir = p.runDir()
	c.HTTPPort, c.HTTPSPort = p.ports["http"], p.ports["https"]
	c.StatsPort, c.AppIDPort = p.ports["stats"], p.ports["appid"]
	// Nobody stands before this balancer who would have to hear of its end first.
	c.ShutdownDelay, c.ShutdownTimeout = 0, 3*time.Second
	return c
}

// runDir is where HAProxy's sockets are: for root outside of the state directory, which may lie below /root, where the
// user that HAProxy becomes may not go.
func (p *plan) runDir() string {
	if os.Geteuid() != 0 {
		return ""
	}
	return "/run/berth-" + p.name()
}

func (p *plan) mlb() daemon {
	var up atomic.Bool
	return daemon{
		name: "mlb",
		run: func(ctx context.Context) error {
			for _, dir := range []string{"mlb", "templates"} {
				if err := os.MkdirAll(filepath.Join(p.c.Dir, dir), 0o700); err != nil {
					return err
				}
			}
			err := mlbd.Run(ctx, p.mlbConfig(), mlbd.Options{Log: p.opt.Log, Started: func(mlb.Status) { up.Store(true) }})
			if dir := p.runDir(); dir != "" && err == nil {
				err = os.RemoveAll(dir)
			}
			return err
		},
		ready: func(context.Context) error {
			if !up.Load() {
				return errNotApplied
			}
			return nil
		},
	}
}

var errNotApplied = errors.New("HAProxy does not run the present state yet")

// name tells the directory of this run from others on this machine.
func (p *plan) name() string {
	sum := sha256.Sum256([]byte(p.c.Dir))
	return "dev-" + hex.EncodeToString(sum[:4])
}
