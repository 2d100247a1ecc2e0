package vipd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"berth/cmd/internal/cli"
	"berth/orchestrator/api"
	"berth/vip"
	"berth/vip/ruleset"
)

const (
	// askTimeout bounds a question to a running vip: counters of 44,000 VIPs take it a second.
	askTimeout = 10 * time.Second
	// maxAnswer bounds its answer, in bytes.
	maxAnswer = 256 << 20
)

// Ask returns what the vip with its status endpoint at base, http://host:port, knows of its VIPs.
func Ask(ctx context.Context, base string) (vip.Listing, error) {
	var l vip.Listing
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return l, cli.Usagef("address of vip %q: expected http://host:port", base)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("/v2/vips").String(), nil)
	if err != nil {
		return l, fmt.Errorf("ask vip: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return l, fmt.Errorf("ask vip: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return l, fmt.Errorf("ask vip at %s: %w", u.Host, err)
	}
	if resp.StatusCode != http.StatusOK {
		return l, fmt.Errorf("ask vip at %s: %s: %.200s", u.Host, resp.Status, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, &l); err != nil {
		return l, fmt.Errorf("ask vip at %s: the answer is not vip's: %w", u.Host, err)
	}
	return l, nil
}

// Compute returns the VIPs that apps, in any order, ask for, as a vip without flags on a node without tasks would have
// them. Nothing is known about connections, and nothing is touched. hosts are the addresses of agents that are listed by
// name.
func Compute(apps []*api.AppInfo, hosts map[string][]netip.Addr) (vip.Listing, error) {
	c := DefaultConfig()
	opt, err := c.rules()
	if err != nil {
		return vip.Listing{}, err
	}
	opt.Hosts = hosts
	b, err := ruleset.NewBuilder(opt)
	if err != nil {
		return vip.Listing{}, err
	}
	apps = slices.SortedFunc(slices.Values(apps), func(a, b *api.AppInfo) int { return strings.Compare(a.ID, b.ID) })
	return vip.Describe(b.Build(apps, nil)), nil
}
