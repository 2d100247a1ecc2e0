package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
)

// group makes a command that only holds others. Without an argument it prints its help; a word it does not know is a
// mistake in usage.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(subs...)
	return cmd
}

func unknownCommand(cmd *cobra.Command, word string) error {
	cmd.SuggestionsMinimumDistance = 2
	msg := fmt.Sprintf("unknown command %q", word)
	if s := cmd.SuggestionsFor(word); len(s) > 0 {
		msg += ", did you mean " + strings.Join(s, " or ") + "?"
	}
	return cli.Usagef("%s; %q lists the commands", msg, cmd.CommandPath()+" --help")
}

// argsBetween checks the number of arguments; max < 0 sets no upper limit.
func argsBetween(min, max int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < min || max >= 0 && len(args) > max {
			return cli.Usagef("expected: %s", cmd.UseLine())
		}
		return nil
	}
}
