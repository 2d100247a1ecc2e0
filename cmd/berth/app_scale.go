package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
)

func newAppScale() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:               "scale ID INSTANCES",
		Short:             "run this many tasks of an app",
		Args:              argsBetween(2, 2),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			id := absolute(args[0])
			n, err := strconv.Atoi(args[1])
			if err != nil || n < 0 {
				return cli.Usagef("instances %q: expected a number from 0", args[1])
			}
			res, err := r.c.Scale(r.ctx, id, n, w.options())
			if err != nil {
				return explain("scale "+id, err)
			}
			return r.finish(id, "scaled", res, &w)
		}),
	}
	w.addCommon(cmd)
	return cmd
}
