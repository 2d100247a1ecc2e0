package dev

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
	"berth/cmd/internal/vipns"
)

// execCommand is `berth dev exec`.
func execCommand() *cobra.Command {
	dir := DefaultDir()
	cmd := &cobra.Command{
		Use:   "exec [--dir DIR] COMMAND [ARGUMENT...]",
		Short: "run a command where the virtual addresses of the running berth dev work",
		Long: "Runs a command in the network namespace in which the running berth dev serves virtual addresses (VIPs), and in which\n" +
			"names such as test4.marathon.l4lb.thisdcos.directory are looked up at its name server. Nothing else can be reached from\n" +
			"there. Needs nsenter (util-linux) and the user who runs berth dev.",
		Example: "  berth dev exec curl http://1.1.1.1/\n  berth dev exec sh",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.Layer(cmd, EnvPrefix, ""); err != nil {
				return err
			}
			if len(args) == 0 {
				return cli.Usagef("expected: %s", cmd.UseLine())
			}
			return enter(dir, args)
		},
	}
	cmd.Flags().SetInterspersed(false) // the command's own flags are its
	cmd.Flags().StringVar(&dir, "dir", dir, "`directory` of the berth dev")
	return cmd
}

// enter replaces this program by the command.
func enter(dir string, command []string) error {
	s, ok, err := ReadState(dir)
	switch {
	case err != nil:
		return err
	case !ok || !s.Ready:
		return fmt.Errorf("no berth dev runs in %s; --dir names another", dir)
	case s.VIP.PID == 0:
		return fmt.Errorf("the berth dev in %s has no virtual addresses: %s", dir, s.VIP.Reason)
	}
	// A number can be another process's by now, and VIPs are dialled nowhere but in the namespace.
	if ns, err := namespaceOf(s.VIP.PID); err != nil || ns != s.VIP.Namespace {
		return fmt.Errorf("the network namespace of the berth dev in %s is gone", dir)
	}
	args := vipns.Enter(s.VIP.PID, command)
	path, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("enter the network namespace: %w; it belongs to util-linux", err)
	}
	return fmt.Errorf("%s: %w", filepath.Base(path), syscall.Exec(path, args, os.Environ()))
}
