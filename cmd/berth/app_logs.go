package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// taskPoll is how often `logs -f` looks for tasks that have started since.
const taskPoll = 2 * time.Second

type logFlags struct {
	follow bool
	stream string
	lines  int
}

func newAppLogs() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use:   "logs APP [TASK]",
		Short: "print the output of an app's tasks",
		Long: `Prints the output of all tasks of an app, or of the one whose id, or the beginning of whose short id, is given. Each
line starts with the task's short id and, when both streams are shown, with out or err. With --follow, tasks that start
later are followed too.`,
		Args:              argsBetween(1, 2),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			if !slices.Contains([]string{"both", "stdout", "stderr"}, f.stream) {
				return cli.Usagef("--stream %q: expected both, stdout or stderr", f.stream)
			}
			if f.lines < -1 {
				return cli.Usagef("--lines %d: expected a number from 0, or -1 for all", f.lines)
			}
			l := newLogReader(r, f, absolute(args[0]))
			if len(args) == 2 {
				l.only = args[1]
			}
			return l.run(r.ctx)
		}),
	}
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on until interrupted")
	cmd.Flags().StringVar(&f.stream, "stream", "both", "both, stdout or stderr")
	cmd.Flags().IntVar(&f.lines, "lines", 10, "begin with the last so many lines of each; -1 means all")
	return cmd
}

// run reads once, or follows until ctx ends.
func (l *logReader) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer l.wg.Wait()
	defer cancel()
	n, err := l.attach(ctx)
	if err != nil {
		return err
	}
	if n == 0 && l.only != "" {
		return fmt.Errorf("logs of %s: no task %q", l.app, l.only)
	}
	if !l.flags.follow {
		l.wg.Wait()
		return l.firstError()
	}
	tick := time.NewTicker(taskPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if _, err := l.attach(ctx); err != nil && !temporary(err) {
				return err
			}
		}
	}
}

// attach begins to read every task of the app not read yet and returns how many tasks there are.
func (l *logReader) attach(ctx context.Context) (int, error) {
	tasks, err := l.r.c.Tasks(ctx, l.app)
	if err != nil {
		return 0, explain("logs of "+l.app, err)
	}
	n := 0
	for _, t := range tasks {
		if !l.wants(t) {
			continue
		}
		n++
		if l.seen[t.ID] {
			continue
		}
		l.seen[t.ID] = true
		for _, s := range l.streams() {
			l.wg.Add(1)
			go func() {
				defer l.wg.Done()
				l.copy(ctx, t.ID, s)
			}()
		}
	}
	return n, nil
}

func (l *logReader) wants(t api.Task) bool {
	return l.only == "" || t.ID == l.only || strings.HasPrefix(shortTask(t.ID), l.only)
}

func (l *logReader) streams() []string {
	if l.flags.stream == "both" {
		return []string{"stdout", "stderr"}
	}
	return []string{l.flags.stream}
}

func (l *logReader) options(stream string) client.LogOptions {
	return client.LogOptions{Stream: stream, Follow: l.flags.follow, Lines: l.flags.lines}
}
