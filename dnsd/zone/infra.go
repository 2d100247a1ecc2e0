package zone

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Infra is what the zone says of the cluster itself, beside its apps (dns.md sections 5.2 and 6).
type Infra struct {
	Leader  string       // of the orchestrators, host:port; "" is unknown
	Masters []string     // the orchestrators as configured, host:port, in order
	Own     []netip.Addr // addresses at which this server can be asked
	// Leaders are the leading orchestrators of other frameworks, host:port by name.
	Leaders map[string]string
}

// host is one address book entry: who it is, and at which port.
type host struct {
	addrs []netip.Addr
	port  uint16
}

// parseHost reads host:port; what cannot be read, or has no address, is no host.
func parseHost(s string, resolve func(string) []netip.Addr) (host, bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 1 {
		return host{}, false
	}
	name, bracketed := s[:i], false
	if name[0] == '[' {
		name, bracketed = strings.CutSuffix(name[1:], "]")
	}
	if bracketed != (strings.IndexByte(name, ':') >= 0) {
		return host{}, false // brackets belong around IPv6 addresses, and nowhere else
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || n == 0 {
		return host{}, false
	}
	h := host{hostAddrs(name, resolve), uint16(n)}
	return h, len(h.addrs) > 0
}

// infra collects the records of the cluster: agents are the hosts of the tasks that run.
func (w *writer) infra(in Infra, agents []string) {
	o := w.o
	for _, a := range apexes(o) {
		w.put(w.at(a.Name), entry{TypeNS, true, a.nsTTL, Record{Target: a.SOA.Mname}})
	}
	w.addrs(w.at(o.SOA.Mname), in.Own, o.InfraTTL, true)
	w.agents(agents)
	w.masters(in)
	if o.DCOS {
		w.addrs(w.at("thisnode.thisdcos.directory"), in.Own, dcosTTL, true)
		w.addrs(w.at(dcosSOA.Mname), in.Own, o.InfraTTL, true)
		w.addrs(w.at("ready.spartan"), []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, dcosTTL, true)
	}
}

func (w *writer) agents(agents []string) {
	o := w.o
	for _, name := range agents {
		addrs := hostAddrs(name, o.Resolve)
		own := agentName(name, o)
		w.addrs(w.at("slave."+o.Domain), addrs, o.InfraTTL, true)
		w.addrs(w.at("agent."+o.Domain), addrs, o.InfraTTL, true)
		if own == "" {
			continue
		}
		w.addrs(w.at(own), addrs, o.InfraTTL, true)
		if o.PTR {
			w.pointers(addrs, own, true)
		}
	}
	if len(agents) > 0 && o.AgentPort != 0 {
		w.service("_slave._tcp."+o.Domain, "slave."+o.Domain, o.AgentPort)
	}
}

// agentName is an agent's own name: its host name's labels, or its address as one label.
func agentName(host string, o *Options) string {
	f := Fragment(host, RFC1123)
	if ip, err := netip.ParseAddr(host); err == nil {
		f = addrLabel(ip)
	}
	if f == "" {
		return ""
	}
	return f + ".agent." + o.Domain
}

// addrLabel writes an address as a label: 10-0-0-1, or fd01-b--2 with zeros where a hyphen would stand at an end.
func addrLabel(ip netip.Addr) string {
	b := []byte(ip.Unmap().WithZone("").String())
	for i, c := range b {
		if c == '.' || c == ':' {
			b[i] = '-'
		}
	}
	if b[0] == '-' {
		b = append([]byte{'0'}, b...)
	}
	if b[len(b)-1] == '-' {
		b = append(b, '0')
	}
	return string(b)
}

func (w *writer) masters(in Infra) {
	o := w.o
	leader, led := parseHost(in.Leader, o.Resolve)
	if led {
		w.lead(leader)
	}
	for name, l := range in.Leaders {
		if h, ok := parseHost(l, o.Resolve); ok && slices.Contains(o.Frameworks, name) {
			w.leadFramework(name, h)
		}
	}
	var seen []string
	var all []host
	for _, m := range append(slices.Clone(in.Masters), in.Leader) {
		h, ok := parseHost(m, o.Resolve)
		key := fmt.Sprint(h.addrs, h.port)
		if !ok || slices.Contains(seen, key) {
			continue
		}
		w.addrs(w.at("master"+strconv.Itoa(len(seen))+"."+o.Domain), h.addrs, o.InfraTTL, true)
		w.addrs(w.at("master."+o.Domain), h.addrs, o.InfraTTL, true)
		for _, proto := range []string{"tcp", "udp"} {
			w.service("_master._"+proto+"."+o.Domain, "master"+strconv.Itoa(len(seen))+"."+o.Domain, h.port)
		}
		if o.DCOS {
			w.addrs(w.at("master."+dcosZone), h.addrs, dcosTTL, true)
		}
		seen, all = append(seen, key), append(all, h)
	}
	if o.DCOS {
		w.zooKeepers(all)
	}
}

// zooKeepers names the masters as DC/OS names its ZooKeeper nodes, which are the same machines: five names, in turn.
func (w *writer) zooKeepers(masters []host) {
	if len(masters) == 0 {
		return
	}
	for i := range 5 {
		w.addrs(w.at("zk-"+strconv.Itoa(i+1)+".zk"), masters[i%len(masters)].addrs, dcosTTL, true)
	}
}

func (w *writer) lead(h host) {
	o := w.o
	w.leadFramework(o.Framework, h)
	w.addrs(w.at("leader."+o.Domain), h.addrs, o.InfraTTL, true)
	for _, proto := range []string{"tcp", "udp"} {
		w.service("_leader._"+proto+"."+o.Domain, "leader."+o.Domain, h.port)
	}
	if o.DCOS {
		w.addrs(w.at("leader."+dcosZone), h.addrs, dcosTTL, true)
	}
}

func (w *writer) leadFramework(name string, h host) {
	framework := name + "." + w.o.Domain
	w.addrs(w.at(framework), h.addrs, w.o.InfraTTL, true)
	w.service("_framework._tcp."+framework, framework, h.port)
}

func (w *writer) service(name, target string, port uint16) {
	w.put(w.at(name), entry{TypeSRV, true, w.o.InfraTTL, Record{Target: target, Weight: w.o.Weight, Port: port}})
}
