package mlbd

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags binds the daemon's flags to c, whose values are the defaults.
func AddFlags(f *pflag.FlagSet, c *Config) {
	f.SortFlags = false
	sourceFlags(f, c)
	appFlags(f, c)
	haproxyFlags(f, c)
	reloadFlags(f, c)
	spareFlags(f, c)
	runFlags(f, c)
}

func sourceFlags(f *pflag.FlagSet, c *Config) {
	f.StringSliceVarP(&c.Marathon, "marathon", "m", c.Marathon, "`URL` of the orchestrator or Marathon; several are members of\n"+
		"one cluster")
	f.StringVar(&c.Credentials, "auth-credentials", c.Credentials, "`user:password`; others on this machine can read flags, so\n"+
		"prefer the environment or the file")
	f.StringVar(&c.CredentialsFile, "marathon-auth-credential-file", c.CredentialsFile, "`file` whose first line is user:password")
	f.StringVar(&c.DCOSCredentials, "dcos-auth-credentials", c.DCOSCredentials, "`JSON` of a DC/OS service account")
	f.StringVar(&c.CACert, "marathon-ca-cert", c.CACert, "PEM `file` to verify the server with, instead of the system's")
	f.StringVar(&c.TokenFile, "marathon-token-file", c.TokenFile, "`file` whose first line is a bearer token; a new one counts\n"+
		"at once")
	f.StringVar(&c.ClientCert, "marathon-client-cert", c.ClientCert, "PEM `file` of a certificate to show the server")
	f.StringVar(&c.ClientKey, "marathon-client-key", c.ClientKey, "PEM `file` of its key (default: the certificate's file)")
	f.BoolVar(&c.Insecure, "marathon-insecure", c.Insecure, "do not verify the server's certificate")
	f.Float64Var(&c.MaxBackoff, "max-backoff", c.MaxBackoff, "longest wait in `seconds` between attempts to open the event stream")
	f.DurationVar(&c.Quiet, "quiet", c.Quiet, "act after this `time` without an event")
	f.DurationVar(&c.Ceiling, "ceiling", c.Ceiling, "but never later than this `time` after the first one")
	f.DurationVar(&c.Resync, "resync", c.Resync, "`time` after which everything is read anew")
	f.DurationVar(&c.StaleAfter, "stale-after", c.StaleAfter, "`time` without contact after which /readyz turns red")
	f.StringVar(&c.CacheFile, "cache-file", c.CacheFile, "`file` that keeps the last state for a start without a source; none\n"+
		"keeps nothing (default: apps.json next to the configuration)")
	f.StringVar(&c.Subscriber, "subscriber", c.Subscriber, "`name` in the drain handshake; it must differ between load balancers\n"+
		"(default: made from host name and configuration file)")
}

func appFlags(f *pflag.FlagSet, c *Config) {
	f.StringArrayVar(&c.Groups, "group", c.Groups, "`group` of apps to serve, by HAPROXY_GROUP and HAPROXY_<n>_GROUP;\n"+
		"repeatable or comma-separated, * is all")
	f.BoolVarP(&c.HealthCheck, "health-check", "H", c.HealthCheck, "serve only tasks that pass their health checks")
	f.BoolVar(&c.Strict, "strict-mode", c.Strict, "serve only ports with HAPROXY_<n>_ENABLED=true")
	f.BoolVar(&c.KeepEmpty, "keep-empty", c.KeepEmpty, "keep backends of apps without tasks; they answer 503")
	f.BoolVar(&c.TemplateLabels, "template-labels", c.TemplateLabels, "take templates in labels; without, apps decide by settings alone")
	f.IntVar(&c.AutoPortMin, "min-serv-port-ip-per-task", c.AutoPortMin, "lowest service `port` for apps in container networks\n"+
		"that have none; 0 in both gives none")
	f.IntVar(&c.AutoPortMax, "max-serv-port-ip-per-task", c.AutoPortMax, "highest such `port`")
	f.StringVar(&c.Self, "ignore-app", c.Self, "`id` of an app to ignore: the load balancer's own")
}

func haproxyFlags(f *pflag.FlagSet, c *Config) {
	f.StringVar(&c.HAProxyConfig, "haproxy-config", c.HAProxyConfig, "configuration `file` to write; maps lie next to it")
	f.StringVar(&c.HAProxyBinary, "haproxy-binary", c.HAProxyBinary, "HAProxy's `path` (default: haproxy in PATH)")
	f.StringVar(&c.RunDir, "run-dir", c.RunDir, "`directory` of sockets (default: run, next to the configuration)")
	f.StringVar(&c.BindAddress, "bind-address", c.BindAddress, "`address` of all ports")
	f.StringVar(&c.StatsAddress, "stats-address", c.StatsAddress, "`address` of the statistics and admin port (default: that of\n"+
		"all ports)")
	f.StringVar(&c.StatsAuth, "stats-auth", c.StatsAuth, "`user:password` asked for on that port, except by the health check;\n"+
		"better in the environment")
	f.IntVar(&c.HTTPPort, "http-port", c.HTTPPort, "`port` for host names")
	f.IntVar(&c.HTTPSPort, "https-port", c.HTTPSPort, "`port` for host names with TLS")
	f.IntVar(&c.StatsPort, "stats-port", c.StatsPort, "`port` of statistics and admin pages")
	f.IntVar(&c.AppIDPort, "appid-port", c.AppIDPort, "`port` for the header X-Marathon-App-Id")
	f.BoolVar(&c.DontBindHTTP, "dont-bind-http-https", c.DontBindHTTP, "no ports for host names")
	f.BoolVar(&c.AcceptProxy, "accept-proxy", c.AcceptProxy, "expect the PROXY protocol on the ports for host names, from a load\n"+
		"balancer in front; a service port has HAPROXY_<n>_BIND_OPTIONS for that")
	f.StringVar(&c.Forwarded, "forwarded-headers", c.Forwarded, "trust or overwrite: what becomes of X-Forwarded-For, -Proto and\n"+
		"-Port that a client sends; overwrite where clients connect directly, or by the PROXY protocol")
	f.StringSliceVar(&c.SSLCerts, "ssl-certs", c.SSLCerts, "PEM `files` or directories for the TLS port, the first is the default\n"+
		"(default: /etc/ssl/cert.pem if there is one, else self-signed)")
	f.BoolVar(&c.GroupHTTPS, "group-https-by-vhost", c.GroupHTTPS, "HAPROXY_<n>_SSL_CERT and the TLS words of\n"+
		"HAPROXY_<n>_BIND_OPTIONS hold for the virtual host on the TLS port, too: client certificates, for example")
	f.StringVar(&c.User, "haproxy-user", c.User, "`user` HAProxy runs as once it has bound its ports; auto is haproxy if root\n"+
		"starts it")
	f.StringVar(&c.Group, "haproxy-group", c.Group, "`group` HAProxy runs as (default: the user's)")
	f.IntVar(&c.MaxConn, "maxconn", c.MaxConn, "`connections` HAProxy accepts; 0 is 50000, or less where the limit of open\n"+
		"files is low")
	f.DurationVar(&c.HardStopAfter, "hard-stop-after", c.HardStopAfter, "`time` after which connections of an old worker are cut;\n"+
		"0 never")
	f.IntVar(&c.MaxReloads, "max-old-workers", c.MaxReloads, "reloads an old worker may outlive; 0 is any `number`")
	f.DurationVar(&c.CloseSpread, "close-spread-time", c.CloseSpread, "`time` over which clients of an old worker are sent away")
	f.BoolVar(&c.AccessLog, "access-log", c.AccessLog, "log every request")
	f.StringVar(&c.HAProxyLog, "haproxy-log", c.HAProxyLog, "HAProxy's log `target`; stdout ends up in mlb's own log")
	f.StringVar(&c.TemplateDir, "template-dir", c.TemplateDir, "`directory` of templates, watched; names as HAPROXY_HEAD or HEAD.tmpl")
}

func reloadFlags(f *pflag.FlagSet, c *Config) {
	f.BoolVar(&c.SkipValidation, "skip-validation", c.SkipValidation, "do not let HAProxy check a configuration before it is used")
	f.BoolVar(&c.ServerStates, "server-states", c.ServerStates, "carry what is known of servers' health over reloads")
	f.IntVar(&c.Archive, "archive-versions", c.Archive, "`number` of accepted configurations kept")
	f.DurationVar(&c.CheckTimeout, "check-timeout", c.CheckTimeout, "longest `time` for a check")
	f.DurationVar(&c.ReloadTimeout, "reload-timeout", c.ReloadTimeout, "longest `time` until a new worker confirms its configuration")
	f.Float64Var(&c.ReloadInterval, "reload-interval", c.ReloadInterval, "longest wait in `seconds` before a failed change is tried\n"+
		"again")
	f.IntVar(&c.MaxReloadRetries, "max-reload-retries", c.MaxReloadRetries, "`times` it is tried again until something changes; -1\n"+
		"for ever")
}

func spareFlags(f *pflag.FlagSet, c *Config) {
	f.IntVar(&c.SpareBackends, "spare-backends", c.SpareBackends, "`number` of backends kept in store, so that new http apps need\n"+
		"no reload; until the next one such an app goes by another name in statistics")
	f.IntVar(&c.SpareTCPBackends, "spare-tcp-backends", c.SpareTCPBackends, "the same `number` for tcp apps")
	f.StringVar(&c.SparePorts, "spare-ports", c.SparePorts, "`range` whose lowest unused service ports are kept open, as many as\n"+
		"there are spare backends")
}

func runFlags(f *pflag.FlagSet, c *Config) {
	f.StringVar(&c.AdminListen, "admin-listen", c.AdminListen, "`address` of mlb's own pages: /healthz, /readyz, /metrics and those\n"+
		"of the admin port")
	f.BoolVar(&c.Once, "once", c.Once, "apply the present state, leave HAProxy running, and end")
	f.BoolVarP(&c.Dry, "dry", "d", c.Dry, "print the configuration unless it is the one on disk, touch nothing, and end")
	f.BoolVar(&c.LeaveHAProxy, "leave-haproxy", c.LeaveHAProxy, "leave HAProxy running at the end, for the next mlb to take over")
	f.DurationVar(&c.ShutdownDelay, "shutdown-delay", c.ShutdownDelay, "`time` between failing the health page and closing ports")
	f.DurationVar(&c.ShutdownTimeout, "shutdown-timeout", c.ShutdownTimeout, "`time` that requests under way are given at the end")
	f.StringVar(&c.LogLevel, "log-level", c.LogLevel, "debug, info, warn or error; Python's names work, too")
	f.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
}

// former are flags of marathon-lb that are accepted and have no effect any more, with the reason.
var former = []struct {
	name, short, value, why string // value is the default; "bool" is a switch
}{
	{"sse", "s", "bool", "following the event stream is what mlb does; --once is the other mode"},
	{"command", "c", "", "mlb runs and reloads HAProxy itself"},
	{"haproxy-map", "", "bool", "routing by maps is what mlb does"},
	{"skip-config-cleanup", "", "bool", "apps that HAProxy refuses are always set aside"},
	{"lru-cache-capacity", "", "1000", "there is no such cache"},
	{"syslog-socket", "", "", "mlb logs to stderr; HAProxy's log target is --haproxy-log"},
}

// addFormer adds the flags that are accepted and have no effect; warnings says which were given.
func addFormer(f *pflag.FlagSet) (warnings func() []string) {
	for _, o := range former {
		if o.value == "bool" {
			f.BoolP(o.name, o.short, false, "accepted, no effect: "+o.why)
		} else {
			f.StringP(o.name, o.short, o.value, "accepted, no effect: "+o.why)
		}
		_ = f.MarkHidden(o.name)
	}
	return func() []string {
		var given []string
		for _, o := range former {
			if fl := f.Lookup(o.name); fl.Changed && o.name != "sse" && o.name != "haproxy-map" {
				given = append(given, fmt.Sprintf("--%s has no effect: %s", o.name, o.why))
			}
		}
		return given
	}
}

// marathonLBFlags are the long flags of marathon-lb's generator (marathon-lb.md section 13).
var marathonLBFlags = []string{
	"archive-versions", "auth-credentials", "command", "dcos-auth-credentials", "dont-bind-http-https", "dry", "group",
	"group-https-by-vhost", "haproxy-config", "haproxy-map", "health-check", "help", "log-format", "log-level", "longhelp",
	"lru-cache-capacity", "marathon", "marathon-auth-credential-file", "marathon-ca-cert", "max-backoff", "max-reload-retries",
	"max-serv-port-ip-per-task", "min-serv-port-ip-per-task", "reload-interval", "skip-config-cleanup", "skip-validation", "sse",
	"ssl-certs", "strict-mode", "syslog-socket",
}

// abbreviate makes f take what marathon-lb's argument parser took: a flag of marathon-lb cut short, where only one of them
// begins like that. Names of flags of f are never taken for something else.
func abbreviate(f *pflag.FlagSet) {
	names := map[string]bool{}
	f.VisitAll(func(fl *pflag.Flag) { names[fl.Name] = true })
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if names[name] {
			return pflag.NormalizedName(name)
		}
		var long []string
		for _, l := range marathonLBFlags {
			if name != "" && strings.HasPrefix(l, name) {
				long = append(long, l)
			}
		}
		if len(long) == 1 {
			name = long[0]
		}
		return pflag.NormalizedName(name)
	})
}
