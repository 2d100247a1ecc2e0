package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"berth/orchestrator/client"
)

func newDeployRollback() *cobra.Command {
	var stop bool
	cmd := &cobra.Command{
		Use:   "rollback ID",
		Short: "undo a running deployment by another one",
		Long: `Starts a deployment that makes the apps what they were before. With --stop the deployment only ends where it is:
the apps keep their new definition, and half-done work stays.`,
		Args: argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			res, err := r.c.CancelDeployment(r.ctx, args[0], client.WriteOptions{Force: stop})
			if err != nil {
				return explain("roll back deployment "+args[0], err)
			}
			switch {
			case r.json:
				return printJSON(r.out, res.DeploymentResult)
			case stop:
				fmt.Fprintf(r.out, "stopped %s\n", args[0])
			default:
				fmt.Fprintf(r.out, "rolling back %s, deployment %s\n", args[0], res.DeploymentID)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&stop, "stop", false, "stop instead of undoing")
	addOutputFlag(cmd)
	return cmd
}
