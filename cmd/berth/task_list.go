package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newTaskList() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:               "list [APP]",
		Short:             "list tasks, of one app or of all",
		Args:              argsBetween(0, 1),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			tasks, err := r.tasks(args)
			switch {
			case err != nil:
				return explain("list tasks", err)
			case r.json:
				return printJSON(r.out, tasks)
			case quiet:
				for _, t := range tasks {
					fmt.Fprintln(r.out, t.ID)
				}
				return nil
			}
			return printTasks(r.out, tasks, func(t *api.Task) string { return healthOf(t, 0) })
		}),
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "ids only, one a line")
	addOutputFlag(cmd)
	return cmd
}

// tasks reads the tasks of the app named, or all.
func (r *remote) tasks(args []string) ([]api.Task, error) {
	if len(args) == 0 {
		return r.c.Tasks(r.ctx, "")
	}
	return r.c.Tasks(r.ctx, absolute(args[0]))
}

func printTasks(w io.Writer, tasks []api.Task, health func(*api.Task) string) error {
	t := newTable(w, "APP", "HOST", "PORTS", "STATE", "HEALTHY", "STARTED", "ID")
	for i := range tasks {
		k := &tasks[i]
		started := ""
		if !k.StartedAt.IsZero() {
			started = k.StartedAt.String()
		}
		t.row(k.AppID, k.Host, ints(k.Ports), strings.ToLower(strings.TrimPrefix(string(k.State), "TASK_")), health(k),
			started, k.ID)
	}
	return t.flush()
}

// healthOf is yes, no, or --- for a task without a result. checks is how many results are needed, 0 if unknown.
func healthOf(t *api.Task, checks int) string {
	if len(t.HealthCheckResults) == 0 {
		return "---"
	}
	return yes(t.Healthy(max(checks, 1)))
}

// shortTask is enough of a task's id to tell it from its neighbours: the first eight characters of its unique part.
func shortTask(id string) string {
	s := id[strings.LastIndexByte(id, '.')+1:]
	return s[:min(8, len(s))]
}
