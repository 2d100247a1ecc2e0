package reconcile

import (
	"time"

	"berth/orchestrator/api"
)

// Input is everything a decision rests on. Nothing in it is changed.
type Input struct {
	Now    time.Time
	Seed   uint64 // of the choice of dynamic host ports
	Apps   []App  // those to look at, usually the ones that changed
	Agents []Agent

	Followers []Follower

	LaunchTimeout time.Duration // a task that is staged for longer is replaced; 0 means never
	KeepEnded     int           // ended tasks kept per app
	KeepEndedFor  time.Duration
}

// App is what is wanted and what is there of one app.
type App struct {
	ID          string
	Def         *api.App // nil: nothing is wanted
	Tasks       []Task   // living ones, in the order of their launch
	Ended       []Ended  // oldest first
	LaunchAfter time.Time
	Cause       string        // of the delay until LaunchAfter
	Drain       time.Duration // how long a task waits for the balancers at most
	Hold        bool          // nothing is started or killed: an earlier step of its deployment is under way
}

// Task is a living task.
type Task struct {
	ID       string
	Agent    string
	State    api.TaskState
	Version  api.Timestamp
	StagedAt time.Time
	// Started is the moment since which it runs; zero if it never has.
	Started  time.Time
	Progress time.Time // last sign of life while staging

	Need  Resources // what it takes of its agent, with Ports
	Ports []int

	Healthy   bool // running, and alive by all its checks
	Ready     bool // passed its readiness check, or has none to pass
	GoodIndex uint64
	GoodAt    time.Time

	// For a task in TASK_KILLING: the revision that made it so, and when waiting for balancers ends.
	KillIndex  uint64
	DrainUntil time.Time
	Stopping   bool // SIGTERM was ordered already

	Lost time.Time // in TASK_UNREACHABLE: since when
}

// Ended is a task of the past whose logs are still there.
type Ended struct {
	ID string
	At time.Time
}

// Agent is a machine that can run tasks.
type Agent struct {
	ID         string
	Host       string            // its name, the field hostname of constraints
	Region     string            // "" if it has none
	Zone       string            // "" if it has none
	Kinds      map[string]string // what it can run (driver kinds) → why not just now, or ""
	Roles      []string
	Attributes map[string]string
	Draining   bool // it takes no new tasks, and those it has move away
	Total      Resources
	Fixed      Ports          // what a fixed host port may use
	Dynamic    Ports          // where host port 0 is drawn from
	Blocked    map[int]string // ports that cannot be had, and who holds them
	Used       *Usage         // by all living tasks; nil: nothing
}

// Resources are counted in thousandths of a CPU and of a MiB, so that sums are exact.
type Resources struct{ CPUs, Mem, Disk int64 }

// Need is what one task of def takes.
func Need(def *api.App) Resources {
	return Resources{milli(def.CPUs), milli(def.Mem), milli(def.Disk)}
}

// ResourcesOf converts from CPUs and MiB.
func ResourcesOf(cpus, mem, disk float64) Resources {
	return Resources{milli(cpus), milli(mem), milli(disk)}
}

func milli(f float64) int64 { return int64(f*1000 + 0.5) }

func (r Resources) plus(o Resources) Resources {
	return Resources{r.CPUs + o.CPUs, r.Mem + o.Mem, r.Disk + o.Disk}
}

func (r Resources) minus(o Resources) Resources {
	return Resources{r.CPUs - o.CPUs, r.Mem - o.Mem, r.Disk - o.Disk}
}

// Usage is what the tasks of one agent take of it.
type Usage struct {
	Resources
	Tasks int
	Ports map[int]string // host port → app
}

// Add counts a task in.
func (u *Usage) Add(app string, need Resources, ports []int) {
	u.Resources = u.plus(need)
	u.Tasks++
	if u.Ports == nil {
		u.Ports = map[int]string{}
	}
	for _, p := range ports {
		u.Ports[p] = app
	}
}

// Remove counts a task out again.
func (u *Usage) Remove(need Resources, ports []int) {
	u.Resources = u.minus(need)
	u.Tasks--
	for _, p := range ports {
		delete(u.Ports, p)
	}
}

// Follower is a balancer, name server or the like that follows the cluster.
type Follower struct {
	Name     string
	Balances bool           // new tasks are reachable through it
	Index    uint64         // everything up to this revision is in force there
	Sessions map[string]int // open connections by draining task
}
