// Package dnsdd is the name server's daemon: its configuration, and the wiring of watch, zone, server, forwarder and HTTP. It is
// a package of its own so that `berth dev` runs the same thing inside its process.
package dnsdd

import (
	"time"

	"berth/dnsd/forward"
	"berth/dnsd/server"
	"berth/dnsd/zone"
)

// Config is everything the daemon can be told. DefaultConfig has the values of a daemon without flags.
type Config struct {
	// Source.
	Marathon        []string // URLs of one cluster
	Credentials     string   // user:password
	CredentialsFile string   // the same in the first line of a file
	DCOSCredentials string   // JSON of a DC/OS service account
	CACert          string   // PEM bundle
	TokenFile       string   // bearer token in the first line
	ClientCert      string   // PEM, with ClientKey: to show the server
	ClientKey       string
	Insecure        bool // don't verify the server
	Quiet, Ceiling  time.Duration
	Resync          time.Duration
	StaleAfter      time.Duration
	ExpireAfter     time.Duration // 0: never
	Subscriber      string        // "" is made from host name and listener
	Also            []string      // name=URL,URL of other frameworks
	VIP             string        // URL of this node's vip, whose names are served; "" serves none

	// Addresses.
	Listen     []string // host:port, :port for all addresses; empty for none
	HTTP       string   // the same; "" for none
	OwnAddress []string // at which others reach this server; empty is found out
	User       string   // to become once all is bound; "" stays

	// Zone.
	Domain, Framework string
	Masters           []string // host:port of the orchestrators; empty is made from the URLs
	TTL, InfraTTL     uint32
	IPSources         []string
	HealthFilter      string
	RFC952            bool
	SRVTargetCompat   bool
	SRVWeight         uint16
	DCOS, PTR         bool
	Reverse           []string
	AgentPort         uint16
	SOA               zone.SOA
	HostsFile         string
	RecordsFile       string

	// Answers.
	MaxUDPSize     int
	Order          string
	TruncateBit    bool
	StripWildcards bool
	FullAny        bool
	RateLimit      int
	AllowQuery     []string
	AllowRecursion []string
	AllowTransfer  []string
	Notify         []string // IP or IP:port of secondaries
	MaxTCP         int

	// Others' names.
	External           bool
	RecursionAvailable bool
	Resolvers          []string // empty: those of ResolvConf
	ZoneResolvers      []string // zone=IP,IP
	ResolvConf         string
	Timeout            time.Duration
	Hedge              time.Duration
	CacheEntries       int
	LoopCheck          bool

	// Running.
	StateDir    string // "" keeps nothing
	Enumeration bool
	LogLevel    string
	LogFormat   string
}

// DefaultConfig returns the values of a daemon without flags.
func DefaultConfig() Config {
	z, s, f := zone.DefaultOptions(), server.DefaultConfig(), forward.DefaultOptions()
	return Config{
		Marathon: []string{"http://127.0.0.1:8080"}, Quiet: 5 * time.Millisecond, Ceiling: 50 * time.Millisecond,
		Resync: 5 * time.Minute, StaleAfter: 30 * time.Second,
		Listen: []string{":53"}, HTTP: ":8123",
		Domain: z.Domain, Framework: z.Framework, TTL: z.TTL, InfraTTL: z.InfraTTL, IPSources: []string{"auto"},
		HealthFilter: string(z.Filter), SRVWeight: z.Weight, DCOS: z.DCOS, PTR: z.PTR, SOA: z.SOA,
		MaxUDPSize: s.MaxUDPSize, Order: string(s.Order), TruncateBit: true,
		AllowRecursion: []string{"private"}, AllowTransfer: []string{"loopback"}, MaxTCP: s.Connections,
		External: true, RecursionAvailable: true, ResolvConf: "/etc/resolv.conf", Timeout: f.Deadline, Hedge: f.Hedge,
		CacheEntries: f.Entries, LoopCheck: true,
		StateDir: "/var/lib/dnsd", Enumeration: true, LogLevel: "info", LogFormat: "text",
	}
}
