package dnsdd

import (
	"log/slog"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
)

// EnvPrefix begins the environment variable of each flag.
const EnvPrefix = "DNSD"

const longHelp = `dnsd answers DNS queries for the apps of an orchestrator or a Marathon: web.marathon.mesos is where /web runs, and
_web._tcp.marathon.mesos at which ports. It follows the event stream, so a change is visible in milliseconds, and asks others
about every other name.

Every flag can also be given as an environment variable, DNSD_HTTP for --http, or in the file of --config, which may be
Mesos-DNS' config.json.`

// Command returns the program's command line.
func Command() *cobra.Command {
	c := DefaultConfig()
	var file string
	cmd := &cobra.Command{
		Use:     "dnsd",
		Short:   "Answer DNS queries for the apps of an orchestrator or a Marathon",
		Long:    longHelp,
		Version: cli.Version(),
		Example: "  dnsd --marathon http://127.0.0.1:8080 --listen 127.0.0.1:5353\n" +
			"  dig @127.0.0.1 -p 5353 web.marathon.mesos\n" +
			"  curl -s http://127.0.0.1:8080/v2/apps?embed=apps.tasks | dnsd zone --apps -",
		Args: cobra.NoArgs,
	}
	AddFlags(cmd.Flags(), &c)
	cmd.Flags().StringVar(&file, "config", "", "JSON `file` with flag names or Mesos-DNS' keys; the environment and flags win")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		log, err := c.complete(cmd, file)
		if err != nil {
			return err
		}
		return Run(cmd.Context(), c, Options{Log: log, Signals: true})
	}
	cmd.AddCommand(zoneCommand())
	return cmd
}

// complete fills c from the environment and the file, and makes the logger.
func (c *Config) complete(cmd *cobra.Command, file string) (*slog.Logger, error) {
	if err := cli.Layer(cmd, EnvPrefix, ""); err != nil {
		return nil, err
	}
	var warnings []string
	if file != "" {
		doc, err := readDocument(file)
		if err == nil {
			warnings, err = doc.apply(cmd, file)
		}
		if err != nil {
			return nil, err
		}
	}
	log, err := cli.NewLogger(cmd.ErrOrStderr(), c.LogFormat, c.LogLevel)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn(w)
	}
	return log, nil
}
