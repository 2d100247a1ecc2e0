// Package model turns apps into what a load balancer should be: frontends, backends, servers and maps as one sorted,
// comparable value. It is pure and knows nothing of HAProxy's syntax beyond names and words; render writes it down,
// plan compares two of them.
//
//	apps → Build → Model + Problems → render.Files → plan.Make(old, new) → haproxy.Apply
package model

import (
	"cmp"

	"berth/orchestrator/api"
)

// Mode of a service.
type Mode string

// Modes.
const (
	HTTP Mode = "http"
	TCP  Mode = "tcp"
)

// Model is all of one load balancer's configuration that comes from apps. Every list is sorted, so equal inputs give
// equal models.
//
// Hosts hold what is left after the order of precedence has been applied, so that a lookup of the longest path for the
// exact host, then for ever shorter wildcards, is all a load balancer has to do. The order is: larger weight; exact host
// before wildcard; longer path; older app (smallest of version and time of the last change); app id. A wildcard goes
// before an exact host only by a weight that its label gives.
type Model struct {
	Services []*Service  // in the order of Compare
	Hosts    []HostRoute // on ports 80 and 443; at most one for each (Host, Path); by host, then path
	AppIDs   []AppRoute  // on the app id port; at most one for each app; by app id

	Spare *Spare // what is kept in store for apps to come; nil for nothing
}

// Compare is the order of Services: backends in store first, which are known by name whoever has claimed them, then by app,
// port and name.
func Compare(a, b *Service) int {
	switch {
	case a.Spare && b.Spare:
		return cmp.Compare(a.Name, b.Name)
	case a.Spare:
		return -1
	case b.Spare:
		return 1
	}
	return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Name, b.Name))
}

// Spare is what a load balancer keeps in store, so that new apps need no reload: backends without servers (services with
// Spare set), and service ports that are open already and lead to the backend of whoever claims them.
type Spare struct {
	Ports []int // open ones, sorted
	// Settled are the http services with a port of their own, sorted by port. While a worker takes over from another, it
	// gets connections that came in on a port which was in store before.
	Settled []PortRoute
}

// PortRoute leads from a service port to a backend.
type PortRoute struct {
	Port    int
	Backend string
}

// Service is one (app, service port) pair: a frontend on the port and a backend, both called Name. Two models may share
// the pointer of a service that did not change.
type Service struct {
	App      string // app id, or deployment group, with leading slash
	Index    int    // position of the port in the app: the <n> of its labels
	Port     int    // service port, after HAPROXY_<n>_PORT
	Name     string // <app id without leading slash, / as _>_<port>
	Mode     Mode
	Balance  string
	Sticky   bool
	BindAddr string // "*" by default

	BindOptions string
	SSLCert     string // path, for the service's own bind

	VHosts          []string // lower case, without repeats, in the label's order
	Paths           []string // path prefixes; empty means every path
	PathFlags       string   // "-i" when the label asks for paths in any case: such a service needs rules of its own
	Weight          int      // order of this service's routes; larger first; 1 with a path unless the label says otherwise
	WeightSet       bool     // the label gave the weight
	RedirectToHTTPS bool
	HSTS            bool
	Auth            *Auth
	AllowedNetworks []string // IPs and CIDRs; empty means everyone

	ProxypassPath string
	RevproxyPath  string
	RedirectPath  string

	HealthCheck *HealthCheck
	Servers     []Server // by host as text, then port

	// Unbound is set when the service has no frontend on its port: another one was there first, or the certificate
	// cannot be used. Its backend and routes exist all the same.
	Unbound bool
	// Spare is set for a backend kept in store. Proper is the name that the service which claimed it would have
	// otherwise, "" while nobody has; the other fields are that service's.
	Spare  bool
	Proper string

	// Created orders claims to one name or port: the older app wins (see Model.Hosts).
	Created api.Timestamp

	// Templates are this service's own texts by template name (BACKEND_HEAD, …), from HAPROXY_<n>_<TEMPLATE>.
	Templates map[string]string
}

// Auth is HTTP basic authentication with one user and a crypt hash.
type Auth struct {
	Realm, User, PasswordHash string
}

// Server is one task port.
type Server struct {
	Name     string // the name marathon-lb gave it (marathon-lb.md section 9.4): stats and zdd users parse it
	Task     string // task id
	Host     string // as Marathon says
	IP       string
	Port     int
	ID       int    // HAProxy's numeric id, stable for the name (section 9.6)
	Cookie   string // empty unless sticky
	Check    *Check // nil: not checked
	Draining bool   // no new sessions; shown as MAINT
	Canary   bool   // of the app's canary
	Weighted bool   // Weight is set; else it is HAProxy's default, 1
	Weight   int    // share of new requests, relative to the other servers; 0 to 256
}

// HealthCheck is the Marathon check that belongs to a service, as templates see it.
type HealthCheck struct {
	Protocol               string
	Path                   string // "/" unless given
	Port                   int    // what HAProxy is to check, where that is not the server's own port; else 0
	PortIndex              int
	TimeoutSeconds         float64
	IntervalSeconds        float64
	GracePeriodSeconds     float64
	MaxConsecutiveFailures int
}

// Check is how HAProxy probes one server.
type Check struct {
	Interval int // milliseconds
	Fall     int
	Port     int  // 0: the server's own
	TLS      bool // HTTPS without verification
	HTTP     bool // GET of the check's path rather than a mere connect
}

// HostRoute sends requests for Host and, when Path is not empty, below Path to a backend.
type HostRoute struct {
	Host            string // exact, lower case; or "*.example.com"
	Path            string
	Backend         string
	RedirectToHTTPS bool // on port 80
}

// AppRoute sends requests whose X-Marathon-App-Id is App (lower case) to a backend.
type AppRoute struct {
	App     string
	Backend string
}

// Problem says what was left out of a model and why. Nothing else is harmed by it.
type Problem struct {
	App    string // app id
	Field  string // label or JSON field, "" if the app as a whole
	Value  string // shortened to 200 bytes, printable
	Reason string // what is wrong and what was expected
	// Severity is "error" when a service or app is left out or kept at its last good state, "warning" when only the
	// setting was ignored.
	Severity string
}
