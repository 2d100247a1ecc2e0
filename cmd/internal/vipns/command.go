package vipns

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"

	"berth/cmd/internal/cli"
)

// GateCommand is "berth vip gate", the outside.
func GateCommand(envPrefix string) *cobra.Command {
	var socket, level, format string
	cmd := &cobra.Command{
		Use:   "gate --listen SOCKET",
		Short: "carry connections from the network namespace of \"vip isolated\" to this machine",
		Long: "gate connects what vip isolated asks for, to any TCP address that this machine reaches: the unix socket belongs into\n" +
			"a directory that is closed to others. A socket that is left over is replaced.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.Layer(cmd, envPrefix, ""); err != nil {
				return err
			}
			if socket == "" {
				return cli.Usagef("expected --listen SOCKET")
			}
			log, err := cli.NewLogger(cmd.ErrOrStderr(), format, level)
			if err != nil {
				return err
			}
			l, err := listenUnix(socket)
			if err != nil {
				return err
			}
			log.Info("gate", "socket", socket)
			return (&Gate{Log: log}).Serve(cmd.Context(), l)
		},
	}
	cmd.Flags().StringVar(&socket, "listen", "", "unix `socket`")
	addLogFlags(cmd, &level, &format)
	return cmd
}

// listenUnix replaces a socket that nobody listens at any more.
func listenUnix(name string) (net.Listener, error) {
	if c, err := net.Dial("unix", name); err == nil {
		c.Close()
		return nil, fmt.Errorf("listen at %s: another program does", name)
	}
	if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(name, 0o600)
}

// IsolatedCommand is "berth vip isolated", the inside.
func IsolatedCommand(envPrefix string) *cobra.Command {
	var c Config
	var level, format string
	var untilEOF bool
	cmd := &cobra.Command{
		Use:   "isolated --gate SOCKET --dir DIR",
		Short: "run vip in a network namespace from which nothing leaves, and reach tasks through a gate",
		Long: "isolated serves VIPs, and their names at " + resolver + ", to the programs in the network namespace it finds itself in, as\n" +
			"berth dev does. The namespace must have no interface but lo, so that a VIP such as 1.1.1.1 is nobody else's there. Tasks\n" +
			"and the orchestrator are reached through berth vip gate, TCP only.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.Layer(cmd, envPrefix, ""); err != nil {
				return err
			}
			if c.Gate == "" || c.Dir == "" {
				return cli.Usagef("expected --gate SOCKET and --dir DIR")
			}
			log, err := cli.NewLogger(cmd.ErrOrStderr(), format, level)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			if untilEOF {
				go func() { // ends with the process
					_, _ = io.Copy(io.Discard, cmd.InOrStdin())
					cancel()
				}()
			}
			return Run(ctx, c, log)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.Marathon, "marathon", "http://127.0.0.1:8080", "`URL` of the orchestrator, as the gate reaches it: http and an IP address")
	f.StringVar(&c.Gate, "gate", "", "unix `socket` of the gate")
	f.StringVar(&c.Dir, "dir", "", "`directory` for files of its own")
	f.StringVar(&c.Status, "status", "", "unix `socket` at which vip's status is served as well")
	f.BoolVar(&c.Mounts, "mounts", false, "put a resolv.conf in place that names this name server; needs a mount namespace of its own")
	f.BoolVar(&untilEOF, "until-stdin-ends", false, "stop at the end of the standard input")
	addLogFlags(cmd, &level, &format)
	return cmd
}

func addLogFlags(cmd *cobra.Command, level, format *string) {
	cmd.Flags().StringVar(level, "log-level", "info", "debug, info, warn or error")
	cmd.Flags().StringVar(format, "log-format", "text", "text or json")
}
