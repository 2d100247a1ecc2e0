// Package mlbd is the load balancer's daemon: its configuration, and the wiring of watch, loop and HAProxy. It is a package
// of its own so that `berth dev` runs the same thing inside its process.
package mlbd

import (
	"time"
)

// Config is everything the daemon can be told. DefaultConfig has the values of a daemon without flags.
type Config struct {
	// Source.
	Marathon           []string // URLs of one cluster
	Credentials        string   // user:password
	CredentialsFile    string   // the same in the first line of a file
	DCOSCredentials    string   // JSON of a DC/OS service account
	TokenFile          string   // bearer token in the first line
	CACert             string   // PEM bundle
	ClientCert         string   // PEM, with ClientKey: to show the server
	ClientKey          string
	Insecure           bool    // don't verify the server
	MaxBackoff         float64 // seconds
	Quiet, Ceiling     time.Duration
	Resync, StaleAfter time.Duration
	CacheFile          string // "" is apps.json next to the configuration, "none" keeps none
	Subscriber         string // "" is made from host name and configuration file

	// Apps.
	Groups                   []string
	HealthCheck, Strict      bool
	KeepEmpty                bool
	TemplateLabels           bool
	AutoPortMin, AutoPortMax int
	Self                     string // app id to ignore

	// HAProxy.
	HAProxyConfig    string
	HAProxyBinary    string
	RunDir           string
	BindAddress      string
	StatsAddress     string
	StatsAuth        string // user:password, "" for none
	HTTPPort         int
	HTTPSPort        int
	StatsPort        int
	AppIDPort        int
	DontBindHTTP     bool
	AcceptProxy      bool   // on the ports for host names
	Forwarded        string // what becomes of X-Forwarded-* that clients send: trust or overwrite
	SSLCerts         []string
	GroupHTTPS       bool
	User, Group      string // "auto" is haproxy when started by root and there is such a user
	MaxConn          int    // 0: 50000, or what the limit of open files allows
	HardStopAfter    time.Duration
	MaxReloads       int
	CloseSpread      time.Duration
	AccessLog        bool
	HAProxyLog       string
	DefaultOptions   []string
	TemplateDir      string
	SkipValidation   bool
	ServerStates     bool
	Archive          int
	CheckTimeout     time.Duration
	ReloadTimeout    time.Duration
	ReloadInterval   float64 // seconds
	MaxReloadRetries int

	// In store for apps to come; ports are "from-to".
	SpareBackends, SpareTCPBackends int
	SparePorts                      string

	// Running.
	AdminListen     string
	Once, Dry       bool
	LeaveHAProxy    bool
	ShutdownDelay   time.Duration
	ShutdownTimeout time.Duration
	LogLevel        string
	LogFormat       string
}

// DefaultConfig returns the values of a daemon without flags.
func DefaultConfig() Config {
	return Config{
		Marathon: []string{"http://127.0.0.1:8080"}, MaxBackoff: 30,
		Quiet: 5 * time.Millisecond, Ceiling: 50 * time.Millisecond,
		Resync: 5 * time.Minute, StaleAfter: 10 * time.Minute,
		AutoPortMin: 10050, AutoPortMax: 10100, TemplateLabels: true,
		HAProxyConfig: "/etc/haproxy/haproxy.cfg", BindAddress: "*",
		Forwarded: trust, HTTPPort: 80, HTTPSPort: 443, StatsPort: 9090, AppIDPort: 9091,
		User: auto, HardStopAfter: 10 * time.Minute, MaxReloads: 20,
		HAProxyLog: "stdout format raw", TemplateDir: "templates", ServerStates: true, Archive: 5,
		CheckTimeout: 30 * time.Second, ReloadTimeout: 30 * time.Second, ReloadInterval: 10, MaxReloadRetries: 10,
		SparePorts:    "10000-20000",
		ShutdownDelay: time.Second, ShutdownTimeout: 8 * time.Second,
		LogLevel: "info", LogFormat: "text",
	}
}

const auto = "auto"

// Values of Forwarded.
const trust, overwrite = "trust", "overwrite"
