package reconcile

import (
	"fmt"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// Plan is what has to happen now.
type Plan struct {
	Starts  []Start
	Kills   []Kill
	Stops   []Stop
	Removes []Remove
	// Expunges are tasks on unreachable agents that are not waited for any longer.
	Expunges []Expunge
	Waiting  []Waiting
	Wakes    []Wake
	Passes   []Pass
	// Acks lists the apps for which an acknowledgement of a follower may change something.
	Acks []string
}

// Start is a task to launch.
type Start struct {
	App   string
	Agent string
	Kind  string // of the driver
	Ports []int  // host ports, one for each port definition or mapping that has one
}

// Kill is a task that is to go: it becomes TASK_KILLING, and is stopped once nobody routes to it.
type Kill struct{ App, Task, Reason string }

// Stop is a killed task that may get its SIGTERM.
type Stop struct{ App, Task string }

// Pass is a gate of the drain handshake that a task has passed, in this turn or before.
type Pass struct {
	App, Task string
	Gate      string // api.GateRouted, api.GateAcknowledged or api.GateSessions
	Late      bool   // by the end of the drain time
}

// Remove is an ended task whose remains may be deleted.
type Remove struct{ App, Task string }

// Expunge is a task on an unreachable agent that is to be forgotten.
type Expunge struct{ App, Task string }

// Wake is the moment at which an app has to be looked at again although nothing changed.
type Wake struct {
	App string
	At  time.Time
}

// Waiting says why tasks of an app are not launched.
type Waiting struct {
	App       string
	Count     int       // tasks still to launch
	Until     time.Time // end of the backoff, if that is what they wait for
	Cause     string    // of the backoff
	Processed int       // agents considered
	Rejects   []api.RejectReason
	Explain   []string // see Sentences
}

// Empty reports whether nothing is to be done.
func (p *Plan) Empty() bool {
	return len(p.Starts)+len(p.Kills)+len(p.Stops)+len(p.Removes)+len(p.Expunges) == 0
}

// String prints the plan's actions, one a line.
func (p *Plan) String() string {
	var b strings.Builder
	for _, s := range p.Starts {
		fmt.Fprintf(&b, "start %s on %s ports %v\n", s.App, s.Agent, s.Ports)
	}
	for _, k := range p.Kills {
		fmt.Fprintf(&b, "kill %s: %s\n", k.Task, k.Reason)
	}
	for _, s := range p.Stops {
		fmt.Fprintf(&b, "stop %s\n", s.Task)
	}
	for _, r := range p.Removes {
		fmt.Fprintf(&b, "remove %s\n", r.Task)
	}
	for _, e := range p.Expunges {
		fmt.Fprintf(&b, "expunge %s\n", e.Task)
	}
	return b.String()
}
