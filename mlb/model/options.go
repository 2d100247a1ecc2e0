package model

// Options say which apps a load balancer serves and how. The zero value serves nothing, because no group matches.
type Options struct {
	// Groups are the load balancer's groups; "*" takes every app (marathon-lb.md section 5).
	Groups []string
	// Self is an app id without leading slash that is ignored: the load balancer's own (section 4.2).
	Self string
	// HealthCheck leaves out tasks that Marathon does not know to be healthy (section 4.8).
	HealthCheck bool
	// Strict serves only ports with HAPROXY_<n>_ENABLED=true.
	Strict bool
	// KeepEmpty keeps services without servers, so that their names stay valid; they answer 503.
	KeepEmpty bool
	// AutoPortMin and AutoPortMax bound the ports given to container apps that have none; zero means none are given
	// (section 4.5).
	AutoPortMin, AutoPortMax int
	// Reserved are ports that the load balancer itself uses, with a word for each ("stats"). No service is bound there.
	Reserved map[int]string
	// Resolve gives the IPv4 address of a host name, at once. It is called once for a host in a build and never by two
	// goroutines at a time; addresses are not passed to it. nil resolves nothing.
	Resolve func(host string) (ip string, ok bool)
	// Certificate says why a certificate path cannot be used; nil accepts every path. It must be safe for use by several
	// goroutines.
	Certificate func(path string) error
}

// Limits of what one label or app may ask for.
const (
	maxSetting    = 1 << 10  // bytes in a setting label
	maxListValue  = 16 << 10 // bytes in a setting label that holds a list
	maxTemplate   = 64 << 10 // bytes in a template label
	maxVHosts     = 256      // names in one label
	maxPaths      = 48       // paths in one label: HAProxy takes 64 words a line
	maxNetworks   = 1024     // networks in one label
	maxPorts      = 256      // service ports of one app
	maxIndex      = 9999     // largest <n> in a label
	maxPort       = 65535
	maxHostLength = 253 // RFC 1035 section 2.3.4, without the final dot
)
