package zone

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Source names where a task's address is taken from (dns.md section 4).
type Source string

// Sources. Auto is the agent's address when any port of the task is published on the host, and the task's own otherwise.
// Mesos and Docker are accepted for old configurations and give nothing.
const (
	SourceAuto    Source = "auto"
	SourceHost    Source = "host"
	SourceNetinfo Source = "netinfo"
	SourceMesos   Source = "mesos"
	SourceDocker  Source = "docker"
)

// HealthFilter says what becomes of tasks that do not pass their health checks.
type HealthFilter string

// Health filters.
const (
	FilterStrict HealthFilter = "strict"   // not served
	FilterOpen   HealthFilter = "failopen" // not served while another task of the name passes
	FilterOff    HealthFilter = "off"      // served
)

// Options of a zone.
type Options struct {
	Domain    string // apex, default mesos
	Framework string // the orchestrator's name, default marathon
	// Frameworks are the names of other orchestrators whose apps are served as well. Until apps of each have been given, what is
	// not in the zone is Pending.
	Frameworks []string
	Rules      Rules
	Sources    []Source // default auto
	Filter     HealthFilter
	// TargetCompat restores Mesos-DNS' SRV targets: T-H-S.F.domain for every port, whatever its address is.
	TargetCompat bool
	Weight       uint16 // of SRV records, default 1

	TTL      uint32 // seconds, of task records
	InfraTTL uint32 // seconds, of records of agents, leaders and the zone itself

	SOA SOA
	// DCOS adds DC/OS' own zones below thisdcos.directory (dns.md section 6).
	DCOS bool
	// PTR adds a name for each address that is published. Reverse lists networks whose reverse zones are ours as a whole:
	// an address in them that nobody has does not exist, rather than being asked for elsewhere.
	PTR     bool
	Reverse []netip.Prefix
	// AgentPort is the port in _slave._tcp.<domain>; 0 makes no such record. Mesos' agents have 5051.
	AgentPort uint16
	// Resolve finds the addresses of an agent that is listed by name; nil knows none.
	Resolve func(host string) []netip.Addr
}

// SOA holds the values of the zone's SOA record; times are in seconds.
type SOA struct {
	Mname, Rname           string // default ns1.<domain>, root.ns1.<domain>
	Refresh, Retry, Expire uint32
	Minimum                uint32 // and the time a negative answer is kept
}

// DefaultOptions are what dnsd uses unless told otherwise.
func DefaultOptions() Options {
	return Options{
		Domain: "mesos", Framework: "marathon", Sources: []Source{SourceAuto}, Filter: FilterOpen, Weight: 1,
		TTL: 5, InfraTTL: 60, SOA: SOA{Refresh: 60, Retry: 600, Expire: 86400, Minimum: 60}, DCOS: true, PTR: true,
	}
}

// Validate completes o, or names the value that is wrong.
func (o Options) Validate() (Options, error) {
	if o.Domain = Fragment(o.Domain, RFC1123); o.Domain == "" {
		return o, fmt.Errorf("domain: expected labels of letters, digits and hyphens, joined by dots")
	}
	if o.Framework = Fragment(o.Framework, o.Rules); o.Framework == "" {
		return o, fmt.Errorf("framework name: expected letters, digits and hyphens")
	}
	if err := o.completeFrameworks(); err != nil {
		return o, err
	}
	if len(o.Sources) == 0 {
		return o, fmt.Errorf("address sources: expected at least one")
	}
	for i, s := range o.Sources {
		if !slices.Contains([]Source{SourceAuto, SourceHost, SourceNetinfo, SourceMesos, SourceDocker}, s) {
			return o, fmt.Errorf("address source %q: expected auto, host, netinfo, mesos or docker", s)
		}
		if slices.Contains(o.Sources[:i], s) {
			return o, fmt.Errorf("address source %q: given twice", s)
		}
	}
	if !slices.Contains([]HealthFilter{FilterStrict, FilterOpen, FilterOff}, o.Filter) {
		return o, fmt.Errorf("health filter %q: expected strict, failopen or off", o.Filter)
	}
	if len(o.Domain) > maxDomain || !encodable(o.Domain) {
		return o, fmt.Errorf("domain %q: expected at most %d bytes, labels of at most 63", o.Domain, maxDomain)
	}
	if len(o.Framework) > maxDomain || !encodable(o.Framework) {
		return o, fmt.Errorf("framework name %q: expected at most %d bytes, labels of at most 63", o.Framework, maxDomain)
	}
	for _, p := range o.Reverse {
		if !p.IsValid() || p.Bits() == 0 {
			return o, fmt.Errorf("reverse network %s: expected an address and a length above 0, as in 10.0.0.0/8", p)
		}
	}
	err := o.SOA.complete(o.Domain)
	return o, err
}

// completeFrameworks brings the names of other frameworks into the form of the zone's own. Two of one name would be one.
func (o *Options) completeFrameworks() error {
	list := make([]string, 0, len(o.Frameworks))
	for _, name := range o.Frameworks {
		f := Fragment(name, o.Rules)
		switch {
		case f == "" || len(f) > maxDomain || !encodable(f):
			return fmt.Errorf("framework name %.100q: expected letters, digits and hyphens, at most %d bytes", name, maxDomain)
		case f == o.Framework || slices.Contains(list, f):
			return fmt.Errorf("framework name %q: two frameworks have it", f)
		case len(list) == maxFrameworks:
			return fmt.Errorf("framework name %q: more than %d others", f, maxFrameworks)
		}
		list = append(list, f)
	}
	o.Frameworks = list
	return nil
}

const maxFrameworks = 32

// maxDomain leaves room for the labels of services in front of it.
const maxDomain = 63

// complete fills in names and brings them into the form of the zone's own.
func (s *SOA) complete(domain string) error {
	s.Mname, s.Rname = strings.Trim(strings.ToLower(s.Mname), "."), strings.Trim(strings.ToLower(s.Rname), ".")
	s.Rname = strings.Replace(s.Rname, "@", ".", 1)
	if s.Mname == "" {
		s.Mname = "ns1." + domain
	}
	if s.Rname == "" {
		s.Rname = "root.ns1." + domain
	}
	for _, name := range []string{s.Mname, s.Rname} {
		if !encodable(name) {
			return fmt.Errorf("SOA name %q: expected labels of at most 63 bytes, joined by dots", name)
		}
	}
	return nil
}
