package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newNodeDrain() *cobra.Command {
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "move all tasks away from a node and keep new ones from it",
		Long: `Starts replacements elsewhere and stops the node's tasks as their apps' upgrade strategies allow, each after the
balancers have let go of it. The node stays out of use, also over a restart of the orchestrator, until berth node resume.
An app that finds no room elsewhere keeps its tasks where they are; berth node show says why.`,
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeNodes,
		RunE: withRemote(func(r *remote, args []string) error {
			n, err := r.c.Drain(r.ctx, args[0])
			if err != nil {
				return explain("drain node "+args[0], err)
			}
			if r.json {
				err = printJSON(r.out, n)
			} else {
				_, err = fmt.Fprintf(r.out, "draining %s, %d tasks\n", n.ID, n.Tasks)
			}
			if err != nil || !wait {
				return err
			}
			return r.waitDrained(n, timeout)
		}),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "return when no task is left, and tell of the progress on stderr")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "with --wait: give up after this long, exit code 3")
	addOutputFlag(cmd)
	return cmd
}

// waitDrained looks at a node until no task is left on it.
func (r *remote) waitDrained(n *api.NodeInfo, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(r.ctx, timeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	last, start := "", time.Now()
	for {
		if n.Draining.IsZero() {
			return fmt.Errorf("drain node %s: somebody resumed it meanwhile", n.ID)
		}
		line := fmt.Sprintf("%s: %d tasks left", n.ID, n.Tasks)
		if why := waits(n); len(why) > 0 {
			line += "; " + strings.Join(why, "; ")
		}
		if line != last {
			r.say("%6.1fs  %s", time.Since(start).Seconds(), strings.Map(plain, line))
			last = line
		}
		if n.Tasks == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			if r.ctx.Err() != nil {
				return r.ctx.Err()
			}
			return unfinished{timeout, "the drain of " + n.ID, waits(n)}
		case <-tick.C:
		}
		switch again, err := r.c.Node(ctx, n.ID); {
		case err == nil:
			n = again
		case errors.Is(err, context.DeadlineExceeded), temporary(err):
		default:
			return explain("wait for the drain of "+n.ID, err)
		}
	}
}
