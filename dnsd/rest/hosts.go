package rest

import (
	"net/http"
	"strconv"
	"strings"

	"berth/dnsd/zone"
)

type hostRow struct {
	Host string `json:"host"`
	IP   string `json:"ip"`
}

type serviceRow struct {
	Service string `json:"service"`
	Host    string `json:"host"`
	IP      string `json:"ip"`
	Port    string `json:"port"` // text, as Mesos-DNS has it
}

type portRow struct {
	Host     string `json:"host"`
	IP       string `json:"ip"`
	Port     string `json:"port"`
	Protocol string `json:"protocol"`
	Name     string `json:"name"`
}

// hosts answers with one empty row where there is nothing: clients of Mesos-DNS rely on it (dns.md section 12).
func (h *handler) hosts(w http.ResponseWriter, r *http.Request, z *zone.Zone) {
	rows := hostRows(z, withoutWildcards(name(r, "host")))
	if len(rows) == 0 {
		rows = []hostRow{{}}
	}
	writeJSON(w, 200, rows)
}

func (h *handler) hostsStrict(w http.ResponseWriter, r *http.Request, z *zone.Zone) {
	rows := hostRows(z, name(r, "host"))
	if len(rows) == 0 {
		writeError(w, 404, "no addresses for "+name(r, "host"))
		return
	}
	writeJSON(w, 200, rows)
}

func (h *handler) services(w http.ResponseWriter, r *http.Request, z *zone.Zone) {
	rows := serviceRows(z, r.PathValue("service"), withoutWildcards(name(r, "service")))
	if len(rows) == 0 {
		rows = []serviceRow{{}}
	}
	writeJSON(w, 200, rows)
}

func (h *handler) servicesStrict(w http.ResponseWriter, r *http.Request, z *zone.Zone) {
	rows := serviceRows(z, r.PathValue("service"), name(r, "service"))
	if len(rows) == 0 {
		writeError(w, 404, "no service "+name(r, "service"))
		return
	}
	writeJSON(w, 200, rows)
}

// withoutWildcards drops ".*", which Mesos-DNS takes for nothing.
func withoutWildcards(name string) string { return strings.ReplaceAll(name, ".*", "") }

func hostRows(z *zone.Zone, name string) []hostRow {
	var rows []hostRow
	for _, ip := range addresses(z, name) {
		rows = append(rows, hostRow{name + ".", ip})
	}
	return rows
}

func addresses(z *zone.Zone, name string) []string {
	var out []string
	for _, typ := range []uint16{zone.TypeA, zone.TypeAAAA} {
		for _, r := range recordsOf(z, name, typ) {
			out = append(out, r.Addr.String())
		}
	}
	return out
}

// recordsOf follows aliases, a few.
func recordsOf(z *zone.Zone, name string, typ uint16) []zone.Record {
	for range 8 {
		res := z.Lookup(name, typ)
		switch res.Answer {
		case zone.Success:
			return res.Set.Records()
		case zone.Alias:
			name = res.Set.First().Target
		default:
			return nil
		}
	}
	return nil
}

// serviceRows has a row for each family of each target, with the first address.
func serviceRows(z *zone.Zone, asked, name string) []serviceRow {
	var rows []serviceRow
	for _, r := range recordsOf(z, name, zone.TypeSRV) {
		for _, typ := range []uint16{zone.TypeA, zone.TypeAAAA} {
			if addrs := recordsOf(z, r.Target, typ); len(addrs) > 0 {
				rows = append(rows, serviceRow{asked, r.Target + ".", addrs[0].Addr.String(), strconv.Itoa(int(r.Port))})
			}
		}
	}
	return rows
}

// ports lists what listens at a host name, found by the service of that name: _<name>._<proto>.<rest>.
func (h *handler) ports(w http.ResponseWriter, r *http.Request, z *zone.Zone) {
	host := name(r, "host")
	rows := []portRow{}
	if z.Node(host) != nil {
		rows = append(rows, portRows(z, host)...)
	}
	writeJSON(w, 200, rows)
}

// portRows has the ports at one of the host's own addresses.
func portRows(z *zone.Zone, host string) []portRow {
	at := map[string]bool{}
	for _, ip := range addresses(z, host) {
		at[ip] = true
	}
	var rows []portRow
	head, rest, _ := strings.Cut(host, ".")
	for _, proto := range []string{"tcp", "udp"} {
		service := "_" + head + "._" + proto + "." + rest
		services := serviceRows(z, service, service)
		if len(services) == 0 {
			continue
		}
		names := portNames(z, service)
		for _, s := range services {
			if at[s.IP] {
				rows = append(rows, portRow{host + ".", s.IP, s.Port, proto, names[s.Port]})
			}
		}
	}
	return rows
}

// portNames finds the names under which the ports of a service are published too: _<port name>.<service>.
func portNames(z *zone.Zone, service string) map[string]string {
	out := map[string]string{}
	for n := range z.Below(service) {
		if set := n.Set(zone.TypeSRV); set != nil {
			for _, r := range set.Records() {
				out[strconv.Itoa(int(r.Port))] = strings.TrimPrefix(strings.TrimSuffix(n.Name, "."+service), "_")
			}
		}
	}
	return out
}
