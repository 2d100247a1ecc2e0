package vipd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"berth/orchestrator/api"
	"berth/vip/ruleset"
)

// maxApps bounds the document that rules reads, in bytes.
const maxApps = 1 << 30

func printRules(c Config, name string, stdin io.Reader, stdout, stderr io.Writer) error {
	opt, err := c.rules()
	if err != nil {
		return err
	}
	apps, bad, err := readApps(name, stdin)
	if err != nil {
		return err
	}
	for _, b := range bad {
		fmt.Fprintln(stderr, b)
	}
	b, err := ruleset.NewBuilder(opt)
	if err != nil {
		return err
	}
	var links []ruleset.Link
	for _, u := range c.Uplinks {
		links = append(links, ruleset.Link{Role: ruleset.Uplink, Name: u})
	}
	r := b.Build(apps, links)
	for _, p := range r.Problems {
		fmt.Fprintln(stderr, p)
	}
	_, err = io.WriteString(stdout, r.Ruleset.String())
	return err
}

// readApps reads the answer of /v2/apps. An app that cannot be decoded is left out and told.
func readApps(name string, stdin io.Reader) (apps []*api.AppInfo, bad []string, err error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, fmt.Errorf("--apps: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxApps+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("read apps: %w", err)
	case len(data) > maxApps:
		return nil, nil, fmt.Errorf("read apps: more than %d bytes", maxApps)
	}
	var doc struct {
		Apps []json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, nil, fmt.Errorf("read apps: expected the document of /v2/apps?embed=apps.tasks: %w", err)
	}
	for i, raw := range doc.Apps {
		a, err := api.DecodeAppInfo(raw)
		if err != nil {
			bad = append(bad, fmt.Sprintf("app number %d left out: %v", i, err))
			continue
		}
		apps = append(apps, a)
	}
	slices.SortStableFunc(apps, func(a, b *api.AppInfo) int { return strings.Compare(a.ID, b.ID) })
	return slices.CompactFunc(apps, func(a, b *api.AppInfo) bool { return a.ID == b.ID }), bad, nil
}
