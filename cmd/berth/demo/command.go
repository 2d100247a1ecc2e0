package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"berth/cmd/berth/dev"
	"berth/cmd/internal/cli"
	"berth/examples"
	"berth/orchestrator/client"
)

// Config is what the demo can be told.
type Config struct {
	Dir      string   // holds test1.json to test6.json; "" for those built in
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
		Long: `Starts berth dev with its state in a temporary directory, deploys six apps as plain processes, and
walks through what they show: each command is printed with its real answer, and the answer is checked. Then it stays up
until Ctrl-C and leaves nothing behind.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.Layer(cmd, "BERTH", ""); err != nil {
				return err
			}
			cfg.DevArgs = args
			cli.OutlivePipe() // the state directory has to be removed, whatever becomes of the reader
			return Run(cmd.Context(), cfg, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&cfg.Dir, "examples", "", "`directory` of test1.json to test6.json (default: those built in)")
	cmd.Flags().BoolVar(&cfg.Once, "once", false, "end after the walk: exit code 0 if every step answered as it should")
	cmd.Flags().IntVar(&cfg.HostPort, "host-port", 2000, "fixed host port of test2; the next free one if it is taken")
	return cmd
}

// unpack writes the built-in apps to dir.
func unpack(dir string) (string, error) {
	files, err := fs.Sub(examples.Files, "process")
	if err == nil {
		err = os.CopyFS(dir, files)
	}
	if err != nil {
		return "", fmt.Errorf("unpack the example apps: %w", err)
	}
	return dir, nil
}

// Run is the whole demo.
func Run(ctx context.Context, cfg Config, out io.Writer) (err error) {
	state, err := os.MkdirTemp("", "berth-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(state)) }()
	if cfg.Dir == "" {
		if cfg.Dir, err = unpack(filepath.Join(state, "built-in")); err != nil {
			return err
		}
	}
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
	up, err := d.ready(ctx)
	if err != nil {
		return d.explain(err)
	}
	w, err := newWalk(apps, d.dir, up, out)
	if err != nil {
		return err
	}
	left, err := w.all(ctx)
	if err != nil {
		return d.explain(err)
	}
	fmt.Fprintln(out, "\n"+summary(len(steps), left))
	if cfg.Once {
		return nil
	}
	w.printURLs()
	return d.wait(ctx)
}

// summary is the last line of a walk of n steps without a wrong answer.
func summary(n, left int) string {
	if left == 0 {
		return fmt.Sprintf("All %d steps answered as they should.", n)
	}
	return fmt.Sprintf("%d of %d steps answered as they should; %d SKIPPED, see above.", n-left, n, left)
}

func newWalk(apps apps, dir string, up dev.State, out io.Writer) (*walk, error) {
	c, err := client.New(client.Options{URLs: []string{up.URLs.API}})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	env := append(os.Environ(), "BERTH_URL="+up.URLs.API, "BERTH_VIP="+up.URLs.VIP, "BERTH_DEV_DIR="+dir, "PATH="+filepath.Dir(self)+":"+os.Getenv("PATH"))
	fmt.Fprintf(out, "berth dev is up.\n\n  export BERTH_URL=%s BERTH_DEV_DIR=%s\n", up.URLs.API, dir)
	return &walk{out: out, sh: &shell{out: out, env: env}, c: c, dir: apps.dir, urls: up.URLs, hostPort: apps.hostPort,
		servicePort6: apps.servicePort6, noVIP: up.VIP.Reason}, nil
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
