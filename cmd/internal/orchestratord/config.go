// Package orchestratord is the orchestrator's daemon: its configuration, and the wiring of state, drivers and HTTP API.
// It is a package of its own so that `berth dev` runs the same thing inside its process.
package orchestratord

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/cmd/internal/cli"
	"berth/orchestrator/audit"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/reconcile"
)

// Values of Config.Driver.
const (
	DriverAuto    = "auto"    // Docker where an engine answers, processes in any case
	DriverDocker  = "docker"  // both, also while no engine answers yet
	DriverProcess = "process" // processes only
)

// Config is everything the daemon can be told. DefaultConfig has the values of a daemon without flags.
type Config struct {
	Listen string // host:port of the API
	Data   string // directory of the state file and the sandboxes
	Driver string // auto, docker or process
	// Cluster marks the tasks that are this daemon's. Two daemons that share an engine need two names, or each removes the
	// other's tasks as strays.
	Cluster          string
	DockerHost       string   // the engine's address; "" means DOCKER_HOST or the local socket
	EngineData       string   // path under which the engine's host sees Data, "" means the same
	ForbidPrivileged bool     // refuse privileged containers
	DNS              []string // name servers of containers whose app names none; none: the engine's
	TaskPath         string   // PATH of processes whose app sets none; "" means the system's usual one

	AgentIP      string   // where host ports are reached
	AgentHost    string   // name that tasks are listed under; "" means AgentIP
	Ports        string   // what a fixed host port may use, "1-21,23-32000"
	DynamicPorts string   // where host port 0 is drawn from
	CPUs         float64  // 0: what this machine has
	Mem          float64  // MiB; 0: what this machine has, less a reserve
	Disk         float64  // MiB; 0: what this machine has, less a reserve
	Attributes   string   // key:value;key:value
	Roles        []string // what the agent offers itself as

	LocalPortMin, LocalPortMax int // service ports are assigned from here

	DrainSeconds  float64       // longest wait of a stopping task for the balancers
	TaskRetention time.Duration // how long the logs of an ended task are kept

	Credentials     []string // [role ]user:password
	CredentialsFile string   // the same, one a line
	TokenFile       string   // [role ][name ]token, one a line
	TLSCert, TLSKey string   // PEM files; "" for plain HTTP
	TLSClientCA     string   // PEM file; "" asks clients for no certificate
	Origins         []string // pages of other sites that may use the API

	LegacyFields bool // ports and uris in apps that are read

	MaxBody        int64 // bytes
	MaxRequests    int   // under way at the same time
	MaxConnections int   // open at the same time

	AuditLog     string // file, - for stderr, "" for none
	AuditLogSize int    // MiB at which it becomes an older part
	AuditLogKeep int    // older parts

	LogLevel, LogFormat string
	Version             string // of Berth, for /v2/info
}

// DefaultConfig returns what holds without any flag.
func DefaultConfig() Config {
	return Config{
		Listen:        "127.0.0.1:8080",
		Data:          "data",
		Driver:        DriverAuto,
		AgentIP:       "127.0.0.1",
		Ports:         "1-32000",
		DynamicPorts:  "31000-32000",
		Roles:         []string{"*", "slave_public"},
		LocalPortMin:  10000,
		LocalPortMax:  20000,
		DrainSeconds:  10,
		TaskRetention: time.Hour,
		MaxBody:       1 << 20,

		MaxRequests:    256,
		MaxConnections: 4096,

		AuditLogSize: audit.DefaultSize >> 20,
		AuditLogKeep: audit.DefaultKeep,

		LogLevel:  "info",
		LogFormat: "text",
		Version:   "dev",
	}
}

// Validate says what is wrong with c, naming the flag. Nothing has been started or written by then.
func (c Config) Validate() error {
	_, err := c.resolve()
	return err
}

// resolved is what the texts of a Config stand for.
type resolved struct {
	host, port   string // of Listen
	ports        reconcile.Ports
	dynamicPorts reconcile.Ports
	attributes   map[string]string
	credentials  []httpapi.Credential
	certificates *certificates // nil: plain HTTP
}

func (r *resolved) scheme() string {
	if r.certificates != nil {
		return "https"
	}
	return "http"
}

func (c Config) resolve() (resolved, error) {
	var r resolved
	for _, step := range []func(*resolved) error{c.listen, c.agent, c.resources, c.limits, c.access, c.encryption} {
		if err := step(&r); err != nil {
			return r, err
		}
	}
	return r, nil
}

var clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func (c Config) listen(r *resolved) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return bad("listen", c.Listen, "host:port, :port for all addresses")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return bad("listen", c.Listen, "a port from 0 to 65535, where 0 takes a free one")
	}
	if c.Data == "" {
		return bad("data", c.Data, "a directory")
	}
	switch c.Driver {
	case DriverAuto, DriverDocker, DriverProcess:
	default:
		return bad("driver", c.Driver, "auto, docker or process")
	}
	if c.Cluster != "" && !clusterName.MatchString(c.Cluster) {
		return bad("cluster", c.Cluster, "1 to 63 letters, digits, dots, hyphens and underscores")
	}
	if c.EngineData != "" && !filepath.IsAbs(c.EngineData) {
		return bad("engine-data", c.EngineData, "an absolute path on the engine's host")
	}
	r.host, r.port = host, port
	return nil
}

func (c Config) agent(r *resolved) error {
	if a, err := netip.ParseAddr(c.AgentIP); err != nil || a.IsUnspecified() {
		return bad("agent-ip", c.AgentIP, "an IP address of this machine")
	}
	if err := c.checkDNS(); err != nil {
		return err
	}
	if len(c.AgentHost) > 253 || strings.ContainsAny(c.AgentHost, " \t\r\n/:") {
		return bad("agent-host", c.AgentHost, "a host name")
	}
	var err error
	if r.ports, err = reconcile.ParsePorts(c.Ports); err != nil {
		return cli.Usagef("--ports: %v", err)
	}
	if r.dynamicPorts, err = reconcile.ParsePorts(c.DynamicPorts); err != nil {
		return cli.Usagef("--dynamic-ports: %v", err)
	}
	if r.dynamicPorts.Len() == 0 {
		return bad("dynamic-ports", c.DynamicPorts, "a list such as 31000-32000")
	}
	if r.attributes, err = parseAttributes(c.Attributes); err != nil {
		return err
	}
	if len(c.Roles) == 0 {
		return bad("roles", "", "at least one, such as *")
	}
	return nil
}

// maxDNS is how many name servers a container's resolver looks at (resolv.conf(5), MAXNS).
const maxDNS = 3

// checkDNS refuses addresses that mean something else inside a container.
func (c Config) checkDNS() error {
	if len(c.DNS) > maxDNS {
		return bad("dns", strings.Join(c.DNS, ","), fmt.Sprintf("at most %d addresses, as a resolver looks at no more", maxDNS))
	}
	for i, s := range c.DNS {
		a, err := netip.ParseAddr(s)
		if err != nil || a.IsUnspecified() || a.IsLoopback() || a.Zone() != "" || slices.Contains(c.DNS[:i], s) {
			return bad("dns", s, "the IP address of a name server on port 53, each once; not loopback, which in a container is the container")
		}
	}
	return nil
}

// parseAttributes reads key:value;key:value (marathon-api.md section 12.1).
func parseAttributes(s string) (map[string]string, error) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, ";") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, ":")
		if _, repeated := out[key]; !ok || key == "" || repeated {
			return nil, bad("attributes", s, "key:value;key:value, each key once")
		}
		out[key] = value
	}
	return out, nil
}

func (c Config) resources(*resolved) error {
	for _, f := range []struct {
		flag  string
		value float64
	}{{"cpus", c.CPUs}, {"mem", c.Mem}, {"disk", c.Disk}} {
		if !(f.value >= 0 && f.value <= 1e12) {
			return bad(f.flag, fmt.Sprint(f.value), "a number from 0, where 0 means what this machine has")
		}
	}
	return nil
}

func (c Config) limits(*resolved) error {
	switch {
	case c.LocalPortMin < 1 || c.LocalPortMin > 65535:
		return bad("local-port-min", strconv.Itoa(c.LocalPortMin), "a port from 1 to 65535")
	case c.LocalPortMax < c.LocalPortMin || c.LocalPortMax > 65535:
		return bad("local-port-max", strconv.Itoa(c.LocalPortMax), fmt.Sprintf("a port from %d to 65535", c.LocalPortMin))
	case !(c.DrainSeconds >= 0 && c.DrainSeconds <= 86400):
		return bad("drain-seconds", fmt.Sprint(c.DrainSeconds), "seconds from 0 to 86400")
	case c.TaskRetention < 0:
		return bad("task-retention", c.TaskRetention.String(), "a duration such as 1h; 0 keeps nothing")
	case c.MaxBody < 1024 || c.MaxBody > math.MaxInt32:
		return bad("max-body", strconv.FormatInt(c.MaxBody, 10), "bytes from 1024 to 2147483647")
	case c.MaxRequests < 1 || c.MaxRequests > 1e6:
		return bad("max-requests", strconv.Itoa(c.MaxRequests), "a number from 1 to 1000000")
	case c.MaxConnections < 16 || c.MaxConnections > 1e6:
		return bad("max-connections", strconv.Itoa(c.MaxConnections), "a number from 16 to 1000000")
	case c.AuditLogSize < 1 || c.AuditLogSize > 1e6:
		return bad("audit-log-size", strconv.Itoa(c.AuditLogSize), "MiB from 1 to 1000000")
	case c.AuditLogKeep < 1 || c.AuditLogKeep > 1000:
		return bad("audit-log-keep", strconv.Itoa(c.AuditLogKeep), "a number from 1 to 1000")
	}
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
			return bad("cors-origins", o, "scheme://host or scheme://host:port")
		}
	}
	return nil
}

func (c Config) encryption(r *resolved) (err error) {
	r.certificates, err = newCertificates(c)
	return err
}

func bad(flag, value, expected string) error {
	return cli.Usagef("--%s %q: expected %s", flag, value, expected)
}

// loopback reports whether host is reached from this machine only.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
