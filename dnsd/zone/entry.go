package zone

import (
	"net/netip"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// DC/OS zones (dns.md section 6).
const (
	dcosZone   = "dcos.thisdcos.directory"
	l4lbZone   = "l4lb.thisdcos.directory"
	dcosTTL    = 5
	dcosAgent  = "agentip." + dcosZone
	dcosOwn    = "containerip." + dcosZone
	dcosEither = "autoip." + dcosZone
)

// appWriter writes the records of one app's tasks (dns.md sections 3, 5 and 6).
type appWriter struct {
	*writer
	ttl     uint32
	sources []Source
	names   []appName
	tasks   int
}

// appName is one of the names of an app, with what is made of it once for all tasks.
type appName struct {
	name       string // T
	own, agent int    // T.F.domain and T.F.slave.domain, as indexes of groups
	services   []service
}

// service is an owner name of SRV records.
type service struct {
	proto, port string
	agent       bool // the variant by agent
	at          int  // index of the group
}

// app collects what a contributes.
func (w *writer) app(a *api.AppInfo, kept map[string][]netip.Addr) (problems []string) {
	over, problems := overridesOf(a, w.o)
	if over.off {
		return problems
	}
	tasks := tasksOf(a, w.o.Resolve, kept)
	if len(tasks) == 0 {
		return problems
	}
	names, bad := appNames(a.ID, w.o.Rules)
	w.unusable = append(w.unusable, bad...)
	aw := appWriter{writer: w, ttl: w.o.TTL, sources: w.o.Sources, tasks: len(tasks)}
	if over.ttl != nil {
		aw.ttl = *over.ttl
	}
	if over.source != "" {
		aw.sources = []Source{over.source}
	}
	suffix := "." + w.framework + "." + w.o.Domain
	slave := "." + w.framework + ".slave." + w.o.Domain
	for _, n := range names {
		aw.names = append(aw.names, appName{
			name: n, own: w.expect(w.at(n+suffix), len(tasks)), agent: w.expect(w.at(n+slave), len(tasks)),
		})
	}
	for i := range tasks {
		t := &tasks[i]
		t.ok = t.ok || over.unchecked
		aw.task(t, suffix, slave)
		for _, alias := range over.aliases {
			w.addrs(w.at(alias+"."+w.o.Domain), t.address(aw.sources), aw.ttl, t.ok)
		}
	}
	if w.o.DCOS && len(names) > 0 {
		w.dcosTasks(names[0], tasks)
	}
	return problems
}

func (w *appWriter) task(t *task, suffix, slave string) {
	tail := "-" + idHash(t.id) + "-" + t.tail
	addrs := t.address(w.sources)
	for i := range w.names {
		n := &w.names[i]
		canonical := suffixed(n.name, tail)
		own, agent := canonical+suffix, canonical+slave
		w.addrs(n.own, addrs, w.ttl, t.ok)
		w.addrs(w.expect(w.at(own), len(addrs)), addrs, w.ttl, t.ok)
		w.addrs(n.agent, t.agent, w.ttl, t.ok)
		w.addrs(w.expect(w.at(agent), len(t.agent)), t.agent, w.ttl, t.ok)
		for _, p := range t.ports {
			w.port(n, p, own, agent, t.ok)
		}
		if i == 0 && w.o.PTR && t.alone {
			w.pointers(t.own, own, t.ok)
		}
	}
}

// port writes the SRV records of one port. The variant by agent ignores protocols: it always has both.
func (w *appWriter) port(n *appName, p port, own, agent string, ok bool) {
	target := own
	if p.host && !w.o.TargetCompat {
		target = agent
	}
	w.srv(n.service(w, p.proto, "", false), target, p.number, ok)
	if p.name != "" {
		w.srv(n.service(w, p.proto, p.name, false), target, p.number, ok)
	}
	if p.host {
		w.srv(n.service(w, "tcp", "", true), agent, p.number, ok)
		w.srv(n.service(w, "udp", "", true), agent, p.number, ok)
	}
}

// service returns the group of SRV records, made when it is first asked for.
func (n *appName) service(w *appWriter, proto, port string, agent bool) int {
	for i := range n.services {
		if s := &n.services[i]; s.proto == proto && s.port == port && s.agent == agent {
			return s.at
		}
	}
	name := prefixed(n.name) + "._" + fit(proto, maxLabel-1) + "." + w.framework
	if agent {
		name += ".slave"
	}
	name += "." + w.o.Domain
	if port != "" {
		name = prefixed(port) + "." + name
	}
	at := w.expect(w.at(name), w.tasks)
	n.services = append(n.services, service{proto, port, agent, at})
	return at
}

func (w *appWriter) srv(at int, target string, number uint16, ok bool) {
	w.put(at, entry{TypeSRV, ok, w.ttl, Record{Target: target, Weight: w.o.Weight, Port: number}})
}

func (w *writer) pointers(addrs []netip.Addr, target string, ok bool) {
	for _, ip := range addrs {
		w.put(w.at(reverseName(ip)), entry{TypePTR, ok, w.o.InfraTTL, Record{Target: target}})
	}
}

// dcosTasks writes the three names that say in themselves which address they have. Each part is one label there, the
// framework's name too.
func (w *writer) dcosTasks(name string, tasks []task) {
	base := name + "." + Label(w.framework, w.o.Rules) + "."
	n := len(tasks)
	agent, own, either := w.expect(w.at(base+dcosAgent), n), w.expect(w.at(base+dcosOwn), n), w.expect(w.at(base+dcosEither), n)
	for i := range tasks {
		t := &tasks[i]
		w.addrs(agent, t.agent, dcosTTL, t.ok)
		w.addrs(own, t.address([]Source{SourceNetinfo, SourceHost}), dcosTTL, t.ok)
		w.addrs(either, t.from(SourceAuto), dcosTTL, t.ok)
	}
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
