package main

import "github.com/spf13/cobra"

func newNode() *cobra.Command {
	return group("node", "look at the machines that run tasks, and take them out of use", newNodeList(), newNodeShow(),
		newNodeDrain(), newNodeResume())
}

// completeNodes completes the first argument with the names of nodes.
func completeNodes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	r, err := newRemote(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	nodes, err := r.c.Nodes(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, n := range nodes {
		names = append(names, n.ID)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
