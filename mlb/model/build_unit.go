package model

import (
	"cmp"
	"slices"
	"strconv"

	"berth/orchestrator/api"
)

// built is what one logical app gives, kept for as long as its members are the same.
type built struct {
	unit     unit
	auto     []int
	services []*Service
	problems []Problem
	hosts    map[string]string // what was resolved on the way
	verdicts verdicts
}

// unitBuild holds what is needed while one logical app is built.
type unitBuild struct {
	opt      *Options
	p        *problems
	lookup   lookup
	verdicts verdicts
	last     verdicts
}

// buildUnit makes the services of one logical app. It never fails: what cannot be used becomes a problem.
func buildUnit(opt *Options, u unit, auto []int, last verdicts) built {
	b := &unitBuild{
		opt: opt, p: &problems{app: u.id}, lookup: lookup{resolve: opt.Resolve},
		verdicts: make(verdicts), last: last,
	}
	services := b.services(u, auto)
	b.p.limit()
	return built{
		unit: u, auto: auto, services: services, problems: b.p.list, hosts: b.lookup.asked, verdicts: b.verdicts,
	}
}

func (b *unitBuild) services(u unit, auto []int) []*Service {
	merging := &problems{app: u.id}
	m := merge(u, merging)
	ports := servicePorts(m.app, auto)
	if len(ports) == 0 || !b.wanted(m.app, len(ports)) {
		return nil
	}
	b.p.list = merging.list
	ports, ok := checkPorts(ports, b.p)
	if !ok {
		return nil
	}
	if label, ok := m.app.Labels[labelDeployGroup]; ok && !u.grouped {
		b.p.errorf(labelDeployGroup, label, "expected the name of a group; the app is served under its own id")
	}
	drafts := b.drafts(m, ports)
	places := b.places(m)
	for _, d := range drafts {
		d.Servers = serversOf(d.Service, places)
		if m.shared {
			weigh(d.Servers, m.share)
		}
	}
	b.health(m.app, drafts)
	return b.finish(drafts)
}

// wanted reports whether any port of the app is in one of the load balancer's groups, so that the rest of the work can
// be spared for apps of others.
func (b *unitBuild) wanted(a *api.App, ports int) bool {
	for i := range min(ports, maxPorts+1) {
		if inGroup(b.opt.Groups, a.Labels, groupLabel(i)) {
			return true
		}
	}
	return false
}

func groupLabel(index int) string { return "HAPROXY_" + strconv.Itoa(index) + "_GROUP" }

// drafts makes a service for every port that is to be served, with its labels applied, sorted by port.
func (b *unitBuild) drafts(m merged, ports []int) []*draft {
	labels := b.parseLabels(m.app.Labels, len(ports))
	var created api.Timestamp
	for _, t := range []api.Timestamp{m.app.Version, changedAt(m.app)} {
		if t != 0 && (created == 0 || t < created) {
			created = t
		}
	}
	var list []*draft
	for i, port := range ports {
		if port == 0 || !inGroup(b.opt.Groups, m.app.Labels, groupLabel(i)) {
			continue
		}
		d := &draft{Service: &Service{
			App: m.id, Index: i, Port: port, Balance: "roundrobin", BindAddr: "*", Created: created,
		}}
		if !b.applyLabels(d, labels[i]) {
			continue
		}
		d.Name = BackendName(d.App, d.Port)
		if !validBackend(d.Name) {
			b.p.errorf("id", m.id, "the id gives a backend name that HAProxy does not accept; expected letters, digits, "+
				"dots, hyphens and slashes")
			return nil
		}
		list = append(list, d)
	}
	slices.SortStableFunc(list, func(x, y *draft) int { return cmp.Compare(x.Port, y.Port) })
	return list
}

func changedAt(a *api.App) api.Timestamp {
	if a.VersionInfo == nil {
		return 0
	}
	return a.VersionInfo.LastConfigChangeAt
}

// serversOf pairs the position of a service with the ports of the tasks. Two tasks at one address are one server, which
// drains only if both do.
func serversOf(s *Service, places []place) []Server {
	list := make([]Server, 0, len(places))
	for _, pl := range places {
		if s.Index >= len(pl.ports) {
			continue
		}
		port := pl.ports[s.Index]
		if port < 1 || port > maxPort {
			continue
		}
		list = append(list, Server{
			Name: ServerName(pl.host, pl.ip, port), Task: pl.task.ID, Host: pl.host, IP: pl.ip, Port: port,
			Draining: pl.draining, Canary: pl.canary,
		})
	}
	slices.SortStableFunc(list, func(a, b Server) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port), cmp.Compare(a.IP, b.IP),
			cmp.Compare(a.Name, b.Name))
	})
	list = unique(list)
	taken := make(map[int]bool, len(list))
	for i := range list {
		list[i].ID = serverID(list[i].Name, taken)
		taken[list[i].ID] = true
		if s.Sticky {
			list[i].Cookie = serverCookie(list[i].Name)
		}
	}
	return list
}

// unique merges servers of equal host, address and port, which are neighbours, and drops a later one that only cleaning
// up the name made equal to an earlier one.
func unique(list []Server) []Server {
	names := make(map[string]bool, len(list))
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].Name == s.Name && out[n-1].Port == s.Port && out[n-1].IP == s.IP {
			out[n-1].Draining = out[n-1].Draining && s.Draining
			continue
		}
		if !names[s.Name] {
			names[s.Name] = true
			out = append(out, s)
		}
	}
	return out
}

// finish settles what depends on several labels and drops services without servers.
func (b *unitBuild) finish(drafts []*draft) []*Service {
	list := make([]*Service, 0, len(drafts))
	for _, d := range drafts {
		if !b.settle(d) {
			continue
		}
		if len(d.Servers) > 0 || b.opt.KeepEmpty {
			list = append(list, d.Service)
		}
	}
	return list
}
