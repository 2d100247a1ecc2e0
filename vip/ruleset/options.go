package ruleset

import (
	"errors"
	"fmt"
	"net/netip"
)

// Options are what a build depends on besides the apps.
type Options struct {
	Framework string       // name in DNS names [marathon]
	Zone      string       // domain of named VIPs [l4lb.thisdcos.directory]
	Range4    netip.Prefix // addresses of named VIPs [11.0.0.0/8]
	Range6    netip.Prefix // [fd01:c::/64]
	NoIPv6    bool
	LaxKeys   bool // any label key that begins with VIP or vip counts, as in DC/OS
	// AllowExplicitInRange accepts labels with an address of Range4 or Range6.
	AllowExplicitInRange bool
	// UnhealthyIfNone sends to unhealthy backends when a VIP has no healthy one, instead of refusing connections.
	UnhealthyIfNone bool
	MasqueradeAll   bool // the backend sees this node's address, never the client's

	// Nodes are this node's addresses: tasks there are reached at their containers' own ones.
	Nodes []netip.Addr
	// Hosts are the addresses of agents that are listed by name.
	Hosts map[string][]netip.Addr
	// Reserved are addresses that no VIP may take, with the reason.
	Reserved []Reserved
	// Remembered are addresses that names had before. They keep them, and nobody else gets them.
	Remembered map[string]Assignment
}

// Reserved is a prefix that the host owns or needs.
type Reserved struct {
	Prefix netip.Prefix
	Reason string // completes "the address is …"
}

// Assignment is what a name resolves to.
type Assignment struct {
	V4 netip.Addr `json:"v4"`
	V6 netip.Addr `json:"v6"`
}

// Default ranges of named VIPs (vip.md section 4).
var (
	DefaultRange4 = netip.MustParsePrefix("11.0.0.0/8")
	DefaultRange6 = netip.MustParsePrefix("fd01:c::/64")
)

// Check fills in defaults and refuses ranges that cannot work.
func (o Options) Check() (Options, error) {
	if o.Framework = Fragment(o.Framework); o.Framework == "" {
		o.Framework = "marathon"
	}
	if o.Zone = Fragment(o.Zone); o.Zone == "" {
		o.Zone = DefaultZone
	}
	if len(o.Framework)+len(o.Zone) > 250-maxName {
		return o, fmt.Errorf("framework %q and zone %q: expected at most %d bytes together", o.Framework, o.Zone, 250-maxName)
	}
	if !o.Range4.IsValid() {
		o.Range4 = DefaultRange4
	}
	if !o.Range6.IsValid() {
		o.Range6 = DefaultRange6
	}
	o.Range4, o.Range6 = o.Range4.Masked(), o.Range6.Masked()
	switch {
	case !o.Range4.Addr().Is4() || o.Range4.Bits() < 8 || o.Range4.Bits() > 28:
		return o, fmt.Errorf("range %s: expected an IPv4 prefix from /8 to /28", o.Range4)
	case !o.Range6.Addr().Is6() || o.Range6.Addr().Is4In6() || o.Range6.Bits() < 32 || o.Range6.Bits() > 120:
		return o, fmt.Errorf("range %s: expected an IPv6 prefix from /32 to /120", o.Range6)
	}
	for _, r := range []netip.Prefix{o.Range4, o.Range6} {
		if err := special(r.Addr()); err != nil {
			return o, fmt.Errorf("range %s: %w", r, err)
		}
		for _, h := range o.Reserved {
			if h.Prefix.Overlaps(r) {
				return o, fmt.Errorf("range %s: %s is %s; expected a range that this host does not use", r, h.Prefix, h.Reason)
			}
		}
	}
	return o, nil
}

// special refuses addresses that cannot be virtual on any host.
func special(a netip.Addr) error {
	switch {
	case a.IsUnspecified():
		return errors.New("the address is the unspecified one")
	case a.IsLoopback():
		return errors.New("the address is a loopback address")
	case a.IsMulticast():
		return errors.New("the address is a multicast address")
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("the address is the broadcast address")
	case a.IsLinkLocalUnicast():
		return errors.New("the address is link-local")
	case a.Is4() && a.As4()[0] == 0, a.Is4() && a.As4()[0] >= 240:
		return errors.New("the address is in a reserved block")
	}
	return nil
}
