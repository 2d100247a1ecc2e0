package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

// envPrefix begins the environment variable of every flag.
const envPrefix = "BERTH"

// addRemoteFlags adds what is needed to reach an orchestrator.
func addRemoteFlags(f *pflag.FlagSet) {
	f.StringSlice("url", []string{"http://127.0.0.1:8080"}, "orchestrator, or several of one cluster")
	f.String("user", "", "user of basic authentication")
	f.String("password", "", "its password; better in $BERTH_PASSWORD")
	f.String("token", "", "bearer token; better in $BERTH_TOKEN")
	f.String("ca-file", "", "PEM file of authorities to trust instead of the system's")
	f.String("token-file", "", "file whose first line is a bearer token")
	f.String("cert-file", "", "PEM file of a certificate to show the server")
	f.String("key-file", "", "PEM file of its key; the certificate's file by default")
	f.Bool("insecure", false, "do not verify the server's certificate")
}

// remote is what a command that talks to an orchestrator works with.
type remote struct {
	ctx      context.Context
	c        *client.Client
	cmd      *cobra.Command
	out, err io.Writer
	json     bool // -o json
}

// withRemote completes the flags from the environment, makes the client and runs f.
func withRemote(f func(r *remote, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		r, err := newRemote(cmd)
		if err != nil {
			return err
		}
		return f(r, args)
	}
}

func newRemote(cmd *cobra.Command) (*remote, error) {
	if err := cli.Layer(cmd, envPrefix, ""); err != nil {
		return nil, err
	}
	r := &remote{ctx: cmd.Context(), cmd: cmd, out: cmd.OutOrStdout(), err: cmd.ErrOrStderr()}
	var err error
	if cmd.Flags().Lookup("output") != nil {
		if r.json, err = wantsJSON(cmd); err != nil {
			return nil, err
		}
	}
	if r.c, err = client.New(remoteOptions(cmd.Flags())); err != nil {
		return nil, cli.UsageError{Err: err}
	}
	return r, nil
}

func remoteOptions(f *pflag.FlagSet) client.Options {
	opt := client.Options{UserAgent: "berth/" + cli.Version()}
	opt.URLs, _ = f.GetStringSlice("url")
	opt.User, _ = f.GetString("user")
	opt.Password, _ = f.GetString("password")
	opt.Token, _ = f.GetString("token")
	opt.CAFile, _ = f.GetString("ca-file")
	opt.TokenFile, _ = f.GetString("token-file")
	opt.CertFile, _ = f.GetString("cert-file")
	opt.KeyFile, _ = f.GetString("key-file")
	opt.Insecure, _ = f.GetBool("insecure")
	return opt
}

// say writes one line of talk to stderr.
func (r *remote) say(format string, a ...any) { fmt.Fprintf(r.err, format+"\n", a...) }

// refusal is an API error written for a person: the message, then path and message of each broken rule, one a line.
type refusal struct {
	doing string
	err   *api.Error
}

func (r refusal) Unwrap() error { return r.err }

func (r refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", r.doing, r.err.Message)
	if r.err.ParserText != "" {
		b.WriteString(": " + r.err.ParserText)
	}
	for _, d := range r.err.Details {
		for _, e := range d.Errors {
			fmt.Fprintf(&b, "\n  %s: %s", d.Path, e)
		}
	}
	for _, d := range r.err.Deployments {
		fmt.Fprintf(&b, "\n  held by deployment %s; --force overrides it", d.ID)
	}
	return b.String()
}

// explain says what was being done when err came.
func explain(doing string, err error) error {
	var e *api.Error
	if errors.As(err, &e) {
		return refusal{doing, e}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// completeApps completes the first argument with the ids of apps.
func completeApps(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	r, err := newRemote(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	apps, err := r.c.Apps(cmd.Context(), client.ReadOptions{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, a := range apps {
		ids = append(ids, a.ID)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
