package ruleset

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// port is one port of an app as VIPs see it.
type port struct {
	field     string // where it stands in the app, for problems
	position  int    // among the app's ports
	published int    // among those that have a host port; -1 without one
	container int    // container port; 0 means the host port's number
	host      bool   // the task listens on the agent's own address
	protocol  string
	labels    map[string]string
}

// vipID is what makes two requests ask for the same VIP. One framework is followed, so its name is not part of it.
type vipID struct {
	name  string
	addr  netip.Addr
	proto Proto
	port  uint16
}

// want is a request of one port.
type want struct {
	id     vipID
	label  string // the key
	value  string // as written
	weight int
}

// ports lists an app's ports with their labels, by its network mode.
func ports(a *api.App) []port {
	if a.Mode() == api.NetworkHost {
		return hostPorts(a)
	}
	list := mappedPorts(a.Mappings())
	if len(list) == 0 && a.IPAddress != nil && a.IPAddress.Discovery != nil {
		for i, d := range a.IPAddress.Discovery.Ports {
			list = append(list, port{field: "ipAddress.discovery.ports", position: i, published: -1, container: d.Number,
				protocol: d.Protocol, labels: d.Labels})
		}
	}
	return list
}

func hostPorts(a *api.App) []port {
	var list []port
	for i, d := range a.PortDefinitions {
		list = append(list, port{field: "portDefinitions", position: i, published: i, host: true, protocol: d.Protocol,
			labels: d.Labels})
	}
	if a.PortDefinitions == nil {
		for i := range a.Ports {
			list = append(list, port{field: "ports", position: i, published: i, host: true})
		}
	}
	return list
}

func mappedPorts(mappings []api.PortMapping) []port {
	var list []port
	published := 0
	for i, m := range mappings {
		p := port{field: "portMappings", position: i, published: -1, container: m.ContainerPort, protocol: m.Protocol,
			labels: m.Labels}
		if m.HostPort != nil {
			p.published = published
			published++
		}
		list = append(list, p)
	}
	return list
}

// wants reads a port's labels.
func (b *appBuild) wants(p port) []want {
	var list []want
	weights := map[string]int{}
	var protos []Proto
	for _, key := range slices.Sorted(maps.Keys(p.labels)) {
		kind, number := classify(key)
		switch {
		case kind == keyWeight:
			weights[number] = b.weight(key, p.labels[key])
			continue
		case kind == keyStrange && !b.opt.LaxKeys:
			b.p.add(key, p.labels[key], "ignored: expected a key VIP_<number>")
			continue
		case kind == keyOther:
			continue
		}
		if protos == nil {
			protos = b.protocols(p)
		}
		list = append(list, b.target(key, p.labels[key], protos)...)
	}
	for i := range list {
		list[i].weight = 1
		if _, number := classify(list[i].label); number != "" {
			if w, ok := weights[number]; ok {
				list[i].weight = w
			}
		}
	}
	return list
}

func (b *appBuild) protocols(p port) []Proto {
	protos, err := ParseProtocols(p.protocol)
	if err != nil {
		b.p.add(p.field+".protocol", p.protocol, "no VIP for this protocol: %v", err)
	}
	if protos == nil {
		protos = []Proto{}
	}
	return protos
}

func (b *appBuild) weight(key, value string) int {
	w, err := strconv.Atoi(value)
	if err != nil || w < 0 || w > maxWeight {
		b.p.add(key, value, "ignored: expected a weight from 0 to %d", maxWeight)
		return 1
	}
	return w
}

// target parses a value into one request for each protocol.
func (b *appBuild) target(key, value string, protos []Proto) []want {
	t, err := ParseTarget(value)
	if err == nil && t.Addr.IsValid() {
		err = b.opt.refuse(t.Addr)
	}
	if err != nil {
		b.p.add(key, value, "no VIP: %v", err)
		return nil
	}
	var list []want
	for _, proto := range protos {
		list = append(list, want{id: vipID{t.Name, t.Addr, proto, t.Port}, label: key, value: value, weight: 1})
	}
	return list
}

// legacyWants reads the app-level labels vip_PORT<n> = tcp://1.1.1.1:80 of the n-th host port.
func (b *appBuild) legacyWants(list []port) map[int][]want {
	out := map[int][]want{}
	for _, key := range slices.Sorted(maps.Keys(b.app.Labels)) {
		n, ok := legacyKey(key)
		if !ok {
			continue
		}
		value := b.app.Labels[key]
		scheme, rest, _ := strings.Cut(value, "://")
		proto := map[string]Proto{"tcp": TCP, "udp": UDP}[strings.ToLower(scheme)]
		i := slices.IndexFunc(list, func(p port) bool { return p.published == n })
		switch {
		case proto == 0:
			b.p.add(key, value, "no VIP: expected tcp:// or udp:// before the address")
		case i < 0:
			b.p.add(key, value, "no VIP: the app has no host port number %d", n)
		default:
			out[i] = append(out[i], b.target(key, rest, []Proto{proto})...)
		}
	}
	return out
}

// refuse says why an address cannot be a VIP, as far as that is known without the other apps.
func (o *Options) refuse(a netip.Addr) error {
	if err := special(a); err != nil {
		return err
	}
	if slices.Contains(o.Nodes, a) {
		return refusal{netip.PrefixFrom(a, a.BitLen()), "this node's own"}
	}
	for _, r := range o.Reserved {
		if r.Prefix.Contains(a) {
			return refusal{r.Prefix, r.Reason}
		}
	}
	for _, r := range []netip.Prefix{o.Range4, o.Range6} {
		if r.Contains(a) && !o.AllowExplicitInRange {
			return refusal{r, "kept for named VIPs"}
		}
	}
	if a.Is6() && o.NoIPv6 {
		return refusal{netip.PrefixFrom(a, a.BitLen()), "IPv6, which is switched off"}
	}
	return nil
}

type refusal struct {
	prefix netip.Prefix
	reason string
}

func (r refusal) Error() string {
	if r.prefix.IsSingleIP() {
		return "the address is " + r.reason
	}
	return "the address is in " + r.prefix.String() + ", which is " + r.reason
}
