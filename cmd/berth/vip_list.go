package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/vip"
)

func newVIPList() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list VIPs: name, address, backends, connections",
		Args:  argsBetween(0, 0),
		RunE: withRemote(func(r *remote, _ []string) error {
			list, counted, err := r.vips()
			switch {
			case err != nil:
				return err
			case r.json:
				return printJSON(r.out, list)
			}
			if err := printVIPs(r, list.VIPs, counted); err != nil {
				return err
			}
			r.complain(list)
			return nil
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

func printVIPs(r *remote, vips []vip.Entry, counted bool) error {
	t := newTable(r.out, "VIP", "PROTOCOL", "ADDRESS", "BACKENDS", "CONNECTIONS", "APPS")
	for _, v := range vips {
		t.row(v.VIP, v.Protocol, strings.Join(v.Addresses, ","), fmt.Sprintf("%d/%d", v.Active(), len(v.Backends)),
			connections(v.Connections, counted), shorten(strings.Join(v.Apps, ","), 60))
	}
	return t.flush()
}

// connections are unknown where nobody counts them.
func connections(n uint64, counted bool) string {
	if !counted {
		return ""
	}
	return fmt.Sprint(n)
}

// complain tells what is not as the apps ask for it.
func (r *remote) complain(list vip.Listing) {
	if list.Error != "" {
		r.say("the last change is not in force: %s", list.Error)
	}
	for _, w := range list.Warnings {
		r.say("%s", strings.Map(plain, w))
	}
	for _, p := range list.Problems {
		r.say("%s", strings.Map(plain, p.String()))
	}
}
