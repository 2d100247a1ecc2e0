package vipd

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
	"berth/vip"
	"berth/vip/nft"
)

// EnvPrefix begins the environment variable of every flag: VIP_MARATHON.
const EnvPrefix = "VIP"

// Command returns the program's command line.
func Command() *cobra.Command {
	c := DefaultConfig()
	var file string
	cmd := &cobra.Command{
		Use:   "vip",
		Short: "Virtual addresses for apps, in the kernel",
		Long: "vip makes the virtual addresses of apps work on this node: a port label VIP_0 with 1.1.1.1:80 or /name:80 leads every\n" +
			"connection to that address to a healthy task. The kernel does the work; vip only tells it what changed. Every flag\n" +
			"can also be given as an environment variable, VIP_MARATHON for --marathon, or in the file of --config.",
		Example: "  vip --marathon http://127.0.0.1:8080\n" +
			"  curl -s http://127.0.0.1:8080/v2/apps?embed=apps.tasks | vip rules --apps -\n" +
			"  vip cleanup",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.complete(cmd, file); err != nil {
				return err
			}
			log, err := cli.NewLogger(cmd.ErrOrStderr(), c.LogFormat, c.LogLevel)
			if err != nil {
				return err
			}
			return Run(cmd.Context(), c, Options{Log: log, Signals: true})
		},
	}
	AddFlags(cmd.Flags(), &c)
	addConfig(cmd, &file)
	cmd.AddCommand(rulesCommand(), cleanupCommand())
	return cmd
}

func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.Usagef("argument %q: expected flags only, or one of rules and cleanup, see --help", args[0])
	}
	return nil
}

func addConfig(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "JSON `file` with flag names as keys; the environment and flags win")
}

func (c *Config) complete(cmd *cobra.Command, file string) error {
	if err := cli.Layer(cmd, EnvPrefix, file); err != nil {
		return err
	}
	c.Marathon, c.NodeAddrs = cli.SplitList(c.Marathon), cli.SplitList(c.NodeAddrs)
	c.Uplinks, c.Reserved = cli.SplitList(c.Uplinks), cli.SplitList(c.Reserved)
	return nil
}

// AddFlags binds the daemon's flags to c, whose values are the defaults.
func AddFlags(f *pflag.FlagSet, c *Config) {
	f.SortFlags = false
	f.StringSliceVarP(&c.Marathon, "marathon", "m", c.Marathon, "`URL` of the orchestrator or Marathon; several for one cluster")
	f.StringVar(&c.Credentials, "credentials", c.Credentials, "`user:password`; others on this machine can read flags")
	f.StringVar(&c.CredentialsFile, "credentials-file", c.CredentialsFile, "`file` with user:password in its first line")
	f.StringVar(&c.CACert, "ca-cert", c.CACert, "PEM `file` to verify the server with")
	f.StringVar(&c.TokenFile, "token-file", c.TokenFile, "`file` whose first line is a bearer token; a new one counts at once")
	f.StringVar(&c.ClientCert, "client-cert", c.ClientCert, "PEM `file` of a certificate to show the server")
	f.StringVar(&c.ClientKey, "client-key", c.ClientKey, "PEM `file` of its key (default: the certificate's file)")
	f.BoolVar(&c.Insecure, "insecure", c.Insecure, "do not verify the server")
	f.DurationVar(&c.Resync, "resync", c.Resync, "`time` after which everything is read anew")
	f.StringVar(&c.Subscriber, "subscriber", c.Subscriber, "`name` of this daemon for the orchestrator (default: vip-<host name>)")
	f.StringVar(&c.Listen, "listen", c.Listen, "`address` of status and metrics; empty for none")
	f.StringVar(&c.StateDir, "state-dir", c.StateDir, "`directory` that keeps the last state and the addresses of names; empty for none")
	f.StringVar(&c.LockDir, "lock-dir", c.LockDir, "`directory` of the lock")
	addRuleFlags(f, c)
	f.StringSliceVar(&c.Uplinks, "uplinks", c.Uplinks, "`interfaces` to the outside, from which VIPs are not served (default: those\n"+
		"of default routes, and hardware)")
	f.BoolVar(&c.NoGuard, "serve-uplinks", c.NoGuard, "serve what comes in from the outside too")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
}

// addRuleFlags are those that "vip rules" has as well.
func addRuleFlags(f *pflag.FlagSet, c *Config) {
	f.StringSliceVar(&c.NodeAddrs, "node-address", c.NodeAddrs, "`address` of this node, source of its connections; at most one of\n"+
		"each family (default: that of the default route's interface)")
	f.StringVar(&c.Framework, "framework", c.Framework, "`name` in the DNS names of VIPs")
	f.StringVar(&c.Zone, "zone", c.Zone, "`domain` of named VIPs")
	f.StringVar(&c.Range4, "range", c.Range4, "IPv4 `prefix` of the addresses of named VIPs")
	f.StringVar(&c.Range6, "range6", c.Range6, "IPv6 `prefix` of the addresses of named VIPs")
	f.BoolVar(&c.AllowInRange, "allow-explicit-in-range", c.AllowInRange, "accept labels with an address of these ranges")
	f.BoolVar(&c.NoIPv6, "no-ipv6", c.NoIPv6, "no IPv6 VIPs")
	f.BoolVar(&c.MasqueradeAll, "masquerade-all", c.MasqueradeAll, "backends see the node's address, never the client's")
	f.BoolVar(&c.LaxLabels, "lax-labels", c.LaxLabels, "any label key that begins with VIP or vip counts")
	f.StringVar(&c.NoHealthy, "no-healthy-backends", c.NoHealthy, "reject: refuse connections; all: use the unhealthy ones")
	f.StringSliceVar(&c.Reserved, "reserved", c.Reserved, "`addresses` or prefixes that no VIP may take")
}

// rulesCommand is "vip rules": the ruleset as text, nothing is touched.
func rulesCommand() *cobra.Command {
	c := DefaultConfig()
	var file, apps string
	cmd := &cobra.Command{
		Use:   "rules --apps FILE|-",
		Short: "Print the nftables ruleset for a document of apps; nothing is touched",
		Long: "rules prints what vip would load, in the syntax of nft -f, for the document that GET /v2/apps?embed=apps.tasks\n" +
			"returns. What was left out is told on stderr, one problem a line.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.complete(cmd, file); err != nil {
				return err
			}
			if apps == "" {
				return cli.Usagef("expected --apps FILE, or - for standard input")
			}
			return printRules(c, apps, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&apps, "apps", "", "`file` with the apps; - is standard input")
	cmd.Flags().StringSliceVar(&c.Uplinks, "uplinks", nil, "`interfaces` to the outside, from which VIPs are not served")
	addRuleFlags(cmd.Flags(), &c)
	addConfig(cmd, &file)
	return cmd
}

// cleanupCommand is "vip cleanup".
func cleanupCommand() *cobra.Command {
	c := DefaultConfig()
	var drain time.Duration
	var file string
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "Take the table, the routes and the device of vip out of this network namespace",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.complete(cmd, file); err != nil {
				return err
			}
			unlock, err := vip.Lock(c.LockDir)
			if err != nil {
				return err
			}
			defer unlock()
			conn, err := nft.Open()
			if err != nil {
				return err
			}
			defer conn.Close()
			return vip.Cleanup(cmd.Context(), conn, drain)
		},
	}
	cmd.Flags().DurationVar(&drain, "drain", 10*time.Second, "longest `time` for established connections to end; 0 cuts them")
	cmd.Flags().StringVar(&c.LockDir, "lock-dir", c.LockDir, "`directory` of the lock")
	addConfig(cmd, &file)
	return cmd
}

// firstLine reads the first line of a small file.
func firstLine(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("credentials file: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, 4096)).ReadString('\n')
	if line = strings.TrimSpace(line); line == "" {
		return "", cli.Usagef("credentials file %s: expected user:password in the first line (%v)", name, err)
	}
	return line, nil
}
