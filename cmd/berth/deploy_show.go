package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newDeployShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "show a deployment: its steps, what it waits for, and how long each gate took",
		Long: `Shows a deployment that runs or has ended lately. Its gates are what a task has to pass: a new one starts, becomes
healthy and ready, and is routed by every balancer; only then an old one goes, and has to be acknowledged as let go by every
balancer and name server, lose its last session, and stop. Times are the orchestrator's, in milliseconds.`,
		Args: argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			d, err := r.c.Deployment(r.ctx, args[0])
			if err != nil {
				return explain("show deployment "+args[0], err)
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
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-9s %s\n", name, strings.Map(plain, value))
		}
	}
	line("id", d.ID)
	line("version", d.Version.String())
	line("apps", strings.Join(d.AffectedApps, " "))
	line("state", d.State)
	line("reason", d.Reason)
	line("undone by", d.UndoneBy)
	if !d.Deadline.IsZero() {
		line("deadline", d.Deadline.String())
	}
	if !d.FinishedAt.IsZero() {
		line("took", d.FinishedAt.Time().Sub(d.StartedAt.Time()).String())
	}
	printSteps(w, d)
	for _, s := range d.WaitingFor {
		line("waits", s)
	}
	printGates(w, d.Gates)
}

func printSteps(w io.Writer, d *api.Deployment) {
	for i, s := range d.Steps {
		mark := " "
		switch {
		case i+1 < d.CurrentStep, d.State == api.DeploymentSucceeded:
			mark = "✓"
		case i+1 == d.CurrentStep && d.State == api.DeploymentFailed:
			mark = "✗"
		case i+1 == d.CurrentStep:
			mark = ">"
		}
		for _, a := range s.Actions {
			fmt.Fprintf(w, "%s step %d  %s %s\n", mark, i+1, a.Action, a.App)
		}
	}
}

func printGates(w io.Writer, gates []api.Gate) {
	if len(gates) == 0 {
		return
	}
	t := newTable(w, "GATE", "PASSED", "WAITING", "TIMED OUT", "AVERAGE", "LONGEST")
	for _, g := range gates {
		t.row(g.Gate, strconv.Itoa(g.Passed), strconv.Itoa(g.Waiting), strconv.Itoa(g.TimedOut),
			fmt.Sprintf("%.0f ms", g.AverageMillis), fmt.Sprintf("%.0f ms", g.LongestMillis))
	}
	_ = t.flush() // to w, whose errors nobody could be told of
}
