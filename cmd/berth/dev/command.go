package dev

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"berth/cmd/internal/cli"
)

// Config is everything berth dev can be told.
type Config struct {
	Dir    string
	Listen string // host:port of the API; "" chooses the port, on loopback
	Driver string // process, docker or auto
	Groups []string
	Keep   bool // leave the tasks running at the end

	HTTPPort, HTTPSPort, StatsPort, AppIDPort int // 0 chooses
	DNSPort, DNSHTTPPort, VIPPort             int // 0 chooses

	VIP string // auto, on or off: virtual addresses in a network namespace

	ServicePortMin, ServicePortMax int // service ports are assigned from here

	LogLevel, LogFormat string
}

// DefaultConfig returns what holds without any flag.
func DefaultConfig() Config {
	return Config{
		Dir: DefaultDir(), Driver: "process", Groups: []string{"external"},
		VIP: vipAuto, ServicePortMin: 10000, ServicePortMax: 20000,
		LogLevel: "warn", LogFormat: "text",
	}
}

const help = `Runs the orchestrator, the load balancer and the name server in one process, with a real HAProxy, until Ctrl-C.

As root HAProxy takes ports 80, 443, 9090 and 9091, the API 8080 and the name server 53 on loopback. Without root, or where
one of them is taken, free ones are taken instead, and it is said which; a port asked for by a flag is never replaced.

Virtual addresses (port labels VIP_0=1.1.1.1:80 or VIP_0=/name:80) work for what runs under "berth dev exec", in a network
namespace from which nothing leaves: on the machine itself 1.1.1.1 goes on being the stranger's that it is.

Ctrl-C stops everything, the tasks too (--keep leaves them running). The apps stay in --dir: the next start in the same
directory runs them again. After a kill -9 the next start adopts the tasks and HAProxy as they are.`

// Command is `berth dev`.
func Command() *cobra.Command {
	c := DefaultConfig()
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "run all of Berth on this machine, in one process",
		Long:  help,
		Example: `  berth dev
  berth dev --driver docker --http-port 8000`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("dev takes no arguments, got %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.Layer(cmd, EnvPrefix, ""); err != nil {
				return err
			}
			for _, p := range append(c.proxyPorts(), c.localPorts()...) {
				if p.number == 0 && cmd.Flags().Changed(p.flag) {
					return cli.Usagef("--%s 0: expected a port from 1 to 65535; without the flag one is chosen", p.flag)
				}
			}
			cli.OutlivePipe()
			c.Groups = cli.SplitList(c.Groups)
			log, err := cli.NewLogger(cmd.ErrOrStderr(), c.LogFormat, c.LogLevel)
			if err != nil {
				return err
			}
			return Run(cmd.Context(), c, Options{Log: log, Out: cmd.OutOrStdout()})
		},
	}
	addFlags(cmd.Flags(), &c)
	cmd.AddCommand(execCommand())
	return cmd
}

// How virtual addresses are served.
const (
	vipAuto = "auto" // if the machine allows
	vipOn   = "on"
	vipOff  = "off"
)

// EnvPrefix begins the environment variable of every flag: BERTH_DEV_HTTP_PORT.
const EnvPrefix = "BERTH_DEV"

func addFlags(f *pflag.FlagSet, c *Config) {
	f.SortFlags = false
	f.StringVar(&c.Dir, "dir", c.Dir, "`directory` of the state, the sandboxes and HAProxy's files")
	f.StringVar(&c.Driver, "driver", c.Driver, "what runs tasks: process, docker (both), or auto (docker where it answers)")
	f.StringSliceVar(&c.Groups, "group", c.Groups, "HAPROXY_GROUP of the apps to serve")
	f.BoolVar(&c.Keep, "keep", c.Keep, "leave the tasks running at the end")
	f.StringVar(&c.Listen, "listen", c.Listen, "`host:port` of the API (default: loopback, 8080 or the next free one)")
	f.IntVar(&c.HTTPPort, "http-port", c.HTTPPort, "`port` for host names (default: 80, or from 8000)")
	f.IntVar(&c.HTTPSPort, "https-port", c.HTTPSPort, "`port` for host names with TLS (default: 443, or from 8443)")
	f.IntVar(&c.StatsPort, "stats-port", c.StatsPort, "`port` of HAProxy's stats page (default: 9090 or the next free one)")
	f.IntVar(&c.AppIDPort, "appid-port", c.AppIDPort, "`port` for X-Marathon-App-Id (default: 9091 or the next free one)")
	f.IntVar(&c.DNSPort, "dns-port", c.DNSPort, "`port` of the name server on loopback (default: 53, or from 8053)")
	f.IntVar(&c.DNSHTTPPort, "dns-http-port", c.DNSHTTPPort, "`port` of the name server's HTTP API (default: 8123 or the next free one)")
	f.StringVar(&c.VIP, "vip", c.VIP, "virtual addresses, in a network namespace: on, off, or auto (where that can be had)")
	f.IntVar(&c.VIPPort, "vip-port", c.VIPPort, "`port` of their status (default: 8124 or the next free one)")
	f.IntVar(&c.ServicePortMin, "service-port-min", c.ServicePortMin, "lowest service `port` to assign")
	f.IntVar(&c.ServicePortMax, "service-port-max", c.ServicePortMax, "highest service `port` to assign")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
}

// validate checks what no daemon checks later, and makes Dir absolute.
func (c *Config) validate() error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil || c.Dir == "" {
		return cli.Usagef("--dir %q: expected a directory", c.Dir)
	}
	c.Dir = dir
	if len(c.Groups) == 0 {
		return cli.Usagef("--group: expected at least one name")
	}
	switch c.Driver {
	case "process", "docker", "auto":
	default:
		return cli.Usagef("--driver %q: expected process, docker or auto", c.Driver)
	}
	switch c.VIP {
	case vipAuto, vipOn, vipOff:
	default:
		return cli.Usagef("--vip %q: expected auto, on or off", c.VIP)
	}
	for _, p := range append(c.proxyPorts(), c.localPorts()...) {
		if p.number < 0 || p.number > 65535 {
			return cli.Usagef("--%s %d: expected a port from 1 to 65535", p.flag, p.number)
		}
	}
	if c.ServicePortMin < 1 || c.ServicePortMax > 65535 || c.ServicePortMin > c.ServicePortMax {
		return cli.Usagef("--service-port-min %d, --service-port-max %d: expected 1 to 65535, the smaller one first",
			c.ServicePortMin, c.ServicePortMax)
	}
	_, err = c.apiPort()
	return err
}

// proxyPorts are what HAProxy listens on whatever the apps.
func (c *Config) proxyPorts() []*port {
	ports := []*port{
		{name: "http", what: "host names", number: c.HTTPPort, root: 80, user: 8000},
		{name: "https", what: "host names with TLS", number: c.HTTPSPort, root: 443, user: 8443},
		{name: "stats", what: "stats page", number: c.StatsPort, root: 9090, user: 9090},
		{name: "appid", what: "X-Marathon-App-Id", number: c.AppIDPort, root: 9091, user: 9091},
	}
	return flagged(ports)
}

// localPorts are what our own daemons besides the orchestrator listen on, on loopback.
func (c *Config) localPorts() []*port {
	const local = "127.0.0.1"
	return flagged([]*port{
		{name: "dns", what: "DNS", number: c.DNSPort, root: 53, user: 8053, address: local},
		{name: "dns-http", what: "DNS over HTTP", number: c.DNSHTTPPort, root: 8123, user: 8123, address: local},
		{name: "vip", what: "status of virtual addresses", number: c.VIPPort, root: 8124, user: 8124, address: local},
	})
}

func flagged(ports []*port) []*port {
	for _, p := range ports {
		p.flag, p.byUser = p.name+"-port", p.number != 0
	}
	return ports
}

// apiPort takes --listen apart.
func (c *Config) apiPort() (*port, error) {
	p := &port{name: "api", flag: "listen", what: "API", root: 8080, user: 8080, address: "127.0.0.1"}
	if c.Listen == "" {
		return p, nil
	}
	host, number, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, cli.Usagef("--listen %q: expected host:port", c.Listen)
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 65535 {
		return nil, cli.Usagef("--listen %q: expected a port from 1 to 65535", c.Listen)
	}
	p.address, p.number, p.byUser = host, n, true
	return p, nil
}

func urls(ports map[string]int, apiHost string) URLs {
	at := func(scheme, host string, n, usual int) string {
		if n == usual {
			return scheme + "://" + host
		}
		return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(n))
	}
	const local = "127.0.0.1"
	return URLs{
		DNS:   net.JoinHostPort(local, strconv.Itoa(ports["dns"])),
		VIP:   at("http", local, ports["vip"], 80),
		API:   fmt.Sprintf("http://%s", net.JoinHostPort(apiHost, strconv.Itoa(ports["api"]))),
		HTTP:  at("http", local, ports["http"], 80),
		HTTPS: at("https", local, ports["https"], 443),
		Stats: at("http", local, ports["stats"], 80) + "/haproxy?stats",
		AppID: at("http", local, ports["appid"], 80),
	}
}
