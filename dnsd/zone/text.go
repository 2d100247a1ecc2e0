package zone

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteTo prints the main zone in master-file format (RFC 1035 section 5), sorted, so that equal zones print alike and
// another name server can load it.
func (z *Zone) WriteTo(w io.Writer) (int64, error) { return z.WriteZone(w, z.domain) }

// WriteZone prints the zone of an apex as WriteTo does the main one. An apex that is not ours prints nothing.
func (z *Zone) WriteZone(w io.Writer, apex string) (int64, error) {
	i := slices.IndexFunc(z.apexes, func(a Apex) bool { return a.Name == apex })
	if i < 0 {
		return 0, nil
	}
	a := &z.apexes[i]
	c := &counter{w: w}
	b := bufio.NewWriterSize(c, 64<<10)
	fmt.Fprintf(b, "%s.\t%d\tIN\tSOA\t%s. %s. %d %d %d %d %d\n", a.Name, a.TTL, a.SOA.Mname, a.SOA.Rname, a.Serial,
		a.SOA.Refresh, a.SOA.Retry, a.SOA.Expire, a.SOA.Minimum)
	for _, n := range z.Sorted(apex) {
		for i := range n.Sets {
			set := &n.Sets[i]
			for _, r := range set.Records() {
				fmt.Fprintf(b, "%s.\t%d\tIN\t%s\n", n.Name, set.TTL, r.Text(set.Type))
			}
		}
	}
	err := b.Flush()
	return c.n, err
}

// Sorted returns the names of one zone that have records, in the order zones are usually read: by their labels from the
// right.
func (z *Zone) Sorted(apex string) []*Node {
	type keyed struct {
		key string
		n   *Node
	}
	var list []keyed
	for n := range z.Nodes {
		if a := z.ApexOf([]byte(n.Name)); len(n.Sets) > 0 && a != nil && a.Name == apex {
			list = append(list, keyed{sortKey(n.Name), n})
		}
	}
	slices.SortFunc(list, func(x, y keyed) int { return strings.Compare(x.key, y.key) })
	out := make([]*Node, len(list))
	for i := range list {
		out[i] = list[i].n
	}
	return out
}

// TypeName is a type as texts write it.
func TypeName(typ uint16) string {
	switch typ {
	case TypeA:
		return "A"
	case TypeAAAA:
		return "AAAA"
	case TypeSRV:
		return "SRV"
	case TypePTR:
		return "PTR"
	case TypeCNAME:
		return "CNAME"
	case TypeNS:
		return "NS"
	case TypeSOA:
		return "SOA"
	}
	return fmt.Sprintf("TYPE%d", typ) // RFC 3597 section 5
}

// Text is the record's type and data in master-file format.
func (r Record) Text(typ uint16) string {
	data := r.Target + "."
	switch typ {
	case TypeA, TypeAAAA:
		data = r.Addr.String()
	case TypeSRV:
		data = fmt.Sprintf("%d %d %d %s.", r.Priority, r.Weight, r.Port, r.Target)
	}
	return TypeName(typ) + "\t" + data
}

// sortKey is a name with its labels the other way round, joined by a byte that sorts before all others.
func sortKey(name string) string {
	labels := strings.Split(name, ".")
	slices.Reverse(labels)
	return strings.Join(labels, "\x00")
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
