package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newQueueRetry() *cobra.Command {
	return &cobra.Command{
		Use:               "retry APP",
		Short:             "start an app's tasks now instead of waiting longer after failures",
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			id := absolute(args[0])
			if err := r.c.ResetDelay(r.ctx, id); err != nil {
				return explain("retry "+id, err)
			}
			_, err := fmt.Fprintf(r.out, "%s starts its tasks now\n", id)
			return err
		}),
	}
}
