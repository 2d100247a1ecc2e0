package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newDeployShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "show the steps of a running deployment",
		Args:  argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			list, err := r.c.Deployments(r.ctx)
			if err != nil {
				return explain("show deployment "+args[0], err)
			}
			d := find(list, args[0])
			if d == nil {
				return fmt.Errorf("show deployment %s: no deployment of this id is running", args[0])
			}
			if r.json {
				return printJSON(r.out, d)
			}
			printDeployment(r.out, d)
			return nil
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

func printDeployment(w io.Writer, d *api.Deployment) {
	fmt.Fprintf(w, "%-8s %s\n%-8s %s\n%-8s %s\n", "id", d.ID, "version", d.Version, "apps", strings.Join(d.AffectedApps, " "))
	for i, s := range d.Steps {
		mark := " "
		switch {
		case i+1 < d.CurrentStep:
			mark = "✓"
		case i+1 == d.CurrentStep:
			mark = ">"
		}
		for _, a := range s.Actions {
			fmt.Fprintf(w, "%s step %d  %s %s\n", mark, i+1, a.Action, a.App)
		}
	}
}
