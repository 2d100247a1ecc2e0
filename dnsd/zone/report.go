package zone

import (
	"cmp"
	"slices"
	"strings"
)

// Problem is something about names that their owners should know.
type Problem struct {
	Name   string   `json:"name,omitempty"` // empty where it is not about one name
	Apps   []string `json:"apps,omitempty"`
	Reason string   `json:"reason"`
}

const (
	reasonUnusable = "name cannot be sent: a label is empty or longer than 63 bytes, the name is longer than 253 bytes, or it " +
		"has a character that no master file has as it is"
	reasonShared   = "several apps have this name; their records are merged"
	reasonFallback = "no task passes its health checks; all are served, as the health filter is failopen"
	reasonReserved = "an app has a name of the cluster itself; their records are merged"
)

// Fallbacks counts the apps' names that are served although no task passes its health checks.
func (b *Builder) Fallbacks() int { return len(b.fallback) }

// Troubles counts what Problems would look at, except for health: zero means that it lists nothing else.
func (b *Builder) Troubles() int { return len(b.shared) + len(b.bad) }

// Problems lists names that cannot be sent, names that several apps share, labels that cannot be read, and apps that are served
// although their checks fail, sorted.
func (b *Builder) Problems() []Problem {
	var out []Problem
	for _, c := range b.bad {
		for _, name := range c.unusable {
			out = append(out, Problem{name, c.ids, reasonUnusable})
		}
		for _, p := range c.problems {
			out = append(out, Problem{"", c.ids, p})
		}
	}
	for name := range b.fallback {
		if n := b.zone.Node(name); n != nil {
			out = append(out, Problem{name, n.Apps, reasonFallback})
		}
	}
	for name := range b.shared {
		out = append(out, sharing(name, b.owners[name].self)...)
	}
	slices.SortFunc(out, func(x, y Problem) int {
		if x.Name != y.Name {
			return strings.Compare(sortKey(x.Name), sortKey(y.Name))
		}
		return cmp.Or(slices.Compare(x.Apps, y.Apps), strings.Compare(x.Reason, y.Reason))
	})
	return out
}

// sharing reports a name of several contributions, unless all but one are no apps and it is the name of an address.
func sharing(name string, owners []*contribution) []Problem {
	var ids []string
	for _, c := range owners {
		ids = append(ids, c.ids...)
	}
	switch {
	case strings.HasSuffix(name, ".arpa") || len(ids) == 0:
		return nil
	case len(ids) == 1:
		return []Problem{{name, ids, reasonReserved}}
	}
	return []Problem{{name, ids, reasonShared}}
}
