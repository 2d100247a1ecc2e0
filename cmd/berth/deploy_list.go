package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newDeployList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list [APP]",
		Short: "list running deployments",
		Args:  argsBetween(0, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			list, err := r.c.Deployments(r.ctx)
			if err != nil {
				return explain("list deployments", err)
			}
			if len(args) == 1 {
				list = affecting(list, absolute(args[0]))
			}
			if r.json {
				return printJSON(r.out, list)
			}
			t := newTable(r.out, "APP", "ACTION", "PROGRESS", "ID")
			for _, d := range list {
				t.row(strings.Join(d.AffectedApps, ","), actions(d.CurrentActions), stepCell(d), d.ID)
			}
			return t.flush()
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

func affecting(list []api.Deployment, id string) []api.Deployment {
	out := []api.Deployment{}
	for _, d := range list {
		for _, a := range d.AffectedApps {
			if a == id {
				out = append(out, d)
			}
		}
	}
	return out
}

// actions are the distinct things going on: "scale,restart".
func actions(list []api.DeploymentAction) string {
	var out []string
	seen := map[string]bool{}
	for _, a := range list {
		word := strings.ToLower(strings.TrimSuffix(a.Action, "Application"))
		if !seen[word] {
			seen[word] = true
			out = append(out, word)
		}
	}
	return strings.Join(out, ",")
}

func stepCell(d api.Deployment) string { return fmt.Sprintf("%d/%d", d.CurrentStep, d.TotalSteps) }
