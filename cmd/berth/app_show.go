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

func newAppShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "show an app, its tasks, and why it waits",
		Args:              argsBetween(1, 1),
		ValidArgsFunction: completeApps,
		RunE: withRemote(func(r *remote, args []string) error {
			id := absolute(args[0])
			app, err := r.c.App(r.ctx, id)
			if err != nil {
				return explain("show "+id, err)
			}
			if r.json {
				return printJSON(r.out, app)
			}
			queue, err := r.c.Queue(r.ctx)
			if err != nil {
				return explain("read the queue", err)
			}
			return printApp(r.out, app, waitingByApp(queue)[id])
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

func printApp(w io.Writer, a *api.AppInfo, waiting api.QueueEntry) error {
	facts(w, a)
	sections := []func() error{
		func() error { return printPorts(w, &a.App) },
		func() error { return printMap(w, "labels", a.Labels) },
		func() error { return printMap(w, "env", a.Env) },
		func() error { return printChecks(w, a.HealthChecks) },
	}
	for _, print := range sections {
		if err := print(); err != nil {
			return err
		}
	}
	if len(a.Tasks) > 0 {
		fmt.Fprintln(w, "\ntasks")
		if err := printTasks(w, a.Tasks, func(t *api.Task) string { return healthOf(t, len(a.HealthChecks)) }); err != nil {
			return err
		}
	}
	printTrouble(w, a, waiting)
	return nil
}

func facts(w io.Writer, a *api.AppInfo) {
	fact := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-10s %s\n", name, strings.Map(plain, value))
		}
	}
	n := countTasks(a)
	fact("id", a.ID)
	fact("tasks", n.describe(a, nil))
	fact("version", a.Version.String())
	fact("image", a.Image())
	fact("cmd", commandOf(&a.App))
	fact("network", a.Mode())
	fact("resources", fmt.Sprintf("%s cpus, %s MiB memory, %s MiB disk", number(a.CPUs), number(a.Mem), number(a.Disk)))
	for _, d := range a.Deployments {
		fact("deploying", d.ID)
	}
}

func printPorts(w io.Writer, a *api.App) error {
	t := (*table)(nil)
	row := func(service int, container, host, protocol, name string, labels map[string]string) {
		if t == nil {
			fmt.Fprintln(w, "\nports")
			t = newTable(w, "  SERVICE", "CONTAINER", "HOST", "PROTOCOL", "NAME", "LABELS")
		}
		t.row(fmt.Sprintf("  %d", service), container, host, protocol, name, joinMap(labels))
	}
	if a.Mode() == api.NetworkHost {
		for _, p := range a.PortDefinitions {
			host := "dynamic"
			if a.RequirePorts {
				host = fmt.Sprint(p.Port)
			}
			row(p.Port, "", host, p.Protocol, p.Name, p.Labels)
		}
	} else {
		for _, p := range a.Mappings() {
			row(p.ServicePort, fmt.Sprint(p.ContainerPort), hostPort(p.HostPort), p.Protocol, p.Name, p.Labels)
		}
	}
	if t == nil {
		return nil
	}
	return t.flush()
}

func hostPort(p *int) string {
	switch {
	case p == nil:
		return "none"
	case *p == 0:
		return "dynamic"
	}
	return fmt.Sprint(*p)
}

func printMap(w io.Writer, name string, m map[string]string) error {
	if len(m) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s\n", name)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if _, err := fmt.Fprintf(w, "  %s=%s\n", k, shorten(strings.Map(plain, m[k]), 200)); err != nil {
			return err
		}
	}
	return nil
}

func joinMap(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+shorten(m[k], 60))
	}
	return strings.Join(out, " ")
}

func printChecks(w io.Writer, checks []api.HealthCheck) error {
	if len(checks) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nhealth checks")
	for _, c := range checks {
		what := c.Path
		if c.Command != nil {
			what = c.Command.Value
		}
		_, err := fmt.Fprintf(w, "  %s %s every %ss, timeout %ss, kill after %d failures\n", c.Protocol,
			strings.Map(plain, what), number(c.IntervalSeconds), number(c.TimeoutSeconds), c.MaxConsecutiveFailures)
		if err != nil {
			return err
		}
	}
	return nil
}

// printTrouble says what keeps an app from its target.
func printTrouble(w io.Writer, a *api.AppInfo, waiting api.QueueEntry) {
	if waiting.App != nil {
		fmt.Fprintf(w, "\nwaiting to start %d\n", waiting.Count)
		printExplain(w, waiting)
	}
	if f := a.LastTaskFailure; f != nil {
		fmt.Fprintf(w, "\nlast failure\n  %s %s %s: %s\n", f.Timestamp, shortTask(f.TaskID), f.State,
			strings.Map(plain, f.Message))
	}
}
