package mlbd

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/mlb"
)

const longHelp = `mlb keeps a HAProxy in step with the apps of an orchestrator or a Marathon: a port for every service, host names by
label, health checks, and changes without a lost request. It starts HAProxy, restarts it when it dies, and takes a running one
over. Command lines of marathon-lb work unchanged.

Every flag can also be given as an environment variable, MLB_HTTP_PORT for --http-port, or in the file of --config.`

// Command returns the program's command line.
func Command() *cobra.Command {
	c := DefaultConfig()
	var file string
	cmd := &cobra.Command{
		Use:   "mlb [sse|poll]",
		Short: "Keep a HAProxy in step with the apps of an orchestrator or a Marathon",
		Long:  longHelp,
		Example: "  mlb --marathon http://127.0.0.1:8080 --group external\n" +
			"  mlb --group external --http-port 8000 --https-port 8443 --haproxy-config ./lb/haproxy.cfg\n" +
			"  curl -s http://127.0.0.1:8080/v2/apps?embed=apps.tasks | mlb render --apps - --group external --out ./out",
		Args: cobra.ArbitraryArgs,
	}
	AddFlags(cmd.Flags(), &c)
	warnings := addFormer(cmd.Flags())
	cmd.Flags().StringVar(&file, "config", "", "JSON `file` with flag names as keys; the environment and flags win")
	reference := cmd.Flags().Bool("longhelp", false, "print flags, templates and labels as Markdown, and end")
	abbreviate(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *reference {
			return writeReference(cmd.OutOrStdout(), cmd.Flags())
		}
		cli.OutlivePipe()
		log, err := c.complete(cmd, file, args, warnings)
		if err != nil {
			return err
		}
		if c.Dry {
			return dry(cmd.Context(), c, cmd.OutOrStdout(), log)
		}
		return Run(cmd.Context(), c, Options{
			Log: log, Environment: mlb.EnvironmentTemplates(os.LookupEnv), Signals: true,
		})
	}
	cmd.AddCommand(renderCommand(), explainCommand())
	return cmd
}

// complete fills c from the environment and the file, takes the arguments in, and makes the logger.
func (c *Config) complete(cmd *cobra.Command, file string, args []string, warnings func() []string) (*slog.Logger, error) {
	if err := cli.Layer(cmd, EnvPrefix, file); err != nil {
		return nil, err
	}
	c.marathonLB(cmd.Flags(), os.LookupEnv)
	said, err := c.words(args)
	if err != nil {
		return nil, err
	}
	c.Groups, c.Marathon = cli.SplitList(c.Groups), cli.SplitList(c.Marathon)
	said = append(said, c.logging()...)
	log, err := cli.NewLogger(cmd.ErrOrStderr(), c.LogFormat, c.LogLevel)
	if err != nil {
		return nil, err
	}
	for _, w := range slices.Concat(said, warnings(), withoutEffect(os.Environ())) {
		log.Warn(w)
	}
	certs, err := certificatesFromEnvironment(filepath.Join(filepath.Dir(c.HAProxyConfig), "certs"), os.LookupEnv)
	if err != nil {
		return nil, err
	}
	c.SSLCerts = append(c.SSLCerts, certs...)
	return log, nil
}

// words takes the arguments that are no flags: the mode of marathon-lb's container, and further URLs after --marathon, of
// which marathon-lb took several.
func (c *Config) words(args []string) (warnings []string, err error) {
	for i, a := range args {
		switch {
		case i == 0 && a == "sse":
		case i == 0 && a == "poll":
			warnings = append(warnings, "mode poll: mlb follows the event stream, and polls only where there is none")
		case strings.HasPrefix(a, "http://") || strings.HasPrefix(a, "https://"):
			c.Marathon = append(c.Marathon, a)
		default:
			return nil, cli.Usagef("argument %q: expected sse, poll, render or a further URL of --marathon, see --help", a)
		}
	}
	return warnings, nil
}

// logging translates Python's levels and formats.
func (c *Config) logging() (warnings []string) {
	switch level := strings.ToLower(c.LogLevel); level {
	case "critical":
		c.LogLevel = "error"
	case "warning":
		c.LogLevel = "warn"
	case "notset":
		c.LogLevel = "debug"
	default:
		c.LogLevel = level
	}
	if strings.Contains(c.LogFormat, "%(") {
		warnings = append(warnings, fmt.Sprintf("--log-format %q is Python's: text is used", c.LogFormat))
		c.LogFormat = "text"
	}
	return warnings
}
