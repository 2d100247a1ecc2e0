package orchestratord

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/orchestrator"
	"berth/orchestrator/store"
)

// restoreCommand is "orchestrator restore": a backup becomes the state of an orchestrator that does not run.
func restoreCommand() *cobra.Command {
	c := DefaultConfig()
	var check bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a backup in the place of the state, while no orchestrator runs on it",
		Long: "restore makes FILE, which \"berth backup\" wrote, the state in the data directory. The file is read as a whole first;\n" +
			"what was there, damaged or not, is kept under another name. At its next start the orchestrator runs what the backup\n" +
			"asks for: tasks that it knows and finds go on, others of its cluster are ended. One that waits because its state is\n" +
			"damaged goes on by itself.",
		Example: "  orchestrator restore --data /var/lib/berth /var/backups/berth.db",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("expected one file, the backup")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.Layer(cmd, EnvPrefix, ""); err != nil {
				return err
			}
			if check {
				sum, err := store.Check(args[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), describe(sum))
				return err
			}
			return restore(cmd.OutOrStdout(), c, args[0], time.Now())
		},
	}
	cmd.Flags().StringVar(&c.Data, "data", c.Data, "`directory` of the state")
	cmd.Flags().BoolVar(&check, "check", false, "only say what the backup holds")
	return cmd
}

func describe(s store.Summary) string {
	return fmt.Sprintf("revision %d: %d apps, %d tasks, %d deployments, cluster %s", s.Index, s.Apps, s.Tasks, s.Deployments,
		s.Cluster)
}

func restore(out io.Writer, c Config, backup string, now time.Time) error {
	sum, aside, err := store.Restore(filepath.Join(c.Data, orchestrator.StateFile), backup, now)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "restored %s\n", describe(sum))
	if aside != "" {
		fmt.Fprintf(out, "what was there before is now %s\n", aside)
	}
	return restoreCluster(out, c.Data, sum.Cluster)
}

// restoreCluster keeps the name by which the tasks of the backup are found again, if the directory has none of its own.
func restoreCluster(out io.Writer, data, name string) error {
	path := filepath.Join(data, clusterFile)
	text, err := os.ReadFile(path)
	switch has := strings.TrimSpace(string(text)); {
	case errors.Is(err, fs.ErrNotExist) && name != "":
		if err := renameio.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
			return fmt.Errorf("cluster name: %w", err)
		}
	case err == nil && name != "" && has != name:
		fmt.Fprintf(out, "note: the backup is of cluster %s, this directory of %s: tasks of %s are not taken over\n", name, has, name)
	}
	return nil
}
