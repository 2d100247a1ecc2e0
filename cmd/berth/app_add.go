package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
)

func newAppAdd() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "add FILE...",
		Short: "add apps from JSON files; - is stdin",
		Long: `Adds the apps of each file. A file holds one app definition in Marathon's format, or a list of them.

A field that Marathon does not have is an error, so that a slip of the pen does not pass silently; --lenient drops it
with a warning, as Marathon does. The files are sent one by one; one that is refused does not stop the others.`,
		Example: "  berth app add web.json db.json --wait\n  generate | berth app add -",
		Args:    argsBetween(1, -1),
		RunE: withRemote(func(r *remote, args []string) error {
			docs, err := readDocuments(r.cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			return r.addAll(docs, &w)
		}),
	}
	w.add(cmd)
	return cmd
}

func (r *remote) addAll(docs []document, w *writeFlags) error {
	var changes []change
	var added []*api.AppInfo
	failed := 0
	for _, d := range docs {
		res, err := r.c.CreateApp(r.ctx, d.data, w.options())
		if err != nil {
			failed++
			fmt.Fprintf(r.err, "berth: %v\n", explain("add "+d.name, err))
			continue
		}
		r.notes(res)
		app := res.App
		if app == nil {
			return fmt.Errorf("add %s: the answer holds no app", d.name)
		}
		res.Version = max(res.Version, app.Version)
		added = append(added, app)
		changes = append(changes, change{id: app.ID, result: res.DeploymentResult})
		if !r.json {
			fmt.Fprintln(r.out, "added "+app.ID+portsPhrase(servicePorts(&app.App)))
		}
	}
	if r.json {
		if err := printJSON(r.out, added); err != nil {
			return err
		}
	}
	if err := r.waitFor(changes, w); err != nil {
		return err
	}
	if failed > 0 {
		return cli.ErrSilent
	}
	return nil
}

// portsPhrase says which service ports an app got: they are chosen before the answer.
func portsPhrase(ports []int) string {
	switch len(ports) {
	case 0:
		return ""
	case 1:
		return ", service port " + ints(ports)
	}
	return ", service ports " + ints(ports)
}

var errNoDocument = errors.New("expected a JSON object, or a list of them")
