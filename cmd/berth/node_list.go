package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
)

func newNodeList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list nodes: what they have, what is used of it, and their state",
		Args:  argsBetween(0, 0),
		RunE: withRemote(func(r *remote, _ []string) error {
			nodes, err := r.c.Nodes(r.ctx)
			switch {
			case err != nil:
				return explain("list nodes", err)
			case r.json:
				return printJSON(r.out, nodes)
			}
			return printNodes(r.out, nodes)
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

func printNodes(w io.Writer, nodes []api.Node) error {
	t := newTable(w, "HOSTNAME", "IP", "ID", "STATE", "TASKS", "CPUS", "MEM", "ROLES")
	for _, n := range nodes {
		t.row(n.Host, n.Address, n.ID, n.State, strconv.Itoa(n.Tasks), of(n.Used.CPUs, n.Resources.CPUs),
			of(n.Used.Mem, n.Resources.Mem), strings.Join(n.Roles, ","))
	}
	return t.flush()
}

// of writes what is used of an amount.
func of(used, total float64) string { return fmt.Sprintf("%s/%s", number(used), number(total)) }
