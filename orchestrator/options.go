package orchestrator

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/health"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/serviceport"
)

// Agent is a machine that runs tasks. Its drivers belong to it alone.
type Agent struct {
	ID   string
	Host string // the name tasks are listed under and see as HOST; it has to resolve where the balancers run. Default: IP
	IP   string // where host ports are reached

	CPUs float64 // default: what this machine has
	Mem  float64 // MiB; default: what this machine has, less a reserve
	Disk float64 // MiB; default: what this machine has, less a reserve

	Ports        reconcile.Ports // what a fixed host port may use; default 1-32000
	DynamicPorts reconcile.Ports // where host port 0 is drawn from; default 31000-32000

	Attributes map[string]string
	Roles      []string // default: * and slave_public, so that a single agent takes every app
	Region     string
	Zone       string

	Drivers map[driver.Kind]driver.Driver
	Engine  string // what runs its tasks, for people: an engine's address, or "" for this machine
	// Measure asks the agent for its CPUs and its memory in MiB, for what CPUs and Mem leave open; nil for an agent that is
	// this machine. Disk is not counted then unless it is given.
	Measure func(ctx context.Context) (cpus, mem float64, err error)
}

// ParsePorts reads a list of port ranges such as "1-21,23-32000".
func ParsePorts(s string) (reconcile.Ports, error) { return reconcile.ParsePorts(s) }

// AssignPorts fills the zero service ports of app (marathon-api.md section 5.4). previous is the app's stored
// definition, nil for a new one; used says whether any app holds a number, before or after this write. An error is an
// *api.Error that refuses the write.
type AssignPorts func(app, previous *api.App, used func(port int) bool) error

// reconnectGrace is longer than a follower waits between attempts to connect (30 s, client.Options.MaxBackoff): a balancer
// that has not come back yet after a restart goes on with what it knows, and must not lose its servers meanwhile.
const reconnectGrace = 40 * time.Second

// Options configure an Orchestrator.
type Options struct {
	DataDir string // holds the state file
	Name    string // the cluster's name, default "berth"
	Agents  []Agent

	LocalPortMin, LocalPortMax int         // service ports are assigned from here; default 10000 to 20000
	Assign                     AssignPorts // default: the lowest free number, previous numbers first
	EnvPrefix                  string      // put before HOST and the port variables

	DefaultDrainSeconds float64       // negative means 0; default 10
	KillGrace           time.Duration // SIGTERM to SIGKILL where the app does not say; default 10 s
	LaunchTimeout       time.Duration // a task staged for longer is replaced; default 300 s
	MaxDeployments      int           // running at one time; default 100
	KeepEnded           int           // ended tasks kept per app for reading logs; default 3, negative means none
	KeepEndedFor        time.Duration // and for how long; default 1 h
	AgentTimeout        time.Duration // an agent that is silent for so long is unreachable; default 15 s
	ReconnectGrace      time.Duration // a follower that was cut off is still waited for this long; default 40 s
	ListenPort          int           // shown by /v2/info; default 8080
	HostName            string        // shown by /v2/info

	// ProbePort reports whether something else already uses a port of an agent, before a task is started on it. The
	// default tries to bind it on this machine; it is skipped for agents whose address is not this machine's.
	ProbePort func(agent Agent, port int, protocol string) error

	Log   *slog.Logger     // nil discards
	Now   func() time.Time // default time.Now
	NewID func() string    // makes UUIDs; default random ones
	Seed  uint64           // of the choice of dynamic host ports; default random

	noSync   bool                                       // for tests: see store.Options
	failSave func() error                               // for tests: see store.Options
	probe    func(context.Context, *health.Check) error // for tests: in place of real probes
	atCommit func()                                     // for tests: called after each commit, before anything follows
}

// withDefaults returns o completed, or says what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	if o.DataDir == "" {
		return o, fmt.Errorf("data directory: expected a path")
	}
	setDefault(&o.Name, "berth")
	setDefault(&o.LocalPortMin, 10000)
	setDefault(&o.LocalPortMax, 20000)
	if o.LocalPortMin < 1 || o.LocalPortMax > 65535 || o.LocalPortMin > o.LocalPortMax {
		return o, fmt.Errorf("service ports %d to %d: expected a range within 1 to 65535", o.LocalPortMin, o.LocalPortMax)
	}
	setDefault(&o.DefaultDrainSeconds, 10)
	o.DefaultDrainSeconds = max(o.DefaultDrainSeconds, 0)
	setDefault(&o.KillGrace, 10*time.Second)
	setDefault(&o.LaunchTimeout, 300*time.Second)
	setDefault(&o.MaxDeployments, 100)
	setDefault(&o.KeepEnded, 3)
	o.KeepEnded = max(o.KeepEnded, 0)
	setDefault(&o.KeepEndedFor, time.Hour)
	setDefault(&o.AgentTimeout, 15*time.Second)
	setDefault(&o.ReconnectGrace, reconnectGrace)
	setDefault(&o.ListenPort, 8080)
	setDefault(&o.HostName, "localhost")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newUUID
	}
	if o.ProbePort == nil {
		o.ProbePort = portProber(o.Agents)
	}
	if o.Seed == 0 {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		o.Seed = binary.NativeEndian.Uint64(b[:])
	}
	if o.Assign == nil {
		low, high := o.LocalPortMin, o.LocalPortMax
		o.Assign = func(app, previous *api.App, used func(int) bool) error {
			return serviceport.Assign(app, previous, used, low, high)
		}
	}
	return o.withAgents()
}

func (o Options) withAgents() (Options, error) {
	if len(o.Agents) == 0 {
		return o, fmt.Errorf("agents: expected at least one")
	}
	agents := make([]Agent, len(o.Agents))
	seen := map[string]bool{}
	for i, a := range o.Agents {
		if a.ID == "" || seen[a.ID] {
			return o, fmt.Errorf("agent %d: id %q: expected an id of its own", i, a.ID)
		}
		seen[a.ID] = true
		if a.IP == "" {
			return o, fmt.Errorf("agent %s: expected an address", a.ID)
		}
		if len(a.Drivers) == 0 {
			return o, fmt.Errorf("agent %s: expected at least one driver", a.ID)
		}
		agents[i] = a.withDefaults(o.DataDir)
	}
	o.Agents = agents
	return o, nil
}

func (a Agent) withDefaults(dir string) Agent {
	setDefault(&a.Host, a.IP)
	if a.Measure == nil {
		if a.CPUs == 0 {
			a.CPUs = float64(runtime.NumCPU())
		}
		if a.Mem == 0 {
			a.Mem = detectMem()
		}
		if a.Disk == 0 {
			a.Disk = detectDisk(dir)
		}
	} else if a.Disk == 0 {
		a.Disk = uncountedDisk
	}
	if a.Ports == nil {
		a.Ports = reconcile.Ports{{Low: 1, High: 32000}}
	}
	if a.DynamicPorts == nil {
		a.DynamicPorts = reconcile.Ports{{Low: 31000, High: 32000}}
	}
	if a.Roles == nil {
		a.Roles = []string{"*", "slave_public"}
	}
	return a
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// newUUID returns a random UUID, RFC 9562 version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
