package zone

import (
	"hash/maphash"
)

// shards divide the names of a zone; a change copies only the shards it touches. At 250,000 names a shard holds about
// sixty.
const shards = 4096

var seed = maphash.MakeSeed()

// Zone is one generation of all records, below one or several apexes. It never changes, so a reader that took it once sees
// no mixture of two generations, and reads take no lock. The zero Zone has no names.
type Zone struct {
	serial uint32
	domain string
	apexes []Apex // longest name first
	shard  [shards]map[string]*Node
	count  Count
	// pending says that apps of some framework are not known yet, so that nothing is known not to exist.
	pending bool
}

// Count says how large a zone is.
type Count struct {
	Names, Records int
	Types          [len(CountedTypes)]int // records of each type
}

// CountedTypes are the types that a zone may have beside SOA.
var CountedTypes = [...]uint16{TypeA, TypeAAAA, TypeSRV, TypePTR, TypeCNAME, TypeNS}

// Node is a name that exists: it has records, or it is an ancestor of a name that has.
type Node struct {
	Name string // lower case, without the trailing dot
	Sets []RRset
	// Fallback says that no task behind the name passes its health checks, and all were published instead of none.
	Fallback bool
	// Apps are the ids of the apps behind the name, sorted; more than one means that their names collide or that they
	// share it on purpose.
	Apps []string

	one [1]RRset // room for Sets, as most names have one
}

// RRset holds the records of one type, sorted, without repeats. They are kept as they are sent, and in no other form: of
// hundreds of thousands of names, that is most of the memory.
type RRset struct {
	Type uint16
	TTL  uint32 // seconds
	n    uint32 // records
	wire []byte
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
	Outside  Answer = iota // the name is below no apex, and nobody gave records to it: somebody else answers
	Success                // Set has records of the type
	Alias                  // Set has the CNAME record that the name has instead
	NoData                 // the name exists, but has no record of the type
	NXDomain               // the name does not exist, nor any name below it
	Pending                // whether the name exists is not known yet
)

// Result is what Lookup found.
type Result struct {
	Answer Answer
	Set    *RRset // of Success and Alias
	Node   *Node  // nil where there is no such name
	// Apex is the zone the name belongs to; nil for a name outside of all, which is a zone of its own if it exists.
	Apex *Apex
}

// Lookup finds the records of a type at a name, given in lower case without the trailing dot. A zone's SOA record is not
// among the records: see Apex.
func (z *Zone) Lookup(name string, typ uint16) Result { return z.LookupBytes([]byte(name), typ) }

// LookupBytes is Lookup for a name in a buffer; it does not allocate.
func (z *Zone) LookupBytes(name []byte, typ uint16) Result {
	n := z.NodeBytes(name)
	if n != nil {
		if set := n.Set(typ); set != nil {
			return Result{Success, set, n, z.ApexOf(name)}
		}
		if set := n.Set(TypeCNAME); set != nil {
			return Result{Alias, set, n, z.ApexOf(name)}
		}
		return Result{NoData, nil, n, z.ApexOf(name)}
	}
	a := z.ApexOf(name)
	switch {
	case a == nil:
		return Result{}
	case len(a.Name) == len(name):
		return Result{NoData, nil, nil, a}
	}
	if z.pending {
		return Result{Pending, nil, nil, a}
	}
	return Result{NXDomain, nil, nil, a}
}

// NodeBytes is Node for a name in a buffer; it does not allocate.
func (z *Zone) NodeBytes(name []byte) *Node {
	return z.shard[maphash.Bytes(seed, name)%shards][string(name)]
}

// Node returns the name's node, nil if there is no such name. Unlike Lookup it does not say whose the name is.
func (z *Zone) Node(name string) *Node { return z.shard[shardOf(name)][name] }

// ApexOf returns the zone that name, in lower case, belongs to; nil is none of ours.
func (z *Zone) ApexOf(name []byte) *Apex {
	for i := range z.apexes {
		a := &z.apexes[i]
		rest := len(name) - len(a.Name)
		if rest >= 0 && string(name[rest:]) == a.Name && (rest == 0 || name[rest-1] == '.') {
			return a
		}
	}
	return nil
}

// Domain returns the name of the main zone.
func (z *Zone) Domain() string { return z.domain }

// Apexes returns all zones, the longest name first. The caller must not change them.
func (z *Zone) Apexes() []Apex { return z.apexes }

// Serial returns the serial of the SOA records; it grows with every change that can be seen, and only then.
func (z *Zone) Serial() uint32 { return z.serial }

// Count returns the number of names with records and of records, without SOA.
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

// Below calls yield for every name directly or indirectly below one. It walks all names: for reports.
func (z *Zone) Below(name string) func(func(*Node) bool) {
	return func(yield func(*Node) bool) {
		for n := range z.Nodes {
			if len(n.Name) > len(name) && below(n.Name, name) && !yield(n) {
				return
			}
		}
	}
}
