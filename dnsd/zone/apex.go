package zone

import (
	"slices"
	"strings"
)

// dcosSOA are the values DC/OS has in its zones (dns.md section 6); only the serial is a real one here, so that
// secondaries notice changes.
var dcosSOA = SOA{
	Mname: "ns.spartan", Rname: "support.mesosphere.com", Refresh: 60, Retry: 180, Expire: 86400, Minimum: 1,
}

// Apex is a name from which on everything below is ours, with what its SOA record says.
type Apex struct {
	Name string // lower case, without the trailing dot
	SOA  SOA
	TTL  uint32 // of the SOA record, seconds

	Serial uint32

	nsTTL uint32
	soa   []byte // the SOA record as sent in the authority section of a negative answer, without its owner
}

// NegativeTTL is how long in seconds the absence of a name or type may be remembered (RFC 2308 section 5).
func (a *Apex) NegativeTTL() uint32 { return min(a.TTL, a.SOA.Minimum) }

// apexes lists the zones, the longest name first, so that the first that fits is the right one.
func apexes(o *Options) []Apex {
	list := []Apex{{Name: o.Domain, SOA: o.SOA, TTL: o.InfraTTL, nsTTL: o.InfraTTL}}
	if o.DCOS {
		for _, name := range []string{
			"thisdcos.directory", dcosZone, l4lbZone, "component.thisdcos.directory", "thisnode.thisdcos.directory", "spartan", "zk",
		} {
			list = append(list, Apex{Name: name, SOA: dcosSOA, TTL: dcosTTL, nsTTL: 3600})
		}
	}
	for _, p := range o.Reverse {
		list = append(list, Apex{Name: reversePrefix(p), SOA: o.SOA, TTL: o.InfraTTL, nsTTL: o.InfraTTL})
	}
	slices.SortStableFunc(list, func(a, b Apex) int {
		if len(a.Name) != len(b.Name) {
			return len(b.Name) - len(a.Name)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return slices.CompactFunc(list, func(a, b Apex) bool { return a.Name == b.Name })
}

// below reports whether name is apex or below it.
func below(name, apex string) bool {
	rest, ok := strings.CutSuffix(name, apex)
	return ok && (rest == "" || rest[len(rest)-1] == '.')
}
