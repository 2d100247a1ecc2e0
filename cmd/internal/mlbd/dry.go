package mlbd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"berth/mlb"
	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/render"
	"berth/orchestrator/client"
)

// dry prints the configuration for the present state, unless it is the one on disk, and touches nothing.
func dry(ctx context.Context, c Config, stdout io.Writer, log *slog.Logger) error {
	if err := c.check(); err != nil {
		return err
	}
	paths, err := haproxy.NewPaths(c.HAProxyConfig, c.RunDir)
	if err != nil {
		return err
	}
	c.CacheFile, c.Subscriber = "none", ""
	co, err := c.clientOptions(paths, log)
	if err != nil {
		return err
	}
	co.Subscriber, co.Role = "", ""
	apps, err := present(ctx, co)
	if err != nil {
		return err
	}
	certs := c.SSLCerts
	if len(certs) == 0 {
		certs = []string{filepath.Join(paths.Dir(), "self-signed.pem")}
	}
	ro := c.renderOptions(paths.Dir(), certs)
	ro.MaxConn = c.connections()
	ro.StatsSocket, ro.AdminSocket = paths.Stats, paths.Admin
	if c.ServerStates {
		ro.StateFile = paths.State
	}
	if b, err := haproxy.Find(ctx, c.HAProxyBinary); err == nil {
		ro.HAProxy = render.Version{Major: b.Version.Major, Minor: b.Version.Minor}
	}
	if ro.Overrides, err = mlb.Templates(c.TemplateDir, environ()); err != nil {
		return err
	}
	mo := c.modelOptions()
	names := newResolver(patienceOnce, nil)
	defer names.close()
	mo.Reserved, mo.Resolve = ro.Reserved(), names.lookup
	m, problems := model.Build(apps.Apps, mo)
	out, more := render.Files(m, ro)
	for _, p := range append(problems, more...) {
		log.Warn(p.String())
	}
	onDisk, err := paths.Read(mlb.MapNames())
	if err != nil && !errors.Is(err, haproxy.ErrNoConfig) {
		return err
	}
	if bytes.Equal(onDisk.Config(), out.Config()) {
		return nil
	}
	if _, err := stdout.Write(out.Config()); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// present reads the state once.
func present(ctx context.Context, opt client.Options) (*client.Snapshot, error) {
	source, err := client.New(opt)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first *client.Snapshot
	err = source.Watch(ctx, func(_ context.Context, s *client.Snapshot) {
		if first == nil {
			first = s
		}
		cancel()
	})
	if first == nil {
		return nil, fmt.Errorf("read apps: %w", err)
	}
	return first, nil
}
