package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berth/vip"
	"berth/vip/ruleset"
)

func newVIPShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show VIP|APP",
		Short: "show the backends of a VIP, or of an app's VIPs, with state and reason",
		Example: "  berth vip show 1.1.1.1:80\n" +
			"  berth vip show test4.marathon.l4lb.thisdcos.directory\n" +
			"  berth vip show test4",
		Args: argsBetween(1, 1),
		RunE: withRemote(func(r *remote, args []string) error {
			list, counted, err := r.vips()
			if err != nil {
				return err
			}
			found := slices.DeleteFunc(list.VIPs, func(v vip.Entry) bool { return !means(args[0], &v) })
			app := absolute(args[0])
			list.Problems = slices.DeleteFunc(list.Problems, func(p ruleset.Problem) bool { return !concerns(p, found, app) })
			if len(found) == 0 && len(list.Problems) == 0 {
				return fmt.Errorf("no VIP is %q, and no app of this name has one; berth vip list shows all", args[0])
			}
			if r.json {
				return printJSON(r.out, found)
			}
			for i := range found {
				if i > 0 {
					fmt.Fprintln(r.out)
				}
				if err := printVIP(r, &found[i], counted); err != nil {
					return err
				}
			}
			r.complain(list)
			return nil
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

// means reports whether word stands for a VIP: its id, its name or address with or without the port, or one of its apps.
func means(word string, v *vip.Entry) bool {
	host, _, _ := strings.Cut(word, "/")
	if host == v.Protocol { // tcp/1.1.1.1:80
		return word == v.ID
	}
	at := func(a string) bool {
		if strings.Contains(a, ":") {
			return word == a || word == fmt.Sprintf("[%s]:%d", a, v.Port)
		}
		return word == a || word == fmt.Sprintf("%s:%d", a, v.Port)
	}
	return word == v.VIP || v.Name != "" && at(v.Name) || slices.ContainsFunc(v.Addresses, at) ||
		slices.Contains(v.Apps, absolute(word))
}

// concerns reports whether a problem is that of the app asked for, or of an app behind the VIPs.
func concerns(p ruleset.Problem, vips []vip.Entry, app string) bool {
	return p.App == app || slices.ContainsFunc(vips, func(v vip.Entry) bool { return slices.Contains(v.Apps, p.App) })
}

func printVIP(r *remote, v *vip.Entry, counted bool) error {
	fmt.Fprintf(r.out, "%-11s %s\n%-11s %s\n%-11s %s\n", "vip", v.ID, "address", strings.Join(v.Addresses, ", "), "apps",
		strings.Map(plain, strings.Join(v.Apps, ", ")))
	if counted {
		fmt.Fprintf(r.out, "%-11s %d\n", "connections", v.Connections)
	}
	if len(v.Backends) == 0 {
		fmt.Fprintln(r.out, "no backend: connections are refused")
		return nil
	}
	t := newTable(r.out, "  BACKEND", "STATE", "WEIGHT", "CONNECTIONS", "TASK", "REASON")
	for _, b := range v.Backends {
		t.row("  "+b.Address, b.State, fmt.Sprint(b.Weight), connections(b.Connections, counted), b.Task, b.Reason)
	}
	return t.flush()
}
