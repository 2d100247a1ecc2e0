package zone

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteTo prints the zone in master-file format (RFC 1035 section 5), sorted, so that equal zones print alike and another
// name server can load it.
func (z *Zone) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\t%d\tIN\tSOA\t%s. %s. %d %d %d %d %d\n", z.apex, z.ttl, z.soa.Mname, z.soa.Rname, z.serial,
		z.soa.Refresh, z.soa.Retry, z.soa.Expire, z.soa.Minimum)
	fmt.Fprintf(&b, "%s.\t%d\tIN\tNS\t%s.\n", z.apex, z.ttl, z.soa.Mname)
	var nodes []*Node
	for n := range z.Nodes {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(x, y *Node) int { return compareStrings(x.Name, y.Name) })
	for _, n := range nodes {
		for _, set := range n.Sets {
			for _, r := range set.Records {
				fmt.Fprintf(&b, "%s.\t%d\tIN\t%s\n", n.Name, set.TTL, r.text(set.Type))
			}
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func (r Record) text(typ uint16) string {
	switch typ {
	case TypeA:
		return "A\t" + r.Addr.String()
	case TypeAAAA:
		return "AAAA\t" + r.Addr.String()
	case TypePTR:
		return "PTR\t" + r.Target + "."
	case TypeSRV:
		return fmt.Sprintf("SRV\t%d %d %d %s.", r.Priority, r.Weight, r.Port, r.Target)
	}
	return fmt.Sprintf("TYPE%d", typ)
}

// compareStrings orders names by their labels from the right, as a zone is usually read.
func compareStrings(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	slices.Reverse(x)
	slices.Reverse(y)
	return slices.Compare(x, y)
}
