// Package plan decides what has to be done to bring a running HAProxy from one state to another, cheapest first: nothing,
// commands on the Runtime API, or a reload with its reasons. A plan is a value that prints; nothing is sent while
// deciding.
//
//	render.Output (old and new) → Make → Plan → haproxy.Apply
package plan

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"berth/mlb/model"
	"berth/mlb/render"
)

// Rung is the ladder of cheapest changes (design: none, runtime, reload).
type Rung int

// Rungs.
const (
	None    Rung = iota // HAProxy would notice nothing
	Runtime             // commands on the Runtime API; files are rewritten too
	Reload              // a new worker
)

func (r Rung) String() string { return [...]string{"none", "runtime", "reload"}[r] }

// Plan is what to do.
type Plan struct {
	Rung     Rung
	Commands []Command // for Runtime, in order; for Reload, what to send to the old worker first (draining)
	Reasons  []string  // why a reload is needed, one for each cause, in words an operator understands
}

// Command is one line of the Runtime API, with what HAProxy must answer.
type Command struct {
	// Line may hold {version}, which stands for the number in the answer to the last "prepare map".
	Line string
	// Payload, when not empty, is sent after " <<", a line break, and before an empty line. Its lines are complete.
	Payload string
	// Want are the beginnings of good answers; without any the answer must be empty.
	Want []string
	// MayWait is set where HAProxy may refuse for the time being ("del server" of a server with sessions): the command
	// is to be repeated until it is done, and the server listed in State.Leftover meanwhile.
	MayWait bool
}

func (c Command) String() string {
	if c.Payload == "" {
		return c.Line
	}
	return c.Line + " <<\n" + c.Payload
}

// String prints one line for the rung, then reasons and commands.
func (p Plan) String() string {
	var b strings.Builder
	b.WriteString(p.Rung.String() + "\n")
	for _, r := range p.Reasons {
		b.WriteString("because " + r + "\n")
	}
	for _, c := range p.Commands {
		b.WriteString(strings.TrimSuffix(c.String(), "\n") + "\n")
	}
	return b.String()
}

// LogValue implements slog.LogValuer: rung, number of commands and reasons.
func (p Plan) LogValue() slog.Value {
	return slog.GroupValue(slog.String("rung", p.Rung.String()), slog.Int("commands", len(p.Commands)),
		slog.Any("reasons", p.Reasons))
}

// State is what an HAProxy runs, or shall run.
type State struct {
	Model  *model.Model
	Output *render.Output
	// Leftover are servers that a Runtime plan took out and that HAProxy has not let go of yet, with their line, by
	// "backend/server". They are in maintenance. A reload ends them.
	Leftover map[string]string
}

// Options say what the running HAProxy is able to do.
type Options struct {
	Cookies bool   // servers added at run time may have a cookie (HAProxy 3.0 and later)
	MapDir  string // as in render.Options
}

// maxReasons bounds the list of reasons; a first start has one for every backend.
const maxReasons = 20

// Make compares two states. Make(x, x) is None; applying the commands of a Runtime plan to an HAProxy in state from
// leaves it in state to.
func Make(from, to State, opt Options) Plan {
	if to.Output == nil {
		return Plan{}
	}
	if from.Output == nil {
		return Plan{Rung: Reload, Reasons: []string{"nothing is known of what is running"}}
	}
	d := &diff{opt: opt, leftover: from.Leftover}
	for _, s := range to.Output.Shared {
		d.defaultServer = d.defaultServer || hasDefaultServer(s.Text)
	}
	d.shared(from.Output.Shared, to.Output.Shared)
	d.fragments(from.Output.Fragments, to.Output.Fragments)
	d.certList(from.Output.Maps, to.Output.Maps)
	if len(d.reasons) > 0 {
		return Plan{Rung: Reload, Commands: d.drains, Reasons: shorten(d.reasons)}
	}
	d.maps(from.Output.Maps, to.Output.Maps)
	commands := slices.Concat(d.checks, d.adds, d.changes, d.removals, d.deletions)
	if len(commands) == 0 {
		return Plan{}
	}
	return Plan{Rung: Runtime, Commands: commands}
}

func shorten(reasons []string) []string {
	if len(reasons) <= maxReasons {
		return reasons
	}
	more := len(reasons) - maxReasons
	return append(reasons[:maxReasons:maxReasons], fmt.Sprintf("and %d more", more))
}

// diff collects what a comparison finds. Where spare backends are checked comes before their servers. Servers are added
// first otherwise, so that no map leads to an empty backend, and taken out last.
type diff struct {
	opt      Options
	leftover map[string]string
	// defaultServer is set when servers that are added at run time would differ from those of the file.
	defaultServer bool

	reasons                 []string
	checks                  []Command
	adds, changes, removals []Command
	deletions               []Command // of what removals have taken out; they travel together
	drains                  []Command // for the old worker, if it comes to a reload
}

func (d *diff) because(format string, args ...any) {
	d.reasons = append(d.reasons, fmt.Sprintf(format, args...))
}
