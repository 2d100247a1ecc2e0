package dnsdd

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"berth/cmd/internal/cli"
)

// shown is the configuration as /v1/config has it, by Mesos-DNS' names and without secrets.
func (c *Config) shown(listening []netip.AddrPort) map[string]any {
	out := map[string]any{
		"Marathon": withoutSecrets(cli.SplitList(c.Marathon)), "Masters": c.masters(), "RefreshSeconds": int(c.Resync / time.Second),
		"TTL": c.TTL, "InfraTTL": c.InfraTTL, "SRVRecordDefaultWeight": c.SRVWeight, "Domain": c.Domain, "Framework": c.Framework,
		"Also":      c.shownAlso(),
		"Resolvers": c.Resolvers, "ZoneResolvers": c.ZoneResolvers, "Timeout": int(c.Timeout / time.Second),
		"ExternalOn": c.External, "RecurseOn": c.RecursionAvailable, "DnsOn": len(listening) > 0, "HttpOn": c.HTTP != "",
		"SOAMname": c.SOA.Mname, "SOARname": c.SOA.Rname, "SOARefresh": c.SOA.Refresh, "SOARetry": c.SOA.Retry,
		"SOAExpire": c.SOA.Expire, "SOAMinttl": c.SOA.Minimum, "IPSources": c.IPSources, "EnforceRFC952": c.RFC952,
		"SetTruncateBit": c.TruncateBit, "EnumerationOn": c.Enumeration, "HealthFilter": c.HealthFilter, "AnswerOrder": c.Order,
		"AllowQuery": c.AllowQuery, "AllowRecursion": c.AllowRecursion, "AllowTransfer": c.AllowTransfer, "RateLimit": c.RateLimit,
	}
	if len(listening) > 0 {
		out["Listener"], out["Port"] = listening[0].Addr().String(), listening[0].Port()
	}
	if host, port, err := net.SplitHostPort(c.HTTP); err == nil {
		n, _ := strconv.Atoi(port) // bound by now, so it is a number
		out["HTTPListener"], out["HttpPort"] = host, n
	}
	return out
}

// withoutSecrets drops user and password from URLs.
func withoutSecrets(urls []string) []string {
	out := make([]string, 0, len(urls))
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil {
			continue
		}
		u.User = nil
		out = append(out, u.String())
	}
	return out
}

// shownAlso is the other frameworks without secrets.
func (c *Config) shownAlso() []string {
	out := make([]string, 0, len(c.Also))
	for _, a := range c.Also {
		name, urls, _ := strings.Cut(a, "=")
		out = append(out, name+"="+strings.Join(withoutSecrets(strings.Split(urls, ",")), ","))
	}
	return out
}
