package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newInfo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info",
		Short: "show what the orchestrator says of itself",
		Args:  argsBetween(0, 0),
		RunE: withRemote(func(r *remote, _ []string) error {
			info, err := r.c.Info(r.ctx)
			if err != nil {
				return explain("read the orchestrator's info", err)
			}
			var doc any
			if err := json.Unmarshal(info.Raw, &doc); err != nil {
				return explain("read the orchestrator's info", err)
			}
			if r.json {
				return printJSON(r.out, doc)
			}
			for _, line := range flatten("", doc) {
				fmt.Fprintln(r.out, strings.Map(plain, line))
			}
			return nil
		}),
	}
	addOutputFlag(cmd)
	return cmd
}

// flatten writes a JSON object as sorted lines "a.b value".
func flatten(prefix string, v any) []string {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s %v", strings.TrimSuffix(prefix, "."), v)}
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(object)) {
		out = append(out, flatten(prefix+k+".", object[k])...)
	}
	return out
}
