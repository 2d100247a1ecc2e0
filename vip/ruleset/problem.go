package ruleset

import (
	"cmp"
	"fmt"
	"slices"
)

// Problem is something of an app that was left out or is worth knowing, told to its owner.
type Problem struct {
	App    string `json:"app"`
	Field  string `json:"field"` // label key or field
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

func (p Problem) String() string {
	return fmt.Sprintf("app %s: %s %q: %s", p.App, p.Field, p.Value, p.Reason)
}

// problems collects those of one app, up to a limit.
type problems struct {
	app  string
	list []Problem
}

const maxProblems = 50

func (p *problems) add(field, value, format string, a ...any) {
	if len(p.list) >= maxProblems {
		return
	}
	if len(value) > 100 {
		value = value[:100] + "…"
	}
	p.list = append(p.list, Problem{p.app, field, value, fmt.Sprintf(format, a...)})
}

func sortProblems(list []Problem) {
	slices.SortFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Value, b.Value),
			cmp.Compare(a.Reason, b.Reason))
	})
}
