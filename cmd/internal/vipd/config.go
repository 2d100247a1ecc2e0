// Package vipd is vip's daemon: its configuration, and the wiring of watch, loop and kernel. It is a package of its own so
// that `berth dev` runs the same thing inside its process.
package vipd

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"berth/cmd/internal/cli"
	"berth/orchestrator/client"
	"berth/vip/ruleset"
)

// Config is everything the daemon can be told. DefaultConfig has the values of a daemon without flags.
type Config struct {
	Marathon        []string // URLs of one cluster
	Credentials     string   // user:password
	CredentialsFile string   // the same in the first line of a file
	TokenFile       string   // bearer token in the first line
	CACert          string
	ClientCert      string // PEM, with ClientKey: to show the server
	ClientKey       string
	Insecure        bool
	Resync          time.Duration // everything is read anew this often
	Subscriber      string        // "" is made from the host's name

	Listen    string // status HTTP; "" for none
	StateDir  string // "" keeps no state on disk
	LockDir   string
	NodeAddrs []string // of this node, at most one of each family; found out when empty
	Uplinks   []string // found out when empty
	NoGuard   bool

	Framework     string
	Zone          string
	Range4        string
	Range6        string
	AllowInRange  bool
	NoIPv6        bool
	MasqueradeAll bool
	LaxLabels     bool
	NoHealthy     string // reject or all
	Reserved      []string

	LogLevel  string
	LogFormat string
}

// DefaultConfig returns the values of a daemon without flags.
func DefaultConfig() Config {
	return Config{
		Marathon: []string{"http://127.0.0.1:8080"}, Resync: 5 * time.Minute, Listen: "127.0.0.1:8124", LockDir: "/run",
		Framework: "marathon", Zone: ruleset.DefaultZone, Range4: ruleset.DefaultRange4.String(),
		Range6: ruleset.DefaultRange6.String(), NoHealthy: "reject", LogLevel: "info", LogFormat: "text",
	}
}

// rules translates the part that concerns rules.
func (c *Config) rules() (ruleset.Options, error) {
	o := ruleset.Options{Framework: c.Framework, Zone: c.Zone, NoIPv6: c.NoIPv6, LaxKeys: c.LaxLabels,
		AllowExplicitInRange: c.AllowInRange, MasqueradeAll: c.MasqueradeAll}
	switch c.NoHealthy {
	case "reject":
	case "all":
		o.UnhealthyIfNone = true
	default:
		return o, cli.Usagef("--no-healthy-backends %q: expected reject or all", c.NoHealthy)
	}
	var err error
	if o.Range4, err = netip.ParsePrefix(c.Range4); err != nil {
		return o, cli.Usagef("--range %q: expected an IPv4 prefix such as 11.0.0.0/8", c.Range4)
	}
	if o.Range6, err = netip.ParsePrefix(c.Range6); err != nil {
		return o, cli.Usagef("--range6 %q: expected an IPv6 prefix such as fd01:c::/64", c.Range6)
	}
	for _, s := range c.Reserved {
		p, err := parsePrefix(s)
		if err != nil {
			return o, cli.Usagef("--reserved %q: expected an address or a prefix", s)
		}
		o.Reserved = append(o.Reserved, ruleset.Reserved{Prefix: p, Reason: "reserved by --reserved"})
	}
	for _, s := range c.NodeAddrs {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return o, cli.Usagef("--node-address %q: expected an IP address", s)
		}
		o.Nodes = append(o.Nodes, a.Unmap())
	}
	if _, err := o.Check(); err != nil {
		return o, cli.UsageError{Err: err}
	}
	return o, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(s)
}

// sources picks the node's address of each family.
func (c *Config) sources(o ruleset.Options) (v4, v6 netip.Addr, err error) {
	for _, a := range o.Nodes {
		p := &v4
		if a.Is6() {
			p = &v6
		}
		if p.IsValid() {
			return v4, v6, cli.Usagef("--node-address %s: expected at most one of each family", a)
		}
		*p = a
	}
	return v4, v6, nil
}

func (c *Config) client() (client.Options, error) {
	o := client.Options{URLs: c.Marathon, CAFile: c.CACert, Insecure: c.Insecure, TokenFile: c.TokenFile,
		CertFile: c.ClientCert, KeyFile: c.ClientKey, UserAgent: "berth-vip", Resync: c.Resync,
		Role: "vip", Subscriber: c.Subscriber}
	if o.Subscriber == "" {
		name, err := os.Hostname()
		if err != nil {
			return o, fmt.Errorf("host name: %w", err)
		}
		o.Subscriber = "vip-" + name
	}
	if c.StateDir != "" {
		o.CacheFile = filepath.Join(c.StateDir, "apps.json")
	}
	credentials := c.Credentials
	if c.CredentialsFile != "" {
		line, err := firstLine(c.CredentialsFile)
		if err != nil {
			return o, err
		}
		credentials = line
	}
	if credentials != "" {
		var err error
		if o.User, o.Password, err = client.ParseCredentials(credentials); err != nil {
			return o, cli.UsageError{Err: err}
		}
	}
	return o, nil
}

func (c *Config) checkListen() error {
	if c.Listen == "" {
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return cli.Usagef("--listen %q: expected address:port", c.Listen)
	}
	return nil
}
