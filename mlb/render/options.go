package render

import (
	"strconv"
	"time"
)

// Version is a version of HAProxy, as far as it decides what may be written.
type Version struct{ Major, Minor int }

// AtLeast reports whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }

// Oldest is the oldest HAProxy that is supported; the zero Version stands for it.
var Oldest = Version{2, 6}

// Options are what a configuration holds beside apps. Values come from the operator and are written as they are.
type Options struct {
	HAProxy Version

	// Addr is the address of all binds, "*" by default. Ports default to 80, 443, 9090 and 9091.
	Addr                                      string
	HTTPPort, HTTPSPort, StatsPort, AppIDPort int
	// StatsAddr is the address of the statistics and admin page, Addr by default.
	StatsAddr string
	// StatsUser and StatsPassword, when set, are asked for on the statistics and admin page; only its health check is open.
	StatsUser, StatsPassword string
	// AcceptProxy expects the PROXY protocol on HTTPPort and HTTPSPort: a load balancer in front tells the client's address.
	AcceptProxy bool
	// OverwriteForwarded drops what a client says of itself in X-Forwarded-For, -Proto and -Port.
	OverwriteForwarded bool
	// NoHTTP leaves out the frontends on HTTPPort and HTTPSPort.
	NoHTTP bool

	// MapDir is the absolute directory of the map files: that of the configuration file.
	MapDir string
	// StatsSocket is the path of the Runtime API's socket, AdminSocket that of mlb's own HTTP server for
	// /_haproxy_* and /_mlb_*, StateFile where "show servers state" is kept over a reload. Empty leaves each out.
	StatsSocket, AdminSocket, StateFile string
	// SpareSocket is where the ports in store hand http connections to their frontend; needed for a model with Spare.
	SpareSocket string
	// Certificates are files and directories for the https port, the first one being the default. Without any the
	// https port is not opened.
	Certificates []string
	// GroupHTTPS gives each virtual host on the https port the certificates and TLS options of its services' own ports:
	// SSL_CERT and BIND_OPTIONS (marathon-lb.md section 10.5).
	GroupHTTPS bool
	// CertificateFor names the one of the operator's files that is for a host, "" for the default one. nil takes the first of
	// Certificates.
	CertificateFor func(host string) string
	// Replace gives what stands in for a certificate that cannot be used at present; the path itself where it can, nothing
	// where there is no replacement. nil replaces none. It must be safe for use by several goroutines.
	Replace func(path string) []string

	// DefaultOptions are the option lines of the defaults section; nil stands for redispatch, http-server-close and
	// dontlognull.
	DefaultOptions []string
	// MaxConn is how many connections HAProxy accepts. 0 takes about 50,000, or what the limit of open files allows:
	// a fixed number that is beyond it would keep HAProxy from starting.
	MaxConn int
	// HardStopAfter ends an old worker, MaxReloads one that has seen so many reloads, CloseSpread spreads the
	// reconnections of its clients. Zero leaves each out.
	HardStopAfter, CloseSpread time.Duration
	MaxReloads                 int
	// User and Group are what the workers run as.
	User, Group string
	// Log is the target of HAProxy's log lines, "stdout format raw" by default. AccessLog adds a line per request.
	Log       string
	AccessLog bool

	// Overrides replace default templates, later ones earlier ones: those of a directory first, then those of the
	// environment.
	Overrides []Override
	// Check looks at what a service with texts of its own contributes, after render's own checks; an error leaves the
	// service out. nil accepts everything.
	Check func(*Fragment) error
}

// Override is an operator's text for one template.
type Override struct {
	Name   string // as in Templates
	Text   string
	Source string // where it comes from, for messages: a file or a variable
}

// defaults fills in what was left empty.
func (o Options) defaults() Options {
	text := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	number := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if o.HAProxy == (Version{}) {
		o.HAProxy = Oldest
	}
	text(&o.Addr, "*")
	text(&o.StatsAddr, o.Addr)
	text(&o.MapDir, ".")
	text(&o.Log, "stdout format raw")
	number(&o.HTTPPort, 80)
	number(&o.HTTPSPort, 443)
	number(&o.StatsPort, 9090)
	number(&o.AppIDPort, 9091)
	if o.DefaultOptions == nil {
		o.DefaultOptions = []string{"redispatch", "http-server-close", "dontlognull"}
	}
	return o
}

// WithDefaults fills in what was left empty.
func (o Options) WithDefaults() Options { return o.defaults() }

// Reserved are the ports that a configuration with these options uses itself, for model.Options.
func (o Options) Reserved() map[int]string {
	o = o.defaults()
	m := map[int]string{o.StatsPort: "stats", o.AppIDPort: "app id"}
	if !o.NoHTTP {
		m[o.HTTPPort], m[o.HTTPSPort] = "http", "https"
	}
	return m
}
