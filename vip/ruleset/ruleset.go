package ruleset

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// Ruleset is what the table holds. It is never changed once it is made; what did not change between two is shared, so
// comparing pointers finds what did.
type Ruleset struct {
	Layout   Layout
	Services []*Service     // sorted by key
	VIPs     []netip.Addr   // sorted: those outside the ranges
	Ranges   []netip.Prefix // sorted: every address in them is ours, whether it is given to a name or not
	Hairpin  []netip.Addr   // sorted: containers of this node that serve
	Links    []Link         // sorted
	Idle     []Pick         // sorted: chains that no service uses; see Steps

	picks map[Pick]int // how many services use each; nil until it is needed
}

// Layout is what the constant part of the table depends on. A table with another layout is made anew, in one batch.
type Layout struct {
	MasqueradeAll bool
}

// layoutVersion changes with the chains and sets of text.go and vip/nft.
const layoutVersion = "1"

// Marker is the name of a chain without rules that tells which layout a table has.
func (l Layout) Marker() string {
	if l.MasqueradeAll {
		return "layout_" + layoutVersion + "_masquerade_all"
	}
	return "layout_" + layoutVersion
}

// Role is a set of interfaces.
type Role string

// Roles of interfaces.
const (
	Uplink      Role = "uplinks"      // what comes in there is not translated
	SameL2      Role = "samel2"       // bridges whose frames pass no IP hooks: translated traffic within one is masqueraded
	HairpinPort Role = "hairpinports" // bridge ports whose hairpin mode vip switched on; a note for clean-up
)

// Roles lists all roles.
var Roles = []Role{HairpinPort, SameL2, Uplink}

// Link is one interface in one role.
type Link struct {
	Role Role
	Name string
}

// Compare orders links by role and name.
func (l Link) Compare(o Link) int {
	return cmp.Or(cmp.Compare(l.Role, o.Role), cmp.Compare(l.Name, o.Name))
}

// Picks lists the chains besides the constant ones, sorted: those that services use, and idle ones.
func (r *Ruleset) Picks() []Pick {
	return slices.SortedFunc(maps.Keys(r.chains()), Pick.Compare)
}

// chains is a set of the same.
func (r *Ruleset) chains() map[Pick]int {
	if len(r.Idle) == 0 {
		return r.count()
	}
	all := maps.Clone(r.count())
	for _, p := range r.Idle {
		all[p]++
	}
	return all
}

func (r *Ruleset) count() map[Pick]int {
	if r.picks == nil {
		r.picks = map[Pick]int{}
		for _, s := range r.Services {
			countPick(r.picks, s, 1)
		}
	}
	return r.picks
}

func countPick(picks map[Pick]int, s *Service, by int) {
	if s.Pick().Constant() {
		return
	}
	if picks[s.Pick()] += by; picks[s.Pick()] == 0 {
		delete(picks, s.Pick())
	}
}

// Find returns the service of a key, or nil.
func (r *Ruleset) Find(k Key) *Service {
	i, ok := slices.BinarySearchFunc(r.Services, k, func(s *Service, k Key) int { return s.Key.Compare(k) })
	if !ok {
		return nil
	}
	return r.Services[i]
}

// Owns reports whether an address is a VIP, in use or kept for one.
func (r *Ruleset) Owns(a netip.Addr) bool {
	if _, ok := slices.BinarySearchFunc(r.VIPs, a, netip.Addr.Compare); ok {
		return true
	}
	return slices.ContainsFunc(r.Ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Backends counts slots.
func (r *Ruleset) Backends() int {
	n := 0
	for _, s := range r.Services {
		n += len(s.Slots)
	}
	return n
}

// Equal reports whether two rulesets hold the same.
func (r *Ruleset) Equal(o *Ruleset) bool {
	return r.Layout == o.Layout &&
		slices.EqualFunc(r.Services, o.Services, func(a, b *Service) bool { return a == b || a.equal(b) }) &&
		slices.Equal(r.VIPs, o.VIPs) && slices.Equal(r.Ranges, o.Ranges) && slices.Equal(r.Hairpin, o.Hairpin) &&
		slices.Equal(r.Links, o.Links) && slices.Equal(r.Idle, o.Idle)
}

func (s *Service) equal(o *Service) bool {
	return s.Key == o.Key && slices.Equal(s.Slots, o.Slots) && slices.Equal(s.Spare, o.Spare)
}
