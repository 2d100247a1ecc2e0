package api

// Node is an agent as GET /v1/nodes shows it. Marathon has nothing like it.
type Node struct {
	ID      string `json:"id"` // slaveId of its tasks
	Host    string `json:"host"`
	Address string `json:"address"`
	Engine  string `json:"engine"` // address of its Docker engine, or "local"
	State   string `json:"state"`  // see below
	// Reason says why it is unreachable or away, or of a drain what holds it up.
	Reason   string    `json:"reason,omitempty"`
	Draining Timestamp `json:"drainingSince,omitzero"`

	Roles      []string          `json:"roles"`
	Attributes map[string]string `json:"attributes"`
	Region     string            `json:"region,omitempty"`
	Zone       string            `json:"zone,omitempty"`

	Drivers      []NodeDriver  `json:"drivers"`
	Resources    NodeResources `json:"resources"`
	Used         NodeResources `json:"used"`
	Ports        string        `json:"ports"`        // what a fixed host port may use, as ranges
	DynamicPorts string        `json:"dynamicPorts"` // where host port 0 is drawn from
	Tasks        int           `json:"tasks"`        // living ones
}

// Values of Node.State.
const (
	NodeReady       = "ready"
	NodeAway        = "away"        // it does not answer just now: no new tasks
	NodeUnreachable = "unreachable" // it has not answered for so long that its tasks are TASK_UNREACHABLE
	NodeDraining    = "draining"    // no new tasks, and those it has move away
	NodeDrained     = "drained"     // no tasks are left
)

// NodeStates are all values of Node.State.
var NodeStates = []string{NodeReady, NodeAway, NodeUnreachable, NodeDraining, NodeDrained}

// NodeDriver is one of the things that run tasks on a node.
type NodeDriver struct {
	Kind string `json:"kind"`           // docker or process
	Away string `json:"away,omitempty"` // why it does not answer
}

// NodeResources are CPUs, and MiB of memory and disk.
type NodeResources struct {
	CPUs float64  `json:"cpus"`
	Mem  float64  `json:"mem"`
	Disk *float64 `json:"disk,omitempty"` // absent where it is not counted
}

// NodeInfo is one node with its tasks.
type NodeInfo struct {
	Node
	TaskList []NodeTask `json:"taskList"` // sorted by id
}

// NodeTask is a living task of a node.
type NodeTask struct {
	ID    string    `json:"id"`
	AppID string    `json:"appId"`
	State TaskState `json:"state"`
	// Waits says why the task is still there although its node is being drained.
	Waits []string `json:"waits,omitempty"`
}
