package zone

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// DNS record types used here (RFC 1035, 2782, 3596).
const (
	TypeA    uint16 = 1
	TypePTR  uint16 = 12
	TypeAAAA uint16 = 28
	TypeSRV  uint16 = 33
)

// Record is one record's data; which fields count depends on the type.
type Record struct {
	Addr                   netip.Addr // A, AAAA
	Target                 string     // SRV, PTR: lower case, without the trailing dot
	Priority, Weight, Port uint16     // SRV
}

// entry is one record that an app contributes to a name.
type entry struct {
	name string // lower case, without the trailing dot
	typ  uint16
	ttl  uint32
	data Record
	ok   bool // from a task that should get traffic
}

func addrEntry(name string, ip netip.Addr, ttl uint32, ok bool) entry {
	typ := TypeAAAA
	if ip.Is4() {
		typ = TypeA
	}
	return entry{name, typ, ttl, Record{Addr: ip}, ok}
}

// entries lists what app contributes (dns.md sections 3 and 5), and the names that cannot be sent.
func entries(a *api.AppInfo, o *Options) (out []entry, unusable []string) {
	tasks := tasksOf(a, o.Resolve)
	if len(tasks) == 0 {
		return nil, nil
	}
	names, bad := appNames(a.ID, o.Rules)
	w := writer{o: o}
	for _, name := range names {
		for i := range tasks {
			w.task(name, &tasks[i])
		}
	}
	return w.sorted(), append(bad, w.unusable...)
}

// appNames returns the two names of an app: its id's segments reversed and joined, once as one label and once, as DC/OS
// users write it, as they are.
func appNames(id string, rules Rules) (names, unusable []string) {
	segments := strings.Split(strings.Trim(id, "/"), "/")
	slices.Reverse(segments)
	raw := strings.ToLower(strings.Join(segments, "."))
	label := Label(raw, rules)
	if label == "" {
		return nil, []string{raw}
	}
	names = []string{label}
	if raw == label {
		return names, nil
	}
	if !encodable(raw) {
		return names, []string{raw}
	}
	return append(names, raw), nil
}

// writer collects the entries of one app.
type writer struct {
	o        *Options
	out      []entry
	unusable []string
}

func (w *writer) task(name string, t *task) {
	fw, domain := w.o.Framework, w.o.Domain
	canonical := suffixed(name, "-"+idHash(t.id)+"-"+t.tail)
	own, slave := canonical+"."+fw+"."+domain, canonical+"."+fw+".slave."+domain
	addrs := t.address(w.o.Sources)
	w.addrs(name+"."+fw+"."+domain, addrs, t.ok)
	w.addrs(own, addrs, t.ok)
	w.addrs(name+"."+fw+".slave."+domain, t.agent, t.ok)
	w.addrs(slave, t.agent, t.ok)
	for _, p := range t.ports {
		target := own
		if p.host && !w.o.TargetCompat {
			target = slave
		}
		service := prefixed(name) + "._" + p.proto + "." + fw + "." + domain
		w.srv(service, target, p.number, t.ok)
		if p.name != "" {
			w.srv(prefixed(p.name)+"."+service, target, p.number, t.ok)
		}
		if p.host { // the variant by agent ignores protocols: it always has both
			for _, proto := range []string{"._tcp.", "._udp."} {
				w.srv(prefixed(name)+proto+fw+".slave."+domain, slave, p.number, t.ok)
			}
		}
	}
}

// prefixed puts the underscore of a service name before name, whose first label is shortened to leave room for it.
func prefixed(name string) string {
	head, tail, dotted := strings.Cut(name, ".")
	head = "_" + fit(head, maxLabel-1)
	if dotted {
		return head + "." + tail
	}
	return head
}

// suffixed puts a suffix behind name, whose last label is shortened to leave room for it.
func suffixed(name, suffix string) string {
	i := strings.LastIndexByte(name, '.') + 1
	return name[:i] + fit(name[i:], maxLabel-len(suffix)) + suffix
}

func (w *writer) addrs(name string, addrs []netip.Addr, ok bool) {
	for _, ip := range addrs {
		w.add(addrEntry(name, ip, w.o.TTL, ok))
	}
}

func (w *writer) srv(name, target string, number uint16, ok bool) {
	w.add(entry{name, TypeSRV, w.o.TTL, Record{Target: target, Weight: w.o.Weight, Port: number}, ok})
}

func (w *writer) add(e entry) {
	if !encodable(e.name) {
		if !slices.Contains(w.unusable, e.name) {
			w.unusable = append(w.unusable, e.name)
		}
		return
	}
	w.out = append(w.out, e)
}

func (w *writer) sorted() []entry {
	slices.SortFunc(w.out, compareEntries)
	return slices.Compact(w.out)
}

func compareEntries(a, b entry) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.typ, b.typ), compareRecords(a.data, b.data),
		cmp.Compare(a.ttl, b.ttl), compareBool(b.ok, a.ok))
}

func compareRecords(a, b Record) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight),
		cmp.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
