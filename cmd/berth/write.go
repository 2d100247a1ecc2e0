package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"berth/orchestrator/client"
)

// writeFlags are what all commands that change something have in common.
type writeFlags struct {
	wait    bool
	timeout time.Duration
	force   bool
	lenient bool
}

// add defines the flags on cmd.
func (w *writeFlags) add(cmd *cobra.Command) {
	w.addCommon(cmd)
	cmd.Flags().BoolVar(&w.lenient, "lenient", false, "drop unknown fields with a warning instead of refusing them")
}

func (w *writeFlags) addCommon(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&w.wait, "wait", false, "return when the change is done, and tell of its progress on stderr")
	f.DurationVar(&w.timeout, "timeout", 5*time.Minute, "with --wait: give up after this long, exit code 3")
	f.BoolVar(&w.force, "force", false, "override a running deployment that holds the app")
	addOutputFlag(cmd)
}

func (w *writeFlags) options() client.WriteOptions {
	return client.WriteOptions{Force: w.force, Strict: !w.lenient}
}

// notes shows what an accepting answer remarked.
func (r *remote) notes(res client.Result) {
	for _, f := range res.Unknown {
		r.say("warning: unknown field %s was dropped", f)
	}
	for _, w := range res.Warnings {
		r.say("warning: %s", w)
	}
}

// finish reports a change of one app that was accepted, and waits for it if asked to.
func (r *remote) finish(id, done string, res client.Result, w *writeFlags) error {
	r.notes(res)
	var err error
	if r.json {
		err = printJSON(r.out, res.DeploymentResult)
	} else {
		_, err = fmt.Fprintf(r.out, "%s %s, deployment %s\n", done, id, res.DeploymentID)
	}
	if err != nil {
		return err
	}
	return r.waitFor([]change{{id: id, result: res.DeploymentResult, removed: done == verbRemoved}}, w)
}

// verbRemoved is how a removal is reported.
const verbRemoved = "removed"

// absolute gives an id its leading slash.
func absolute(id string) string {
	if len(id) > 0 && id[0] == '/' {
		return id
	}
	return "/" + id
}
