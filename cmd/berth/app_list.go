package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

func newAppList() *cobra.Command {
	var quiet bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list all apps",
		Args:  argsBetween(0, 0),
		RunE: withRemote(func(r *remote, _ []string) error {
			apps, err := r.c.Apps(r.ctx, client.ReadOptions{})
			if err != nil {
				return explain("list apps", err)
			}
			switch {
			case r.json:
				return printJSON(r.out, apps)
			case quiet:
				for _, a := range apps {
					fmt.Fprintln(r.out, a.ID)
				}
				return nil
			}
			queue, err := r.c.Queue(r.ctx)
			if err != nil {
				return explain("read the queue", err)
			}
			return printApps(r.out, apps, waitingByApp(queue))
		}),
	}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "ids only, one a line")
	addOutputFlag(cmd)
	return cmd
}

func printApps(w io.Writer, apps []*api.AppInfo, waiting map[string]api.QueueEntry) error {
	t := newTable(w, "ID", "MEM", "CPUS", "TASKS", "HEALTH", "DEPLOYMENT", "WAITING", "PORTS", "CONTAINER", "CMD")
	for _, a := range apps {
		_, waits := waiting[a.ID]
		t.row(a.ID, number(a.Mem), number(a.CPUs), tasksCell(a), healthCell(a), deploymentCell(a), yes(waits),
			ints(servicePorts(&a.App)), containerCell(&a.App), shorten(commandOf(&a.App), 40))
	}
	return t.flush()
}

func waitingByApp(queue []api.QueueEntry) map[string]api.QueueEntry {
	out := map[string]api.QueueEntry{}
	for _, e := range queue {
		if e.App != nil {
			out[e.App.ID] = e
		}
	}
	return out
}

// tasksCell is running/instances.
func tasksCell(a *api.AppInfo) string {
	return fmt.Sprintf("%d/%d", value(a.TasksRunning), a.Instances)
}

// healthCell is healthy/instances, or --- where nothing is checked.
func healthCell(a *api.AppInfo) string {
	if len(a.HealthChecks) == 0 {
		return "---"
	}
	return fmt.Sprintf("%d/%d", value(a.TasksHealthy), a.Instances)
}

func deploymentCell(a *api.AppInfo) string {
	if len(a.Deployments) == 0 {
		return "---"
	}
	return "yes"
}

func containerCell(a *api.App) string {
	switch {
	case a.Container == nil:
		return "process"
	case a.Image() != "":
		return a.Image()
	}
	return strings.ToLower(a.Container.Type)
}

// commandOf is what an app runs, on one line.
func commandOf(a *api.App) string {
	if a.Cmd != "" {
		return a.Cmd
	}
	return strings.Join(a.Args, " ")
}

// servicePorts are an app's service ports in the order of its ports.
func servicePorts(a *api.App) []int {
	var out []int
	if a.Mode() == api.NetworkHost {
		for _, p := range a.PortDefinitions {
			out = append(out, p.Port)
		}
		return out
	}
	for _, p := range a.Mappings() {
		out = append(out, p.ServicePort)
	}
	return out
}

func ints(list []int) string {
	var out []string
	for _, n := range list {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

func value(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
