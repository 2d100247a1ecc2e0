package zone

import (
	"hash/maphash"
	"strings"
)

// shards divide the names of a zone; a change copies only the shards it touches. At 100,000 names a shard holds about
// fifty.
const shards = 2048

var seed = maphash.MakeSeed()

// Zone is one generation of the records under one apex. It never changes, so a reader that took it once sees no mixture
// of two generations, and reads take no lock. The zero Zone has no names.
type Zone struct {
	apex   string
	serial uint32
	soa    SOA
	ttl    uint32 // of SOA and NS
	shard  [shards]map[string]*Node
	count  Count
}

// Count says how large a zone is.
type Count struct {
	Names, Records int
}

// Node is a name that exists: it has records, or it is an ancestor of a name that has.
type Node struct {
	Name string // lower case, without the trailing dot
	Sets []RRset
	// Fallback says that no task behind the name passes its health checks, and all were published instead of none.
	Fallback bool
	// Apps are the ids of the apps behind the name, sorted; more than one means that their names collide or that they
	// share it on purpose.
	Apps []string
}

// RRset holds the records of one type, sorted, without repeats.
type RRset struct {
	Type    uint16
	TTL     uint32 // seconds
	Records []Record
}

// Set returns the records of a type, nil if there are none.
func (n *Node) Set(typ uint16) *RRset {
	for i := range n.Sets {
		if n.Sets[i].Type == typ {
			return &n.Sets[i]
		}
	}
	return nil
}

// Answer classes what Lookup found (RFC 2308 section 2).
type Answer int

// Answers.
const (
	Outside  Answer = iota // the name is not below the apex: somebody else answers
	Success                // Node has records of the type
	NoData                 // the name exists, but has no record of the type
	NXDomain               // the name does not exist, nor any name below it
)

// Lookup finds the records of a type at a name, given in lower case without the trailing dot. The apex exists always.
func (z *Zone) Lookup(name string, typ uint16) (*RRset, *Node, Answer) {
	if !z.Contains(name) {
		return nil, nil, Outside
	}
	n := z.shard[shardOf(name)][name]
	switch {
	case n == nil && name == z.apex:
		return nil, nil, NoData
	case n == nil:
		return nil, nil, NXDomain
	}
	if set := n.Set(typ); set != nil {
		return set, n, Success
	}
	return nil, n, NoData
}

// Contains reports whether name is the apex or below it.
func (z *Zone) Contains(name string) bool {
	rest, ok := strings.CutSuffix(name, z.apex)
	return ok && (rest == "" || rest[len(rest)-1] == '.')
}

// Apex returns the name of the zone.
func (z *Zone) Apex() string { return z.apex }

// Serial returns the serial of the SOA record; it grows with every change that can be seen, and only then.
func (z *Zone) Serial() uint32 { return z.serial }

// SOA returns the values of the SOA record and its TTL in seconds.
func (z *Zone) SOA() (SOA, uint32) { return z.soa, z.ttl }

// Count returns the number of names with records and of records, without SOA and NS.
func (z *Zone) Count() Count { return z.count }

// Nodes calls yield for every name, in no order.
func (z *Zone) Nodes(yield func(*Node) bool) {
	for _, m := range z.shard {
		for _, n := range m {
			if !yield(n) {
				return
			}
		}
	}
}

func shardOf(name string) int { return int(maphash.String(seed, name) % shards) }
