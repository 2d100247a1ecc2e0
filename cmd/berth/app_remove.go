package main

import "github.com/spf13/cobra"

func newAppRemove() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:               "remove ID...",
		Aliases:           []string{"rm"},
		Short:             "remove apps and stop their tasks",
		Args:              argsBetween(1, -1),
		ValidArgsFunction: completeApps,
		Long:              "Remove apps and stop their tasks. A deployment that holds an app is cancelled, as Marathon does.",
		RunE: withRemote(func(r *remote, args []string) error {
			opt := w.options()
			opt.Force = true
			for _, a := range args {
				id := absolute(a)
				res, err := r.c.DeleteApp(r.ctx, id, opt)
				if err != nil {
					return explain("remove "+id, err)
				}
				if err := r.finish(id, verbRemoved, res, &w); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	w.addCommon(cmd)
	return cmd
}
