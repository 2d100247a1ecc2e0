package main

import (
	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
)

func newDeployWeight() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "weight APP SHARE",
		Short: "give an app's canary another share of the traffic",
		Long: `Changes the share of an app's traffic through mlb that goes to its canary, from 0% to 100%. No task is replaced, and
HAProxy is not reloaded.`,
		Args:              argsBetween(2, 2),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			s, err := parseShare(args[1])
			if err != nil {
				return cli.Usagef("weight: %v", err)
			}
			id := absolute(args[0])
			res, err := r.setShare(id, s, &w)
			if err != nil {
				return err
			}
			return r.finish(canaryID(id), "weighted", res, &w)
		}),
	}
	w.addCommon(cmd)
	waitByDefault(cmd, &w)
	return cmd
}

func newDeployPromote() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:   "promote APP",
		Short: "make an app what its canary is, and take the canary away",
		Long: `Deploys the canary's definition as the app's, task by task within the app's upgradeStrategy. The canary keeps its
share of the traffic until that is done; then it goes, after its last session.`,
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeApps,
		RunE:              withRemote(func(r *remote, args []string) error { return r.promote(absolute(args[0]), &w) }),
	}
	w.add(cmd)
	waitByDefault(cmd, &w)
	return cmd
}

func newDeployAbort() *cobra.Command {
	var w writeFlags
	cmd := &cobra.Command{
		Use:               "abort APP",
		Short:             "take an app's canary away; the app stays what it is",
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeApps,
		RunE:              withRemote(func(r *remote, args []string) error { return r.abort(absolute(args[0]), &w) }),
	}
	w.addCommon(cmd)
	waitByDefault(cmd, &w)
	return cmd
}
