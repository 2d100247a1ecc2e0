package docker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-units"

	"berth/orchestrator/api"
)

// parameters are the long options of docker run that an app may give (marathon-api.md section 3.3). Each changes the
// configuration as docker's own command line would.
var parameters = map[string]func(c *Config, value string) error{
	"label":        addLabel,
	"env":          addEnv,
	"hostname":     func(c *Config, v string) error { c.Container.Hostname = v; return nil },
	"user":         func(c *Config, v string) error { c.Container.User = v; return nil },
	"workdir":      func(c *Config, v string) error { c.Container.WorkingDir = v; return nil },
	"add-host":     addHost,
	"dns":          func(c *Config, v string) error { c.Host.DNS = append(c.Host.DNS, v); return nil },
	"ulimit":       addUlimit,
	"cap-add":      func(c *Config, v string) error { c.Host.CapAdd = append(c.Host.CapAdd, v); return nil },
	"cap-drop":     func(c *Config, v string) error { c.Host.CapDrop = append(c.Host.CapDrop, v); return nil },
	"group-add":    func(c *Config, v string) error { c.Host.GroupAdd = append(c.Host.GroupAdd, v); return nil },
	"log-driver":   func(c *Config, v string) error { c.Host.LogConfig.Type = v; return nil },
	"log-opt":      func(c *Config, v string) error { return addPair(&c.Host.LogConfig.Config, v) },
	"volume":       addVolume,
	"entrypoint":   setEntrypoint,
	"init":         setInit,
	"shm-size":     func(c *Config, v string) error { return setBytes(&c.Host.ShmSize, v) },
	"memory-swap":  setMemorySwap,
	"sysctl":       func(c *Config, v string) error { return addPair(&c.Host.Sysctls, v) },
	"security-opt": addSecurityOpt,
	"device":       addDevice,
	"net-alias":    addNetAlias,
	"tmpfs":        addTmpfs,
	// Ended containers are kept until their logs are no longer wanted and removed then, whatever this says.
	"rm": func(_ *Config, v string) error { _, err := parseBool(v); return err },
}

// Parameters lists the keys that an app's docker.parameters may have, sorted.
func Parameters() []string { return slices.Sorted(maps.Keys(parameters)) }

func (c *Config) setParameters(app *api.App) error {
	for _, p := range app.Container.Docker.Parameters {
		set, ok := parameters[p.Key]
		if !ok {
			return fmt.Errorf("docker parameter %q is not allowed: expected one of %s", p.Key, strings.Join(Parameters(), ", "))
		}
		if err := set(c, p.Value); err != nil {
			return fmt.Errorf("docker parameter %s=%q: %w", p.Key, p.Value, err)
		}
	}
	return nil
}

func addLabel(c *Config, v string) error {
	key, value, _ := strings.Cut(v, "=")
	if key == "" {
		return errors.New("expected name=value")
	}
	if key == labelMesos || strings.HasPrefix(key, "berth.") {
		return errors.New("this label is Berth's own")
	}
	c.Container.Labels[key] = value
	return nil
}

func addEnv(c *Config, v string) error {
	key, value, ok := strings.Cut(v, "=")
	if key == "" || !ok {
		return errors.New("expected NAME=value")
	}
	c.Container.Env = setEnv(c.Container.Env, key, value)
	return nil
}

func addHost(c *Config, v string) error {
	if host, ip, ok := strings.Cut(v, ":"); !ok || host == "" || ip == "" {
		return errors.New("expected host:address")
	}
	c.Host.ExtraHosts = append(c.Host.ExtraHosts, v)
	return nil
}

func addUlimit(c *Config, v string) error {
	u, err := units.ParseUlimit(v)
	if err == nil {
		c.Host.Ulimits = append(c.Host.Ulimits, u)
	}
	return err
}

// addPair adds name=value to a map that may be nil.
func addPair(m *map[string]string, v string) error {
	key, value, ok := strings.Cut(v, "=")
	if key == "" || !ok {
		return errors.New("expected name=value")
	}
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
	return nil
}

// addVolume takes host:container[:options] with an absolute path or the name of a volume in front.
func addVolume(c *Config, v string) error {
	parts := strings.Split(v, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || !strings.HasPrefix(parts[1], "/") {
		return errors.New("expected host-path-or-name:/container-path[:options]")
	}
	c.Host.Binds = append(c.Host.Binds, v)
	return nil
}

func setEntrypoint(c *Config, v string) error {
	if len(c.Container.Entrypoint) > 0 {
		return errors.New("not together with cmd, which replaces the entry point itself")
	}
	c.Container.Entrypoint = []string{v}
	return nil
}

func setInit(c *Config, v string) error {
	b, err := parseBool(v)
	c.Host.Init = &b
	return err
}

func parseBool(v string) (bool, error) {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return false, errors.New("expected true or false")
	}
	return b, nil
}

func setBytes(to *int64, v string) error {
	n, err := units.RAMInBytes(v)
	if err != nil || n <= 0 {
		return errors.New("expected a size such as 64m")
	}
	*to = n
	return nil
}

// setMemorySwap sets the sum of memory and swap; -1 means swap without limit.
func setMemorySwap(c *Config, v string) error {
	if v == "-1" {
		c.Host.MemorySwap = -1
		return nil
	}
	return setBytes(&c.Host.MemorySwap, v)
}

// addSecurityOpt passes an option on. docker's command line would read a seccomp profile from a file of the caller's; the
// engine wants its content, and nobody's file is read here.
func addSecurityOpt(c *Config, v string) error {
	if profile, ok := strings.CutPrefix(v, "seccomp="); ok &&
		profile != "unconfined" && profile != "builtin" && !strings.HasPrefix(profile, "{") {
		return errors.New("expected seccomp=unconfined, seccomp=builtin or the profile's JSON text")
	}
	c.Host.SecurityOpt = append(c.Host.SecurityOpt, v)
	return nil
}

// addDevice takes host[:container[:permissions]].
func addDevice(c *Config, v string) error {
	parts := strings.Split(v, ":")
	dev := container.DeviceMapping{PathOnHost: parts[0], PathInContainer: parts[0], CgroupPermissions: "rwm"}
	switch {
	case len(parts) > 3 || !strings.HasPrefix(parts[0], "/"):
		return errors.New("expected /host-device[:/container-device[:rwm]]")
	case len(parts) == 2 && strings.Trim(parts[1], "rwm") == "":
		dev.CgroupPermissions = parts[1]
	case len(parts) >= 2:
		dev.PathInContainer = parts[1]
	}
	if len(parts) == 3 {
		if strings.Trim(parts[2], "rwm") != "" {
			return errors.New("expected permissions made of r, w and m")
		}
		dev.CgroupPermissions = parts[2]
	}
	c.Host.Devices = append(c.Host.Devices, dev)
	return nil
}

func addNetAlias(c *Config, v string) error {
	if c.Networks == nil {
		return errors.New("only possible on a named container network")
	}
	for _, e := range c.Networks.EndpointsConfig {
		e.Aliases = append(e.Aliases, v)
	}
	return nil
}

// addTmpfs takes /path[:options].
func addTmpfs(c *Config, v string) error {
	path, options, _ := strings.Cut(v, ":")
	if !strings.HasPrefix(path, "/") {
		return errors.New("expected /path[:options]")
	}
	if c.Host.Tmpfs == nil {
		c.Host.Tmpfs = map[string]string{}
	}
	c.Host.Tmpfs[path] = options
	return nil
}
