package docker

import (
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

func intp(n int) *int { return &n }

func buildSpec(change func(s *driver.Spec)) driver.Spec {
	s := driver.Spec{
		TaskID: "group_web.5e1f", AgentIP: "127.0.0.1", Env: []string{"A=1"},
		App: &api.App{
			ID: "/group/web", Version: 1700000000123, CPUs: 0.5, Mem: 64, Networks: []api.Network{{Mode: api.NetworkBridge}},
			Container: &api.Container{Docker: &api.Docker{Image: "image"}},
		},
	}
	if change != nil {
		change(&s)
	}
	return s
}

func build(t *testing.T, change func(s *driver.Spec)) *Config {
	t.Helper()
	c, err := Build(buildSpec(change), BuildOptions{Cluster: "c", Sandbox: "/data/box", LogDriver: "json-file"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestBuildWhole(t *testing.T) {
	got := build(t, func(s *driver.Spec) {
		s.Ports = []int{31000}
		s.App.Args, s.App.User = []string{"-x"}, "www"
		s.App.Container.PortMappings = []api.PortMapping{{ContainerPort: 80, HostPort: intp(0), Protocol: "tcp"}}
	})
	want := &Config{
		Name: got.Name,
		Container: &container.Config{
			Image: "image", User: "www", Cmd: []string{"-x"}, StopSignal: "SIGTERM",
			Env: []string{"A=1", "MESOS_SANDBOX=/mnt/mesos/sandbox"}, ExposedPorts: nat.PortSet{"80/tcp": {}},
			Labels: map[string]string{
				"MESOS_TASK_ID": "group_web.5e1f", "berth.cluster": "c", "berth.app": "/group/web", "berth.task": "group_web.5e1f",
				"berth.version": "2023-11-14T22:13:20.123Z", "berth.ports": "31000",
			},
		},
		Host: &container.HostConfig{
			NetworkMode: "bridge", Binds: []string{"/data/box:/mnt/mesos/sandbox"},
			PortBindings:  nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "31000"}}},
			RestartPolicy: container.RestartPolicy{Name: "no"},
			LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m", "max-file": "2"}},
			Resources:     container.Resources{Memory: 64 << 20, MemorySwap: 64 << 20, CPUShares: 512},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(got.Name, "berth-web-") {
		t.Errorf("name %s", got.Name)
	}
}

// The orchestrator's name servers are for every container but those whose app names its own.
func TestNameServers(t *testing.T) {
	ours := []string{"10.0.0.53", "fd00::53"}
	for _, mode := range []string{api.NetworkBridge, api.NetworkHost} {
		spec := buildSpec(func(s *driver.Spec) { s.App.Networks[0].Mode = mode })
		c, err := Build(spec, BuildOptions{Cluster: "c", DNS: ours})
		if err != nil || !slices.Equal(c.Host.DNS, ours) {
			t.Errorf("%s: %v, %v", mode, c.Host.DNS, err)
		}
		spec.App.Container.Docker.Parameters = []api.Parameter{{Key: "dns", Value: "192.0.2.1"}}
		if c, err = Build(spec, BuildOptions{Cluster: "c", DNS: ours}); err != nil || !slices.Equal(c.Host.DNS, []string{"192.0.2.1"}) {
			t.Errorf("%s, an app with its own: %v, %v", mode, c.Host.DNS, err)
		}
	}
	if c := build(t, nil); c.Host.DNS != nil {
		t.Errorf("without any: %v", c.Host.DNS)
	}
}

func TestCommandSemantics(t *testing.T) {
	for name, c := range map[string]struct {
		app        api.App
		entrypoint []string
		cmd        []string
	}{
		"cmd replaces the entry point":   {api.App{Cmd: "run me"}, []string{"/bin/sh", "-c"}, []string{"run me"}},
		"args go to the entry point":     {api.App{Args: []string{"a", "b"}}, nil, []string{"a", "b"}},
		"neither is the image's default": {api.App{}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := build(t, func(s *driver.Spec) { s.App.Cmd, s.App.Args = c.app.Cmd, c.app.Args })
			if !slices.Equal(got.Container.Entrypoint, c.entrypoint) || !slices.Equal(got.Container.Cmd, c.cmd) {
				t.Errorf("entry point %q, command %q", got.Container.Entrypoint, got.Container.Cmd)
			}
		})
	}
}

func TestPortsArePublished(t *testing.T) {
	for name, c := range map[string]struct {
		agent    string
		mode     api.Network
		mappings []api.PortMapping
		ports    []int
		want     nat.PortMap
	}{
		"on loopback if the agent is there": {
			"127.0.0.2", api.Network{Mode: api.NetworkBridge}, []api.PortMapping{{ContainerPort: 80, HostPort: intp(0)}}, []int{2000},
			nat.PortMap{"80/tcp": {{HostIP: "127.0.0.2", HostPort: "2000"}}},
		},
		"on all addresses otherwise": {
			"192.0.2.1", api.Network{Mode: api.NetworkBridge}, []api.PortMapping{{ContainerPort: 80, HostPort: intp(0)}}, []int{2000},
			nat.PortMap{"80/tcp": {{HostIP: "0.0.0.0", HostPort: "2000"}}},
		},
		"container port 0 is the host port": {
			"127.0.0.1", api.Network{Mode: api.NetworkBridge}, []api.PortMapping{{HostPort: intp(0)}}, []int{31005},
			nat.PortMap{"31005/tcp": {{HostIP: "127.0.0.1", HostPort: "31005"}}},
		},
		"two protocols share a number": {
			"127.0.0.1", api.Network{Mode: api.NetworkBridge},
			[]api.PortMapping{{ContainerPort: 53, HostPort: intp(0), Protocol: "udp,tcp"}}, []int{31005},
			nat.PortMap{
				"53/tcp": {{HostIP: "127.0.0.1", HostPort: "31005"}}, "53/udp": {{HostIP: "127.0.0.1", HostPort: "31005"}},
			},
		},
		"one container port on two host ports": {
			"127.0.0.1", api.Network{Mode: api.NetworkBridge},
			[]api.PortMapping{{ContainerPort: 80, HostPort: intp(0)}, {ContainerPort: 80, HostPort: intp(0)}}, []int{1, 2},
			nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "1"}, {HostIP: "127.0.0.1", HostPort: "2"}}},
		},
		"only mappings with a host port": {
			"127.0.0.1", api.Network{Mode: api.NetworkContainer, Name: "net"},
			[]api.PortMapping{{ContainerPort: 80}, {ContainerPort: 81, HostPort: intp(0)}}, []int{31005},
			nat.PortMap{"81/tcp": {{HostIP: "127.0.0.1", HostPort: "31005"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := build(t, func(s *driver.Spec) {
				s.AgentIP, s.Ports, s.App.Networks, s.App.Container.PortMappings = c.agent, c.ports, []api.Network{c.mode}, c.mappings
			})
			if diff := cmp.Diff(c.want, got.Host.PortBindings); diff != "" {
				t.Errorf("bindings (-want +got):\n%s", diff)
			}
			for port := range c.want {
				if _, ok := got.Container.ExposedPorts[port]; !ok {
					t.Errorf("%s is not exposed", port)
				}
			}
		})
	}
}

func TestNetworks(t *testing.T) {
	host := build(t, func(s *driver.Spec) {
		s.App.Networks, s.App.PortDefinitions, s.Ports = nil, make([]api.PortDefinition, 1), []int{31000}
	})
	if host.Host.NetworkMode != "host" || len(host.Host.PortBindings) > 0 || host.Networks != nil {
		t.Errorf("host mode: %s, %v", host.Host.NetworkMode, host.Host.PortBindings)
	}
	named := build(t, func(s *driver.Spec) { s.App.Networks = []api.Network{{Name: "net"}} })
	want := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"net": {}}}
	if diff := cmp.Diff(want, named.Networks); diff != "" || named.Host.NetworkMode != "net" {
		t.Errorf("named network, mode %s (-want +got):\n%s", named.Host.NetworkMode, diff)
	}
}

func TestVolumes(t *testing.T) {
	got := build(t, func(s *driver.Spec) {
		s.App.Container.Volumes = []api.Volume{
			{ContainerPath: "/etc/x", HostPath: "/srv/x", Mode: "RO"}, {ContainerPath: "/y", HostPath: "sub/y"},
			{ContainerPath: "rel", HostPath: "/srv/z", Mode: "RW"},
		}
	})
	want := []string{
		"/srv/x:/etc/x:ro", "/data/box/sub/y:/y:rw", "/srv/z:/mnt/mesos/sandbox/rel:rw", "/data/box:/mnt/mesos/sandbox",
	}
	if diff := cmp.Diff(want, got.Host.Binds); diff != "" {
		t.Errorf("binds (-want +got):\n%s", diff)
	}
	own := build(t, func(s *driver.Spec) {
		s.App.Container.Volumes = []api.Volume{{ContainerPath: "/mnt/mesos/sandbox/", HostPath: "/srv"}}
	})
	if len(own.Host.Binds) != 1 {
		t.Errorf("a volume in the sandbox's place: %q", own.Host.Binds)
	}
}

func TestHardQuotaPrivilegeAndTerminal(t *testing.T) {
	yes := true
	s := buildSpec(func(s *driver.Spec) { s.App.TTY, s.App.Container.Docker.Privileged = &yes, true })
	c, err := Build(s, BuildOptions{HardCPU: true, LogDriver: "journald"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Host.NanoCPUs != 5e8 || !c.Host.Privileged || !c.Container.Tty || c.Host.LogConfig.Type != "" {
		t.Errorf("host %+v, tty %t", c.Host, c.Container.Tty)
	}
}

// TestParameters holds one row for each key, as a change of an empty configuration.
func TestParameters(t *testing.T) {
	yes := true
	rows := []struct {
		key, value string
		want       func(c *Config)
	}{
		{"label", "a=b=c", func(c *Config) { c.Container.Labels["a"] = "b=c" }},
		{"env", "A=2", func(c *Config) { c.Container.Env = []string{"MESOS_SANDBOX=/mnt/mesos/sandbox", "A=2"} }},
		{"hostname", "h", func(c *Config) { c.Container.Hostname = "h" }},
		{"user", "1:2", func(c *Config) { c.Container.User = "1:2" }},
		{"workdir", "/w", func(c *Config) { c.Container.WorkingDir = "/w" }},
		{"add-host", "h:1.2.3.4", func(c *Config) { c.Host.ExtraHosts = []string{"h:1.2.3.4"} }},
		{"dns", "1.2.3.4", func(c *Config) { c.Host.DNS = []string{"1.2.3.4"} }},
		{"ulimit", "nofile=10:20", func(c *Config) {
			c.Host.Ulimits = []*units.Ulimit{{Name: "nofile", Soft: 10, Hard: 20}}
		}},
		{"cap-add", "NET_ADMIN", func(c *Config) { c.Host.CapAdd = []string{"NET_ADMIN"} }},
		{"cap-drop", "ALL", func(c *Config) { c.Host.CapDrop = []string{"ALL"} }},
		{"group-add", "audio", func(c *Config) { c.Host.GroupAdd = []string{"audio"} }},
		{"log-driver", "syslog", func(c *Config) { c.Host.LogConfig = container.LogConfig{Type: "syslog"} }},
		{"log-opt", "max-size=1m", func(c *Config) {
			c.Host.LogConfig = container.LogConfig{Config: map[string]string{"max-size": "1m"}}
		}},
		{"volume", "/a:/b:ro", func(c *Config) { c.Host.Binds = append(c.Host.Binds, "/a:/b:ro") }},
		{"entrypoint", "/e", func(c *Config) { c.Container.Entrypoint = []string{"/e"} }},
		{"init", "true", func(c *Config) { c.Host.Init = &yes }},
		{"shm-size", "64m", func(c *Config) { c.Host.ShmSize = 64 << 20 }},
		{"memory-swap", "1g", func(c *Config) { c.Host.MemorySwap = 1 << 30 }},
		{
			"sysctl", "net.core.somaxconn=9", func(c *Config) { c.Host.Sysctls = map[string]string{"net.core.somaxconn": "9"} },
		},
		{"security-opt", "no-new-privileges", func(c *Config) { c.Host.SecurityOpt = []string{"no-new-privileges"} }},
		{"device", "/dev/fuse:/dev/x:r", func(c *Config) {
			c.Host.Devices = []container.DeviceMapping{{PathOnHost: "/dev/fuse", PathInContainer: "/dev/x", CgroupPermissions: "r"}}
		}},
		{"net-alias", "al", func(c *Config) { c.Networks.EndpointsConfig["net"].Aliases = []string{"al"} }},
		{"tmpfs", "/t:size=1m", func(c *Config) { c.Host.Tmpfs = map[string]string{"/t": "size=1m"} }},
		{"rm", "true", func(*Config) {}},
	}
	var covered []string
	for _, r := range rows {
		covered = append(covered, r.key)
		t.Run(r.key, func(t *testing.T) {
			with := func(p []api.Parameter) *Config {
				return build(t, func(s *driver.Spec) {
					s.App.Networks, s.App.Container.Docker.Parameters = []api.Network{{Name: "net"}}, p
				})
			}
			want, got := with(nil), with([]api.Parameter{{Key: r.key, Value: r.value}})
			r.want(want)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
	slices.Sort(covered)
	if diff := cmp.Diff(Parameters(), covered); diff != "" {
		t.Errorf("keys without a row (-allowed +covered):\n%s", diff)
	}
}

func TestBadSpecsAreRefused(t *testing.T) {
	param := func(key, value string) func(s *driver.Spec) {
		return func(s *driver.Spec) { s.App.Container.Docker.Parameters = []api.Parameter{{Key: key, Value: value}} }
	}
	volume := func(v api.Volume) func(s *driver.Spec) {
		return func(s *driver.Spec) { s.App.Container.Volumes = []api.Volume{v} }
	}
	for name, c := range map[string]struct {
		change func(s *driver.Spec)
		want   string
	}{
		"no image":        {func(s *driver.Spec) { s.App.Container = nil }, "has no image"},
		"network unnamed": {func(s *driver.Spec) { s.App.Networks = []api.Network{{}} }, "names none"},
		"network mode": {
			func(s *driver.Spec) { s.App.Networks = []api.Network{{Mode: "none"}} }, `network mode "none"`,
		},
		"unknown parameter": {
			param("privileged", "true"), `docker parameter "privileged" is not allowed: expected one of add-host,`,
		},
		"own label":           {param("label", "berth.task=x"), "this label is Berth's own"},
		"label MESOS_TASK_ID": {param("label", "MESOS_TASK_ID=x"), "this label is Berth's own"},
		"env without value":   {param("env", "HOME"), "expected NAME=value"},
		"ulimit":              {param("ulimit", "nofile"), "docker parameter ulimit"},
		"volume relative":     {param("volume", "a:b"), "expected host-path"},
		"device":              {param("device", "fuse"), "expected /host-device"},
		"device permissions":  {param("device", "/dev/a:/dev/b:x"), "made of r, w and m"},
		"init":                {param("init", "maybe"), "expected true or false"},
		"rm":                  {param("rm", "maybe"), "expected true or false"},
		"size":                {param("shm-size", "many"), "expected a size"},
		"tmpfs":               {param("tmpfs", "t"), "expected /path"},
		"host":                {param("add-host", "h"), "expected host:address"},
		"sysctl":              {param("sysctl", "a"), "expected name=value"},
		"alias on the bridge": {param("net-alias", "a"), "only possible on a named"},
		"seccomp file":        {param("security-opt", "seccomp=/etc/shadow"), "expected seccomp=unconfined"},
		"entrypoint and cmd": {func(s *driver.Spec) {
			s.App.Cmd = "x"
			param("entrypoint", "/e")(s)
		}, "not together with cmd"},
		"volume leaves the sandbox": {volume(api.Volume{ContainerPath: "/x", HostPath: "../x"}), "inside the sandbox"},
		"volume without host path":  {volume(api.Volume{ContainerPath: "/x"}), "hostPath is empty"},
		"volume with colon":         {volume(api.Volume{ContainerPath: "/x:ro", HostPath: "/y"}), "colon"},
		"volume mode": {
			volume(api.Volume{ContainerPath: "/x", HostPath: "/y", Mode: "rw"}), `mode "rw": expected RW or RO`,
		},
		"protocol": {func(s *driver.Spec) {
			s.App.Container.PortMappings, s.Ports = []api.PortMapping{{HostPort: intp(0), Protocol: "icmp"}}, []int{1}
		}, `protocol "icmp" of port 0`},
		"ports": {func(s *driver.Spec) { s.Ports = []int{1} }, "asks for 0 host ports, 1 were chosen"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Build(buildSpec(c.change), BuildOptions{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Build: %v, want %q", err, c.want)
			}
		})
	}
}

func TestLabelsAreReadBack(t *testing.T) {
	for _, ports := range [][]int{nil, {31000}, {1, 65535}} {
		spec := buildSpec(func(s *driver.Spec) { s.Ports = ports })
		want := driver.Status{
			TaskID: spec.TaskID, AppID: spec.App.ID, Version: spec.App.Version, Ports: ports, Kind: driver.KindDocker,
			Addresses: []api.Address{},
		}
		if diff := cmp.Diff(want, identity(labels("c", spec))); diff != "" {
			t.Errorf("identity (-want +got):\n%s", diff)
		}
	}
}

func TestContainerNamesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, cluster := range []string{"a", "b"} {
		for _, task := range []string{"x.1", "x.2", "group_x.1", "", ".", "UPPER_Ä.1", strings.Repeat("long", 200) + ".1"} {
			name := containerName(cluster, task)
			if seen[name] || len(name) > 60 {
				t.Errorf("%s for %s in %s: taken %t", name, task, cluster, seen[name])
			}
			seen[name] = true
		}
	}
}
