// Package plan decides what has to be done to bring a running HAProxy from one state to another, cheapest first: nothing,
// commands on the Runtime API, or a reload with its reasons. A plan is a value that prints; nothing is sent while
// deciding.
package plan

// Rung is the ladder of cheapest changes (design: none, runtime, reload).
type Rung int

// Rungs.
const (
	None    Rung = iota // HAProxy would notice nothing
	Runtime             // commands on the Runtime API; files are rewritten too
	Reload              // a new worker
)

// Plan is what to do.
type Plan struct {
	Rung     Rung
	Commands []Command // for Runtime, in order; for Reload, what to send to the old worker first (draining)
	Reasons  []string  // why a reload is needed, one for each cause, in words an operator understands
}

// Command is one line of the Runtime API, with what HAProxy must answer.
type Command struct {
	Line    string
	Payload string // sent after "<<" when not empty
}
