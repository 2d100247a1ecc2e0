package main

import (
	"fmt"

	"github.com/docker/go-units"
	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"berth/orchestrator/client"
)

func newBackup() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "save the orchestrator's state to a file, while it runs",
		Long: `Saves all apps with their versions, tasks and deployments, as they are at one moment, to FILE; - is stdout. FILE is
replaced in one step, when all of it has arrived and its digest is right, and readable by its owner only: apps may have
secrets in their environment. It needs the role write.

"orchestrator restore FILE" puts it back.`,
		Example: "  berth backup /var/backups/berth.db",
		Args:    argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			b, err := r.backup(args[0])
			if err != nil {
				return explain("backup", err)
			}
			r.say("backup of revision %d, %s", b.Index, units.HumanSize(float64(b.Size)))
			return nil
		}),
	}
}

func (r *remote) backup(name string) (client.Backup, error) {
	if name == "-" {
		return r.c.Backup(r.ctx, r.out)
	}
	f, err := renameio.NewPendingFile(name, renameio.WithPermissions(0o600))
	if err != nil {
		return client.Backup{}, err
	}
	defer f.Cleanup() //nolint:errcheck // does nothing once the file is in place
	b, err := r.c.Backup(r.ctx, f)
	if err != nil {
		return b, err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return b, fmt.Errorf("write %s: %w", name, err)
	}
	return b, nil
}
