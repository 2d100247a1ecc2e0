package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

func newTaskKill() *cobra.Command {
	var w writeFlags
	var scale bool
	cmd := &cobra.Command{
		Use:   "kill TASK...",
		Short: "stop tasks; others replace them, unless --scale",
		Args:  argsBetween(1, -1),
		RunE: withRemote(func(r *remote, args []string) error {
			killed, _, err := r.c.KillTasks(r.ctx, args, client.KillOptions{Force: w.force, Scale: scale})
			if err != nil {
				return explain("kill tasks", err)
			}
			return r.reportKilled(args, killed, scale)
		}),
	}
	cmd.Flags().BoolVar(&scale, "scale", false, "lower the app's instances by the number killed")
	cmd.Flags().BoolVar(&w.force, "force", false, "override a running deployment that holds the app")
	addOutputFlag(cmd)
	return cmd
}

func (r *remote) reportKilled(ids []string, killed []api.Task, scaled bool) error {
	if r.json {
		return printJSON(r.out, killed)
	}
	if scaled {
		_, err := fmt.Fprintf(r.out, "killing %d, scaled down\n", len(ids))
		return err
	}
	for _, t := range killed {
		fmt.Fprintf(r.out, "killing %s\n", t.ID)
	}
	if len(killed) < len(ids) {
		return fmt.Errorf("kill tasks: %d of %d are not there", len(ids)-len(killed), len(ids))
	}
	return nil
}
