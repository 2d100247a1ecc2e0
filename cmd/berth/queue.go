package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newQueue() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "say which apps wait, and why",
		Args:  argsBetween(0, 0),
		RunE: withRemote(func(r *remote, _ []string) error {
			queue, err := r.c.Queue(r.ctx)
			if err != nil {
				return explain("read the queue", err)
			}
			if r.json {
				return printJSON(r.out, queue)
			}
			printQueue(r.out, queue)
			return nil
		}),
	}
	addOutputFlag(cmd)
	cmd.AddCommand(newQueueRetry())
	return cmd
}

func printQueue(w io.Writer, queue []api.QueueEntry) {
	if len(queue) == 0 {
		fmt.Fprintln(w, "nothing waits")
	}
	for _, e := range queue {
		id := ""
		if e.App != nil {
			id = e.App.ID
		}
		fmt.Fprintf(w, "%s waits to start %d since %s\n", id, e.Count, e.Since)
		printExplain(w, e)
	}
}

// printExplain gives the orchestrator's sentences, or from a Marathon, which has none, the tests that turned agents away.
func printExplain(w io.Writer, e api.QueueEntry) {
	if !e.Delay.Overdue && e.Delay.TimeLeftSeconds > 0 {
		fmt.Fprintf(w, "  backing off after failures, %d s left\n", e.Delay.TimeLeftSeconds)
	}
	for _, s := range e.Explain {
		fmt.Fprintf(w, "  %s\n", strings.Map(plain, s))
	}
	if len(e.Explain) > 0 {
		return
	}
	for _, reason := range e.ProcessedOffersSummary.RejectSummaryLastOffers {
		if reason.Declined > 0 {
			fmt.Fprintf(w, "  %s: %d of %d offers\n", reason.Reason, reason.Declined, reason.Processed)
		}
	}
}
