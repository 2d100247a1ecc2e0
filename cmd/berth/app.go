package main

import "github.com/spf13/cobra"

func newApp() *cobra.Command {
	return group("app", "add, show, change and remove apps", newAppAdd(), newAppList(), newAppShow(), newAppUpdate(),
		newAppRemove(), newAppScale(), newAppRestart(), newAppLogs())
}
