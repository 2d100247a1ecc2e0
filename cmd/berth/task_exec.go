package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/orchestrator/execstream"
)

func newTaskExec() *cobra.Command {
	var stdin, tty bool
	cmd := &cobra.Command{
		Use:   "exec [-i] [-t] TASK|APP -- COMMAND [ARG...]",
		Short: "run a command in a task",
		Long: `Runs a command inside a task: in its container, or for a process in its directory, as its user and with its environment.
TASK is an id or the beginning of a short id; of an APP the first task that runs is taken. It needs the role write, and is
recorded in the audit log with its arguments.

The exit code is the command's; 1 also says that it could not be run, and why is on stderr. When berth is interrupted, a
process is killed; in a container the command sees the end of its input.`,
		Example: `  berth task exec web -- env
  berth task exec -it web -- sh
  berth task exec -i db -- psql < dump.sql`,
		Args:              argsBetween(2, -1),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			command := args[1:]
			if command[0] == "--" {
				command = command[1:]
			}
			if len(command) == 0 {
				return cli.Usagef("expected: %s", r.cmd.UseLine())
			}
			return r.exec(args[0], command, stdin, tty)
		}),
	}
	cmd.Flags().BoolVarP(&stdin, "stdin", "i", false, "pass stdin on")
	cmd.Flags().BoolVarP(&tty, "tty", "t", false, "give the command a terminal")
	cmd.Flags().SetInterspersed(false) // what follows TASK is the command's
	return cmd
}

// exitWith is the exit code of a command that ran; it has said itself what there is to say.
type exitWith int

func (e exitWith) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
func (e exitWith) ExitCode() int { return int(e) }
func (exitWith) Unwrap() error   { return cli.ErrSilent }

func (r *remote) exec(name string, command []string, stdin, tty bool) error {
	id, err := r.findTask(name)
	if err != nil {
		return err
	}
	opt := client.ExecOptions{Command: command, Stdout: r.out, Stderr: r.err, TTY: tty}
	if stdin {
		opt.Stdin = r.cmd.InOrStdin()
	}
	ctx := r.ctx
	if tty {
		var restore func()
		if ctx, restore, err = r.terminal(&opt); err != nil {
			return err
		}
		defer restore()
	}
	code, err := r.c.Exec(ctx, id, opt)
	if err != nil {
		return explain("run "+command[0]+" in "+id, err)
	}
	if code != 0 {
		return exitWith(code)
	}
	return nil
}

// findTask finds a task by its id, the beginning of its short id, or its app.
func (r *remote) findTask(name string) (string, error) {
	tasks, err := r.c.Tasks(r.ctx, "")
	if err != nil {
		return "", explain("find task "+name, err)
	}
	var short, ofApp []string
	for _, t := range tasks {
		switch {
		case t.ID == name:
			return t.ID, nil
		case t.AppID == absolute(name) && t.State == api.TaskRunning:
			ofApp = append(ofApp, t.ID)
		case strings.HasPrefix(shortTask(t.ID), name):
			short = append(short, t.ID)
		}
	}
	switch {
	case len(ofApp) > 0:
		return ofApp[0], nil
	case len(short) == 1:
		return short[0], nil
	case len(short) > 1:
		return "", fmt.Errorf("task %q: %d tasks begin so: %s", name, len(short), strings.Join(short, ", "))
	}
	return "", fmt.Errorf("task %q: no such task, nor an app with a task that runs", name)
}

// terminal lets keys through as they are, if stdin is a terminal, and tells the command of its size.
func (r *remote) terminal(opt *client.ExecOptions) (ctx context.Context, restore func(), err error) {
	in, ok := r.cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return r.ctx, func() {}, nil
	}
	fd := int(in.Fd())
	opt.Width, opt.Height, _ = term.GetSize(fd)
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("terminal: %w", err)
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	sizes := make(chan execstream.Size)
	opt.Resize = sizes
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
			if w, h, err := term.GetSize(fd); err == nil && w > 0 && h > 0 {
				select {
				case sizes <- execstream.Size{Width: w, Height: h}:
				case <-ctx.Done():
				}
			}
		}
	}()
	return ctx, func() {
		cancel()
		<-done
		signal.Stop(changed)
		_ = term.Restore(fd, before)
	}, nil
}
