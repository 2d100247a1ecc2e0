package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newNodeResume() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "resume NODE",
		Short:             "put a drained node to use again",
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeNodes,
		RunE: withRemote(func(r *remote, args []string) error {
			n, err := r.c.Resume(r.ctx, args[0])
			switch {
			case err != nil:
				return explain("resume node "+args[0], err)
			case r.json:
				return printJSON(r.out, n)
			}
			_, err = fmt.Fprintf(r.out, "resumed %s, it is %s\n", n.ID, n.State)
			return err
		}),
	}
	addOutputFlag(cmd)
	return cmd
}
