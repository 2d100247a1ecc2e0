package ruleset

import (
	"net/netip"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type addrPort = netip.AddrPort

var compareAddrs = cmp.Options{
	cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
}

func compareStrings(a, b string) int { return strings.Compare(a, b) }
