package api

// App is an app definition in the shape of Marathon 1.5 and later. The fields marked legacy are accepted in input and
// read from old Marathons; after normalisation they are empty, and Berth never serves them.
type App struct {
	ID   string            `json:"id"`
	Cmd  string            `json:"cmd,omitempty"`
	Args []string          `json:"args,omitempty"`
	User string            `json:"user,omitempty"`
	Env  map[string]string `json:"env,omitempty"`

	Instances int     `json:"instances"`
	CPUs      float64 `json:"cpus"`
	Mem       float64 `json:"mem"`  // MiB
	Disk      float64 `json:"disk"` // MiB
	GPUs      int     `json:"gpus"`
	Executor  string  `json:"executor"`

	Container       *Container       `json:"container,omitempty"`
	Networks        []Network        `json:"networks"`
	PortDefinitions []PortDefinition `json:"portDefinitions,omitzero"` // nil is left out, an explicit empty list is shown
	RequirePorts    bool             `json:"requirePorts"`

	Fetch                 []Fetch           `json:"fetch,omitempty"`
	Constraints           [][]string        `json:"constraints,omitempty"`
	AcceptedResourceRoles []string          `json:"acceptedResourceRoles,omitempty"`
	Labels                map[string]string `json:"labels"`

	HealthChecks    []HealthCheck    `json:"healthChecks,omitempty"`
	ReadinessChecks []ReadinessCheck `json:"readinessChecks,omitempty"`

	Dependencies               []string            `json:"dependencies,omitempty"`
	UpgradeStrategy            UpgradeStrategy     `json:"upgradeStrategy"`
	BackoffSeconds             float64             `json:"backoffSeconds"`
	BackoffFactor              float64             `json:"backoffFactor"`
	MaxLaunchDelaySeconds      float64             `json:"maxLaunchDelaySeconds"`
	TaskKillGracePeriodSeconds *float64            `json:"taskKillGracePeriodSeconds,omitempty"`
	KillSelection              string              `json:"killSelection"`
	UnreachableStrategy        UnreachableStrategy `json:"unreachableStrategy"`
	TTY                        *bool               `json:"tty,omitempty"`
	Role                       string              `json:"role,omitempty"`

	// Kept for the client, without effect at run time.
	ResourceLimits    map[string]any `json:"resourceLimits,omitempty"`
	ExecutorResources map[string]any `json:"executorResources,omitempty"`

	Version     Timestamp    `json:"version,omitzero"`
	VersionInfo *VersionInfo `json:"versionInfo,omitempty"`

	Ports     []int      `json:"ports,omitempty"`     // legacy
	URIs      []string   `json:"uris,omitempty"`      // legacy
	IPAddress *IPAddress `json:"ipAddress,omitempty"` // legacy
}

// VersionInfo says when an app was last scaled and last changed otherwise (marathon-api.md section 7.1).
type VersionInfo struct {
	LastScalingAt      Timestamp `json:"lastScalingAt"`
	LastConfigChangeAt Timestamp `json:"lastConfigChangeAt"`
}

// Container types.
const (
	ContainerDocker = "DOCKER"
	ContainerMesos  = "MESOS"
)

// Container says what a task runs in. A nil Container is a plain process.
type Container struct {
	Type         string         `json:"type"`
	Docker       *Docker        `json:"docker,omitempty"`
	Volumes      []Volume       `json:"volumes"`
	PortMappings []PortMapping  `json:"portMappings,omitzero"`
	LinuxInfo    map[string]any `json:"linuxInfo,omitempty"`
}

// Docker is the image and how the engine runs it.
type Docker struct {
	Image          string      `json:"image"`
	ForcePullImage bool        `json:"forcePullImage"`
	Privileged     bool        `json:"privileged"`
	Parameters     []Parameter `json:"parameters"`

	Network      string        `json:"network,omitempty"`      // legacy
	PortMappings []PortMapping `json:"portMappings,omitempty"` // legacy
}

// Parameter is one long option of docker run.
type Parameter struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Volume mounts a path of the host; a relative HostPath lies in the sandbox.
type Volume struct {
	ContainerPath string `json:"containerPath"`
	HostPath      string `json:"hostPath,omitempty"`
	Mode          string `json:"mode"` // RW or RO
}

// Values of Volume.Mode.
const (
	VolumeReadWrite = "RW"
	VolumeReadOnly  = "RO"
)

// Network modes of Network.Mode.
const (
	NetworkHost      = "host"
	NetworkBridge    = "container/bridge"
	NetworkContainer = "container"
)

// Network is one network a task is attached to.
type Network struct {
	Mode   string            `json:"mode,omitempty"`
	Name   string            `json:"name,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

// PortMapping publishes a port of a container. HostPort nil means no host port; zero means "choose one".
type PortMapping struct {
	ContainerPort int               `json:"containerPort"`
	HostPort      *int              `json:"hostPort,omitempty"`
	ServicePort   int               `json:"servicePort"`
	Protocol      string            `json:"protocol"`
	Name          string            `json:"name,omitempty"`
	Labels        map[string]string `json:"labels"`
	NetworkNames  []string          `json:"networkNames,omitempty"`
}

// PortDefinition is a port of a task in host mode; Port is the service port, and the host port too with requirePorts.
type PortDefinition struct {
	Port     int               `json:"port"`
	Protocol string            `json:"protocol"`
	Name     string            `json:"name,omitempty"`
	Labels   map[string]string `json:"labels"`
}

// Fetch is a file put into the sandbox before the task starts.
type Fetch struct {
	URI        string `json:"uri"`
	Extract    bool   `json:"extract"`
	Executable bool   `json:"executable"`
	Cache      bool   `json:"cache"`
	DestPath   string `json:"destPath,omitempty"`
}

// IPAddress is the way networks were asked for before Marathon 1.5.
type IPAddress struct {
	NetworkName string            `json:"networkName,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Discovery   *Discovery        `json:"discovery,omitempty"`
}

// Discovery lists the ports of an IPAddress.
type Discovery struct {
	Ports []DiscoveryPort `json:"ports,omitempty"`
}

// DiscoveryPort is one announced container port.
type DiscoveryPort struct {
	Number   int               `json:"number"`
	Name     string            `json:"name,omitempty"`
	Protocol string            `json:"protocol,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// UpgradeStrategy bounds a rolling change: both are shares of the instance count, 0 to 1.
type UpgradeStrategy struct {
	MinimumHealthCapacity float64 `json:"minimumHealthCapacity"`
	MaximumOverCapacity   float64 `json:"maximumOverCapacity"`
}

// Values of App.KillSelection.
const (
	YoungestFirst = "YOUNGEST_FIRST"
	OldestFirst   = "OLDEST_FIRST"
)

// Mode returns the network mode of a, by Marathon's order of precedence (marathon-lb.md section 4.3): later rules
// override earlier ones, and networks override the legacy fields.
func (a *App) Mode() string {
	mode := NetworkHost
	if a.IPAddress != nil {
		mode = NetworkContainer
	}
	if a.Container != nil && a.Container.Docker != nil {
		switch a.Container.Docker.Network {
		case "USER":
			mode = NetworkContainer
		case "BRIDGE":
			mode = NetworkBridge
		}
	}
	for _, n := range a.Networks {
		mode = n.Mode
		if mode == "" {
			mode = NetworkContainer
		}
	}
	return mode
}

// Mappings returns the port mappings of a in either home: the legacy one wins when it is not empty.
func (a *App) Mappings() []PortMapping {
	if a.Container == nil {
		return nil
	}
	if a.Container.Docker != nil && len(a.Container.Docker.PortMappings) > 0 {
		return a.Container.Docker.PortMappings
	}
	return a.Container.PortMappings
}

// Image returns the image of a, or "" for a plain process.
func (a *App) Image() string {
	if a.Container == nil || a.Container.Docker == nil {
		return ""
	}
	return a.Container.Docker.Image
}
