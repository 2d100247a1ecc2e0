package certs

import (
	"fmt"
	"maps"
	"slices"

	"berth/mlb/plan"
)

// maxPayload is what one command of the Runtime API takes: HAProxy's buffer of 16 KiB less a reserve for the command.
const maxPayload = 15 << 10

// Diff returns the commands that bring HAProxy from the certificates of one scan to those of another. A file that cannot be
// used stays as HAProxy has it. A reason means that only a reload does it.
func Diff(have, want Set) (commands []plan.Command, reason string) {
	for _, path := range slices.Sorted(maps.Keys(want.Files)) {
		f := want.Files[path]
		was, known := have.Files[path]
		switch {
		case known && was.Sum == f.Sum:
			continue
		case f.Companions || was.Companions:
			return nil, fmt.Sprintf("certificate %s changed, and it has companion files", path)
		case len(f.Text) > maxPayload:
			return nil, fmt.Sprintf("certificate %s changed, and its %d bytes do not fit into a command", path, len(f.Text))
		case !known && f.Dir == "" && len(have.Files) > 0:
			return nil, fmt.Sprintf("certificate %s is new", path)
		}
		fresh := !known && f.Dir != ""
		if fresh {
			commands = append(commands, plan.Command{Line: "new ssl cert " + path, Want: []string{"New empty certificate store"}})
		}
		commands = append(commands,
			plan.Command{Line: "set ssl cert " + path, Payload: string(f.Text), Want: []string{"Transaction created", "Transaction updated"}},
			plan.Command{Line: "commit ssl cert " + path, Want: []string{"Committing"}})
		if fresh {
			commands = append(commands, plan.Command{
				Line: "add ssl crt-list " + f.Dir + " " + path, Want: []string{"Inserting certificate"},
			})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(have.Files)) {
		_, there := want.Files[path]
		_, bad := want.Bad[path]
		if dir := have.Files[path].Dir; !there && !bad && dir != "" {
			commands = append(commands,
				plan.Command{Line: "del ssl crt-list " + dir + " " + path, Want: []string{"Entry '"}},
				plan.Command{Line: "del ssl cert " + path, Want: []string{"Certificate '"}})
		}
	}
	return commands, ""
}

// Merge is what HAProxy has after a Diff was applied: what cannot be used any more stays.
func Merge(have, want Set) Set {
	s := Set{Files: maps.Clone(want.Files), Bad: want.Bad}
	for path, f := range have.Files {
		if _, bad := want.Bad[path]; bad {
			s.Files[path] = f
		}
	}
	return s
}
