package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/orchestrator/client"
)

// Config is what the demo can be told.
type Config struct {
	Dir      string   // holds test1.json to test6.json
	Once     bool     // end after the walk
	HostPort int      // test2's port
	DevArgs  []string // further flags of berth dev
}

// Command is `berth demo`.
func Command() *cobra.Command {
	var cfg Config
	cmd := &cobra.Command{
		Use:   "demo [-- FLAGS OF berth dev]",
		Short: "start berth dev, deploy six apps and walk through them",
		Long: `Starts berth dev with its state in a temporary directory, deploys the six apps of --examples as plain processes, and
walks through what they show: each command is printed with its real answer, and the answer is checked. Then it stays up
until Ctrl-C and leaves nothing behind.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.Layer(cmd, "BERTH", ""); err != nil {
				return err
			}
			cfg.DevArgs = args
			return Run(cmd.Context(), cfg, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&cfg.Dir, "examples", "examples/process", "directory of test1.json to test6.json")
	cmd.Flags().BoolVar(&cfg.Once, "once", false, "end after the walk: exit code 0 if every step answered as it should")
	cmd.Flags().IntVar(&cfg.HostPort, "host-port", 2000, "fixed host port of test2; the next free one if it is taken")
	return cmd
}

// Run is the whole demo.
func Run(ctx context.Context, cfg Config, out io.Writer) (err error) {
	state, err := os.MkdirTemp("", "berth-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
	apps, err := prepare(cfg, state, out)
	if err != nil {
		return err
	}
	d, err := startDev(state, append(apps.devArgs(), cfg.DevArgs...))
	if err != nil {
		return err
	}
	defer func() {
		fmt.Fprintln(out, "\nstopping")
		err = errors.Join(err, d.stop())
	}()
	urls, err := d.ready(ctx)
	if err != nil {
		return d.explain(err)
	}
	w, err := newWalk(apps, urls, out)
	if err != nil {
		return err
	}
	if err := w.all(ctx); err != nil {
		return d.explain(err)
	}
	fmt.Fprintf(out, "\nAll %d steps answered as they should.\n", len(steps))
	if cfg.Once {
		return nil
	}
	w.printURLs()
	return d.wait(ctx)
}

func newWalk(apps apps, urls devURLs, out io.Writer) (*walk, error) {
	c, err := client.New(client.Options{URLs: []string{urls.API}})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	env := append(os.Environ(), "BERTH_URL="+urls.API, "PATH="+filepath.Dir(self)+":"+os.Getenv("PATH"))
	fmt.Fprintf(out, "berth dev is up.\n\n  export BERTH_URL=%s\n", urls.API)
	return &walk{out: out, sh: &shell{out: out, env: env}, c: c, dir: apps.dir, urls: urls, hostPort: apps.hostPort,
		servicePort6: apps.servicePort6}, nil
}

func (w *walk) printURLs() {
	fmt.Fprintf(w.out, `
Everything stays up until Ctrl-C:

  in a browser  %s
  web UI        %s/ui/
  stats page    %s
  API           %s/v2/apps
  command line  export BERTH_URL=%s

`, w.helloURL(), w.urls.API, w.urls.Stats, w.urls.API, w.urls.API)
}
