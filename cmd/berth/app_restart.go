package main

import "github.com/spf13/cobra"

func newAppRestart() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:               "restart ID",
		Short:             "replace all tasks of an app, within its upgrade strategy",
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			id := absolute(args[0])
			res, err := r.c.Restart(r.ctx, id, w.options())
			if err != nil {
				return explain("restart "+id, err)
			}
			return r.finish(id, "restarted", res, &w)
		}),
	}
	w.addCommon(cmd)
	return cmd
}
