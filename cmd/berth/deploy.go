package main

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
)

func newDeploy() *cobra.Command {
	var w writeFlags
	var c canaryFlags
	cmd := group("deploy", "deploy an app from a file, at once or as a canary; watch and roll back deployments",
		newDeployList(), newDeployShow(), newDeployRollback(), newDeployWeight(), newDeployPromote(), newDeployAbort())
	cmd.Use = "deploy FILE"
	cmd.Long = `Makes an app what FILE says ("-" is stdin), task by task within its upgradeStrategy, and waits until that is done. A
definition without "instances" keeps the number that the app has.

With --canary the new version runs beside the old one, as the app <id>-canary, and its tasks get that share of the traffic
that goes through mlb. Nothing of the old version changes until berth deploy promote; berth deploy abort takes the canary
away. Several shares are steps: after each the canary has to stay healthy for --hold, or it is taken away and the command
fails; --promote ends the last step with a promotion.

With --blue-green the new version runs at full size without traffic: berth deploy weight ID 100% switches over, 0% back.`
	cmd.Example = `  berth deploy web.json
  berth deploy web.json --canary 10%
  berth deploy weight web 50%
  berth deploy promote web
  berth deploy web.json --canary 5%,25%,100% --hold 2m --promote`
	help := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 || !looksLikeFile(args[0]) {
			return help(cmd, args)
		}
		if len(args) > 1 {
			return cli.Usagef("expected: %s", cmd.UseLine())
		}
		return withRemote(func(r *remote, args []string) error {
			docs, err := readDocuments(r.cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			if len(docs) != 1 {
				return cli.Usagef("deploy: %s holds %d apps; expected one", args[0], len(docs))
			}
			id, err := idOf(docs[0].data)
			if err != nil {
				return cli.Usagef("deploy: %s: %v", docs[0].name, err)
			}
			if c.wanted() {
				return r.deployCanary(id, docs[0].data, &c, &w)
			}
			return r.deploy(id, docs[0].data, &w)
		})(cmd, args)
	}
	w.add(cmd)
	waitByDefault(cmd, &w)
	c.add(cmd)
	return cmd
}

// looksLikeFile tells a file from a command that does not exist.
func looksLikeFile(arg string) bool {
	if arg == "-" || strings.ContainsAny(arg, "./") {
		return true
	}
	_, err := os.Stat(arg)
	return err == nil
}

// waitByDefault makes --wait the default of a command: a deployment that nobody waits for is half a deployment.
func waitByDefault(cmd *cobra.Command, w *writeFlags) {
	cmd.Flags().Lookup("wait").DefValue = "true"
	w.wait = true
}

// deploy makes an app what a definition says, task by task.
func (r *remote) deploy(id string, definition []byte, w *writeFlags) error {
	app, err := r.c.App(r.ctx, id)
	switch {
	case api.CodeOf(err) == api.CodeNotFound:
	case err != nil:
		return explain("deploy "+id, err)
	default:
		if definition, err = withInstances(definition, app.Instances); err != nil {
			return err
		}
	}
	opt := w.options()
	opt.Replace = true
	res, err := r.c.PutApp(r.ctx, id, definition, opt)
	if err != nil {
		return explain("deploy "+id, err)
	}
	return r.finish(id, "deploying", res, w)
}

// canaryFlags are how a canary is brought in.
type canaryFlags struct {
	shares    string
	blueGreen bool
	instances int
	hold      time.Duration
	promote   bool
}

func (c *canaryFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.shares, "canary", "", "bring the version in as a canary with this `share` of the traffic, or shares step by step: 10%,50%")
	f.BoolVar(&c.blueGreen, "blue-green", false, "bring the version in at full size, without traffic")
	f.IntVar(&c.instances, "canary-instances", 0, "tasks of the canary (default the share of the app's, at least 1)")
	f.DurationVar(&c.hold, "hold", 0, "how long the canary has to stay healthy after each step")
	f.BoolVar(&c.promote, "promote", false, "promote the canary after the last step")
}

func (c *canaryFlags) wanted() bool { return c.shares != "" || c.blueGreen }
