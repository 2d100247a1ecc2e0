package zone

import (
	"maps"
	"slices"
)

// Problem is something about names that their owners should know.
type Problem struct {
	Name   string
	Apps   []string
	Reason string
}

// Problems lists names that cannot be sent and names that several apps share, sorted by name. It walks everything the
// builder knows: for reports, not for every change.
func (b *Builder) Problems() []Problem {
	var out []Problem
	for _, id := range slices.Sorted(maps.Keys(b.apps)) {
		for _, name := range b.apps[id].unusable {
			out = append(out, Problem{name, []string{id}, "name cannot be sent: a label is empty or longer than 63 bytes, " +
				"the name is longer than 253 bytes, or it has a character that is not printable"})
		}
	}
	for name, ids := range b.names {
		if len(ids) > 1 {
			out = append(out, Problem{name, slices.Sorted(maps.Keys(ids)), "several apps have this name; their records are merged"})
		}
	}
	slices.SortFunc(out, func(x, y Problem) int {
		if x.Name != y.Name {
			return compareStrings(x.Name, y.Name)
		}
		return slices.Compare(x.Apps, y.Apps)
	})
	return out
}
