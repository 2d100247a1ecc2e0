package dnsdd

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"berth/cmd/internal/cli"
	"berth/dnsd"
	"berth/dnsd/forward"
	"berth/dnsd/server"
	"berth/dnsd/zone"
)

// usage marks an error as one of the command line, naming the flag.
func usage(flag string, err error) error {
	if err == nil {
		return nil
	}
	return cli.Usagef("--%s: %v", flag, err)
}

// zoneOptions are the part of c that says what is in the zone, without a resolver for agents' names.
func (c *Config) zoneOptions() (zone.Options, error) {
	o := zone.Options{
		Domain: strings.ToLower(strings.Trim(c.Domain, ".")), Framework: c.Framework, Filter: zone.HealthFilter(c.HealthFilter),
		TargetCompat: c.SRVTargetCompat, Weight: c.SRVWeight, TTL: c.TTL, InfraTTL: c.InfraTTL, SOA: c.SOA, DCOS: c.DCOS,
		PTR: c.PTR, AgentPort: c.AgentPort,
	}
	if c.RFC952 {
		o.Rules = zone.RFC952
	}
	for _, a := range c.Also {
		name, urls, ok := strings.Cut(a, "=")
		if !ok || name == "" || len(cli.SplitList([]string{urls})) == 0 {
			return o, cli.Usagef("--also %q: expected name=URL,URL", a)
		}
		o.Frameworks = append(o.Frameworks, name)
	}
	for _, s := range cli.SplitList(c.IPSources) {
		o.Sources = append(o.Sources, zone.Source(s))
	}
	for _, s := range cli.SplitList(c.Reverse) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return o, cli.Usagef("--reverse %q: expected a network, as in 10.0.0.0/8", s)
		}
		o.Reverse = append(o.Reverse, p.Masked())
	}
	o, err := o.Validate()
	if err != nil {
		return o, cli.UsageError{Err: err}
	}
	return o, nil
}

// static reads the files of records.
func (c *Config) static() (zone.Static, error) {
	var s zone.Static
	if c.HostsFile != "" {
		f, err := os.Open(c.HostsFile)
		if err != nil {
			return s, fmt.Errorf("--hosts-file: %w", err)
		}
		defer f.Close()
		if err := s.ParseHosts(f, c.InfraTTL); err != nil {
			return s, fmt.Errorf("--hosts-file %s: %w", c.HostsFile, err)
		}
	}
	if c.RecordsFile != "" {
		f, err := os.Open(c.RecordsFile)
		if err != nil {
			return s, fmt.Errorf("--records-file: %w", err)
		}
		defer f.Close()
		if err := s.ParseRecords(f, c.InfraTTL); err != nil {
			return s, fmt.Errorf("--records-file %s: %w", c.RecordsFile, err)
		}
	}
	return s, nil
}

// serverConfig is the part of c that says how to answer.
func (c *Config) serverConfig() (server.Config, error) {
	s := server.DefaultConfig()
	s.MaxUDPSize, s.Order, s.NoTruncateBit = c.MaxUDPSize, server.Order(c.Order), !c.TruncateBit
	s.StripWildcards, s.FullAny, s.RateLimit, s.Connections = c.StripWildcards, c.FullAny, c.RateLimit, c.MaxTCP
	s.Recursion = c.RecursionAvailable
	if c.DCOS {
		s.Rewrites = server.DCOSRewrites(strings.ToLower(strings.Trim(c.Domain, ".")))
	}
	var err error
	for _, l := range []struct {
		flag string
		from []string
		to   *[]netip.Prefix
	}{
		{"allow-query", c.AllowQuery, &s.Queries}, {"allow-recursion", c.AllowRecursion, &s.Recursive},
		{"allow-transfer", c.AllowTransfer, &s.Transfer},
	} {
		if *l.to, err = networks(l.from); err != nil {
			return s, usage(l.flag, err)
		}
	}
	if err := s.Validate(); err != nil {
		return s, cli.UsageError{Err: err}
	}
	return s, nil
}

// checkAges says what is wrong with the times after which what is known counts as old.
func (c *Config) checkAges() error {
	switch {
	case c.StaleAfter <= 0:
		return cli.Usagef("--stale-after %s: expected more than 0", c.StaleAfter)
	case c.ExpireAfter < 0 || c.ExpireAfter > 0 && c.ExpireAfter <= c.StaleAfter:
		return cli.Usagef("--expire-after %s: expected more than --stale-after, %s, or 0", c.ExpireAfter, c.StaleAfter)
	}
	return nil
}

// vipOptions are the part of c about virtual addresses.
func (c *Config) vipOptions() (dnsd.VIPOptions, error) {
	u, err := url.Parse(c.VIP)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return dnsd.VIPOptions{}, cli.Usagef("--vip %q: expected a URL, as in http://127.0.0.1:8124", c.VIP)
	}
	if !c.DCOS {
		return dnsd.VIPOptions{}, cli.Usagef("--vip: its names are in a zone that --dcos=false leaves out")
	}
	o := dnsd.VIPOptions{URL: c.VIP, File: c.state(fileVIPs)}
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		o.Boot = strings.TrimSpace(string(id))
	}
	return o, nil
}

func networks(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range cli.SplitList(list) {
		switch s {
		case "private":
			out = append(out, server.PrivateNetworks()...)
		case "loopback":
			out = append(out, server.Loopback()...)
		case "all":
			out = append(out, netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0))
		case "none":
		default:
			p, err := netip.ParsePrefix(s)
			if ip, ipErr := netip.ParseAddr(s); ipErr == nil {
				p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
			}
			if err != nil {
				return nil, fmt.Errorf("%q: expected a network as in 10.0.0.0/8, an address, private, loopback, all or none", s)
			}
			out = append(out, p.Masked())
		}
	}
	return out, nil
}

// forwardOptions are the part of c about others' names. own are the addresses at which we can be asked, ours the zones.
func (c *Config) forwardOptions(own []netip.AddrPort, ours []string) (forward.Options, error) {
	o := forward.DefaultOptions()
	o.Off, o.Ours, o.Entries, o.Deadline, o.Hedge = !c.External, ours, c.CacheEntries, c.Timeout, c.Hedge
	o.Timeout = max(min(o.Timeout, c.Timeout), time.Millisecond)
	var err error
	if o.Resolvers, err = resolvers(c.Resolvers); err != nil {
		return o, usage("resolvers", err)
	}
	if len(o.Resolvers) == 0 {
		if o.Resolvers, err = c.systemResolvers(own); err != nil {
			return o, err
		}
	}
	o.Zones = map[string][]netip.AddrPort{}
	for _, s := range c.ZoneResolvers {
		zone, list, ok := strings.Cut(s, "=")
		if !ok || o.Zones[zone] != nil {
			return o, cli.Usagef("--zone-resolvers %q: expected zone=IP,IP, each zone once", s)
		}
		if o.Zones[zone], err = resolvers([]string{list}); err != nil {
			return o, usage("zone-resolvers", err)
		}
	}
	if err := o.Validate(); err != nil {
		return o, cli.UsageError{Err: err}
	}
	return o, nil
}

func resolvers(list []string) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, v := range list {
		for _, s := range strings.Split(v, ",") {
			if s = strings.TrimSpace(s); s == "" {
				continue
			}
			a, err := forward.ParseResolver(s)
			if err != nil {
				return nil, err
			}
			out = append(out, a)
		}
	}
	return out, nil
}

// systemResolvers are those of the system's file without our own addresses. A file that is missing has none.
func (c *Config) systemResolvers(own []netip.AddrPort) ([]netip.AddrPort, error) {
	if !c.External {
		return nil, nil
	}
	f, err := os.Open(c.ResolvConf)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--resolv-conf: %w", err)
	}
	defer f.Close()
	list, err := forward.ParseResolvConf(f, own)
	if err != nil {
		return nil, fmt.Errorf("--resolv-conf %s: %w", c.ResolvConf, err)
	}
	return list, nil
}

// listenAddrs turns host:port into addresses to bind. All addresses are both families.
func (c *Config) listenAddrs() (out []netip.AddrPort, err error) {
	for _, s := range cli.SplitList(c.Listen) {
		host, port, err := net.SplitHostPort(s)
		n, perr := strconv.ParseUint(port, 10, 16)
		if err != nil || perr != nil {
			return nil, cli.Usagef("--listen %q: expected host:port or :port", s)
		}
		if host == "" || host == "*" {
			out = append(out, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)), netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(n)))
			continue
		}
		if host == "localhost" {
			host = "127.0.0.1"
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return nil, cli.Usagef("--listen %q: expected an address, not a name", s)
		}
		out = append(out, netip.AddrPortFrom(ip, uint16(n)))
	}
	return out, nil
}

// masters are host:port of the orchestrators.
func (c *Config) masters() []string {
	if list := cli.SplitList(c.Masters); len(list) > 0 {
		return list
	}
	var out []string
	for _, s := range cli.SplitList(c.Marathon) {
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" {
			continue
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"https": "443"}[u.Scheme]
		}
		if port == "" {
			port = "80"
		}
		out = append(out, net.JoinHostPort(u.Hostname(), port))
	}
	return out
}
