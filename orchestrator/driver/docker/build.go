package docker

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/hostport"
	"berth/orchestrator/driver/sandbox"
)

// Config is what the engine is asked to create.
type Config struct {
	Name      string
	Container *container.Config
	Host      *container.HostConfig
	Networks  *network.NetworkingConfig
}

// BuildOptions are the driver's part in a Config.
type BuildOptions struct {
	Cluster   string
	Sandbox   string // the task's sandbox as the engine's host sees it
	HardCPU   bool
	LogDriver string // the engine's default: json-file and local get a bound on their size
	DNS       []string
}

// Build turns a spec into the engine's terms (marathon-api.md sections 3.3, 3.4, 5 and 6). It is pure. Its errors are
// for the app's owner.
func Build(spec driver.Spec, opt BuildOptions) (*Config, error) {
	app := spec.App
	if app.Image() == "" {
		return nil, errors.New("the app has no image")
	}
	c := &Config{
		Name: containerName(opt.Cluster, spec.TaskID),
		Container: &container.Config{
			Image: app.Image(), User: app.User, Tty: app.TTY != nil && *app.TTY, StopSignal: "SIGTERM",
			Env: environment(spec), Labels: labels(opt.Cluster, spec), ExposedPorts: nat.PortSet{},
		},
		Host: &container.HostConfig{
			Privileged: app.Container.Docker.Privileged, Resources: resources(app, opt.HardCPU),
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			PortBindings:  nat.PortMap{},
		},
	}
	if app.Cmd != "" {
		c.Container.Entrypoint = []string{"/bin/sh", "-c"}
		c.Container.Cmd = []string{app.Cmd}
	} else {
		c.Container.Cmd = app.Args
	}
	if err := c.setNetwork(app); err != nil {
		return nil, err
	}
	if err := c.setPorts(spec); err != nil {
		return nil, err
	}
	if err := c.setVolumes(app.Container.Volumes, opt.Sandbox); err != nil {
		return nil, err
	}
	if err := c.setParameters(app); err != nil {
		return nil, err
	}
	c.boundLogs(opt.LogDriver)
	if len(c.Host.DNS) == 0 { // else the app's own parameter dns says which
		c.Host.DNS = slices.Clone(opt.DNS)
	}
	return c, nil
}

// environment says where the sandbox is, unless the app says otherwise.
func environment(spec driver.Spec) []string {
	if _, own := spec.App.Env["MESOS_SANDBOX"]; own {
		return append([]string{}, spec.Env...)
	}
	return setEnv(spec.Env, "MESOS_SANDBOX", sandbox.MountPath)
}

// setEnv returns a copy of env with one variable replaced or added.
func setEnv(env []string, name, value string) []string {
	out := make([]string, 0, len(env)+1)
	for _, e := range env {
		if !strings.HasPrefix(e, name+"=") {
			out = append(out, e)
		}
	}
	return append(out, name+"="+value)
}

// resources: memory is a hard limit and swap does not extend it; cpus is a weight, 1024 for one CPU.
func resources(app *api.App, hard bool) container.Resources {
	r := container.Resources{
		Memory:    int64(app.Mem * (1 << 20)),
		CPUShares: max(2, int64(math.Round(app.CPUs*1024))),
	}
	r.MemorySwap = r.Memory
	if hard {
		r.NanoCPUs = int64(math.Round(app.CPUs * 1e9))
	}
	return r
}

func (c *Config) setNetwork(app *api.App) error {
	switch mode := app.Mode(); mode {
	case api.NetworkHost:
		c.Host.NetworkMode = network.NetworkHost
	case api.NetworkBridge:
		c.Host.NetworkMode = network.NetworkBridge
	case api.NetworkContainer:
		name := networkName(app)
		if name == "" {
			return errors.New("the app wants a container network but names none")
		}
		c.Host.NetworkMode = container.NetworkMode(name)
		c.Networks = &network.NetworkingConfig{
			EndpointsConfig: map[string]*network.EndpointSettings{name: {}},
		}
	default:
		return fmt.Errorf("network mode %q: expected host, container/bridge or container", mode)
	}
	return nil
}

func networkName(app *api.App) string {
	for _, n := range app.Networks {
		if n.Name != "" {
			return n.Name
		}
	}
	if app.IPAddress != nil {
		return app.IPAddress.NetworkName
	}
	return ""
}

// setPorts publishes on the agent's address if that is a loopback one, so that a laptop serves only itself, and
// otherwise on all.
func (c *Config) setPorts(spec driver.Spec) error {
	ports, err := hostport.Of(spec)
	if err != nil || spec.App.Mode() == api.NetworkHost {
		return err
	}
	ip := publishAddress(spec.AgentIP).String()
	for _, p := range ports {
		for _, proto := range p.Protocols {
			port, err := nat.NewPort(proto, fmt.Sprint(p.Container))
			if err != nil {
				return fmt.Errorf("container port %d/%s: %w", p.Container, proto, err)
			}
			c.Container.ExposedPorts[port] = struct{}{}
			binding := nat.PortBinding{HostIP: ip, HostPort: fmt.Sprint(p.Host)}
			c.Host.PortBindings[port] = append(c.Host.PortBindings[port], binding)
		}
	}
	return nil
}

func publishAddress(agentIP string) netip.Addr {
	if ip, err := netip.ParseAddr(agentIP); err == nil && ip.IsLoopback() {
		return ip
	}
	return netip.IPv4Unspecified()
}

// setVolumes mounts the sandbox, unless a volume takes its place, and the app's volumes.
func (c *Config) setVolumes(volumes []api.Volume, dir string) error {
	taken := false
	for i, v := range volumes {
		bind, err := bindOf(v, dir)
		if err != nil {
			return fmt.Errorf("volume %d: %w", i, err)
		}
		taken = taken || filepath.Clean(v.ContainerPath) == sandbox.MountPath
		c.Host.Binds = append(c.Host.Binds, bind)
	}
	if !taken && dir != "" {
		c.Host.Binds = append(c.Host.Binds, dir+":"+sandbox.MountPath)
	}
	return nil
}

func bindOf(v api.Volume, dir string) (string, error) {
	host := v.HostPath
	if host == "" {
		return "", errors.New("hostPath is empty: expected a path on the host or in the sandbox")
	}
	if !filepath.IsAbs(host) {
		local, err := sandbox.Local(host)
		if err != nil {
			return "", fmt.Errorf("hostPath %w", err)
		}
		host = filepath.Join(dir, local)
	}
	target := v.ContainerPath
	if !filepath.IsAbs(target) {
		target = filepath.Join(sandbox.MountPath, target)
	}
	if strings.Contains(host+target, ":") {
		return "", fmt.Errorf("paths %q and %q: a colon is not possible in docker's notation", host, target)
	}
	switch v.Mode {
	case "", "RW":
		return host + ":" + target + ":rw", nil
	case "RO":
		return host + ":" + target + ":ro", nil
	}
	return "", fmt.Errorf("mode %q: expected RW or RO", v.Mode)
}

// boundLogs keeps the engine's own log files small, unless the app chose otherwise.
func (c *Config) boundLogs(engineDefault string) {
	lc := &c.Host.LogConfig
	if lc.Type != "" || lc.Config != nil || engineDefault != "json-file" && engineDefault != "local" {
		return
	}
	*lc = container.LogConfig{Type: engineDefault, Config: map[string]string{"max-size": "10m", "max-file": "2"}}
}
