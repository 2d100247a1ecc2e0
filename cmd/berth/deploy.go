package main

import "github.com/spf13/cobra"

func newDeploy() *cobra.Command {
	return group("deploy", "watch and roll back deployments", newDeployList(), newDeployShow(), newDeployRollback())
}
