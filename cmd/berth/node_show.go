package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newNodeShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show NODE",
		Short:             "show a node and its tasks",
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeNodes,
		RunE: withRemote(func(r *remote, args []string) error {
			n, err := r.c.Node(r.ctx, args[0])
			switch {
			case err != nil:
				return explain("show node "+args[0], err)
			case r.json:
				return printJSON(r.out, n)
			}
			return printNode(r.out, n)
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

func printNode(w io.Writer, n *api.NodeInfo) error {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-14s %s\n", name, strings.Map(plain, value))
		}
	}
	line("id", n.ID)
	line("host", n.Host)
	line("address", n.Address)
	line("engine", n.Engine)
	line("state", n.State)
	line("reason", n.Reason)
	if !n.Draining.IsZero() {
		line("draining since", n.Draining.String())
	}
	line("roles", strings.Join(n.Roles, ", "))
	for _, k := range slices.Sorted(maps.Keys(n.Attributes)) {
		line("attribute", k+":"+n.Attributes[k])
	}
	line("region", n.Region)
	line("zone", n.Zone)
	line("cpus", of(n.Used.CPUs, n.Resources.CPUs))
	line("mem", of(n.Used.Mem, n.Resources.Mem)+" MiB")
	if n.Resources.Disk != nil && n.Used.Disk != nil {
		line("disk", of(*n.Used.Disk, *n.Resources.Disk)+" MiB")
	}
	line("ports", n.Ports)
	line("dynamic ports", n.DynamicPorts)
	for _, d := range n.Drivers {
		line("driver", strings.TrimSuffix(d.Kind+": "+d.Away, ": "))
	}
	if len(n.TaskList) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w, "APP", "STATE", "ID")
	for _, k := range n.TaskList {
		t.row(k.AppID, strings.ToLower(strings.TrimPrefix(string(k.State), "TASK_")), k.ID)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, s := range waits(n) {
		fmt.Fprintln(w, strings.Map(plain, s))
	}
	return nil
}

// waits says, an app a line, what keeps tasks on a node that is being drained.
func waits(n *api.NodeInfo) []string {
	var out []string
	for _, t := range n.TaskList {
		for _, s := range t.Waits {
			out = append(out, t.AppID+" waits: "+s)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
