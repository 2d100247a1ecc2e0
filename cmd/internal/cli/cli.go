// Package cli holds what all of Berth's programs share at the command line: exit codes, the three layers of
// configuration (flag over environment over file), the logger, and a clean stop on SIGINT and SIGTERM.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	ExitOK     = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// UsageError marks a mistake in the command line or configuration: exit code 2.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, a ...any) error { return UsageError{fmt.Errorf(format, a...)} }

// ExitCoder is an error that chooses its own exit code.
type ExitCoder interface {
	error
	ExitCode() int
}

// Run executes cmd with args until it ends or the process is told to stop, and returns the exit code. Errors are printed
// on stderr as "<program>: <what was being done>: <why>".
func Run(cmd *cobra.Command, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SilenceErrors = true
	cmd.SilenceUsage = true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{err} })
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	if !errors.Is(err, ErrSilent) {
		fmt.Fprintf(stderr, "%s: %v\n", cmd.Name(), err)
	}
	return exitCode(err)
}

// OutlivePipe makes a broken pipe on stdout or stderr an error of the write instead of the end of the process, for programs
// that have something to put in order before they end, and daemons whose log reader may go away.
func OutlivePipe() { signal.Ignore(syscall.SIGPIPE) }

// ErrSilent ends a command as failed when all there is to say has been said.
var ErrSilent = errors.New("failed")

func exitCode(err error) int {
	var coder ExitCoder
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	var usage UsageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	return ExitFailed
}

// Main runs cmd as the process's program.
func Main(cmd *cobra.Command) { os.Exit(Run(cmd, os.Args[1:], os.Stdout, os.Stderr)) }

// NewLogger returns a structured logger to w. format is text or json; level is debug, info, warn or error.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, Usagef("log level %q: expected debug, info, warn or error", level)
	}
	opt := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, opt)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opt)), nil
	}
	return nil, Usagef("log format %q: expected text or json", format)
}
