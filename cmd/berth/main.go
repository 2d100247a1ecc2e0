// Command berth is the command line of an orchestrator with Marathon's API: it deploys apps, shows them, and says why
// one waits. `berth dev` runs the whole of Berth in one process.
//
// Each noun and each verb has a file of its own. Data goes to stdout, talk to stderr.
package main

import (
	"github.com/spf13/cobra"

	"berth/cmd/berth/demo"
	"berth/cmd/berth/dev"
	"berth/cmd/berth/hello"
	"berth/cmd/internal/cli"
)

func main() { cli.Main(newRoot()) }

const rootHelp = `Runs containers and makes them reachable: berth talks to an orchestrator with Marathon's API.

The orchestrator is found by --url or $BERTH_URL. Every flag can be given as an environment variable, BERTH_ and the
flag's name: --wait as BERTH_WAIT=true.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 accepted but not finished in time (--wait).`

func newRoot() *cobra.Command {
	remote := []*cobra.Command{
		newApp(), newGroup(), newTask(), newDeploy(), newQueue(), newBackup(), newPlan(), newInfo(),
	}
	for _, c := range remote {
		addRemoteFlags(c.PersistentFlags())
	}
	cmd := group("berth", "deploy apps and make them reachable", remote...)
	cmd.AddCommand(newVIP(), newExplain(), newVersion(), dev.Command(), demo.Command(), hello.Command())
	cmd.Long = rootHelp
	cmd.Example = `  berth dev                              everything on this machine, in one process
  berth app add examples/process/test6.json --wait
  berth app list
  berth app scale test6 3`
	return cmd
}
