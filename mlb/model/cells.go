package model

import (
	"cmp"
	"slices"
	"strings"
)

// Turn says how a service gets at the requests for its hosts and paths.
type Turn int

// Turns.
const (
	Last  Turn = iota // by the maps, after everybody else
	Takes             // by rules of its own, which take every request for its hosts and paths
	Tries             // by rules of its own, which may leave a request to the next
)

// RulesOfItsOwn reports whether the service brings a text that decides which requests it gets.
func (s *Service) RulesOfItsOwn() bool {
	for name := range s.Templates {
		if strings.HasPrefix(name, "HTTP_FRONTEND_ACL") || strings.HasPrefix(name, "HTTP_FRONTEND_ROUTING") ||
			strings.HasPrefix(name, "HTTPS_FRONTEND_") || strings.HasPrefix(name, "BACKEND_REDIRECT_") {
			return true
		}
	}
	return false
}

// Cell is a host, or a wildcard, and a path prefix, and the services whose rules come before the maps for it: a request
// belongs to the cell of the longest path of the most exact host.
type Cell struct {
	Host, Path string // the path begins with /
	First      []*Service
}

// Cells divides what the services claim into cells, by host and path, so far as services with rules of their own are
// concerned. The order of precedence is that of Model.Hosts; a service that Takes, or is Last, ends the list of a cell. A host
// that is not everybody's to claim has a cell, too, even where no service takes its requests: a rule for hosts that nobody has
// must not get them.
func Cells(services []*Service, turn func(*Service) Turn) []Cell {
	d := divider{turn: turn, byHost: make(map[string][]claim)}
	for _, s := range services {
		own := turn(s) != Last
		d.some = d.some || own && len(s.VHosts) > 0
		for _, h := range s.VHosts {
			for _, p := range pathsOf(s) {
				d.byHost[h] = append(d.byHost[h], claim{host: h, path: p, svc: s})
			}
		}
	}
	if !d.some {
		return nil
	}
	for _, claims := range d.byHost {
		slices.SortStableFunc(claims, before)
	}
	var cells []Cell
	for h := range d.byHost {
		cells = append(cells, d.host(h)...)
	}
	slices.SortFunc(cells, func(a, b Cell) int { return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.Path, b.Path)) })
	return cells
}

type divider struct {
	turn   func(*Service) Turn
	byHost map[string][]claim // in order of precedence
	some   bool               // one has rules of its own
}

// host makes the cells of one host or wildcard.
func (d *divider) host(h string) []Cell {
	own := d.byHost[h]
	concerned := func(list []claim) bool {
		return slices.ContainsFunc(list, func(c claim) bool { return d.turn(c.svc) != Last })
	}
	list := d.covering(h)
	if !concerned(list) {
		if slices.ContainsFunc(own, func(c claim) bool { return c.path == "" || c.path == "/" }) {
			return nil // the maps have all of it
		}
		return []Cell{{Host: h, Path: "/"}}
	}
	paths := []string{"/"}
	for _, c := range list {
		if c.path != "" {
			paths = append(paths, c.path)
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	var cells []Cell
	for _, p := range paths {
		first := d.at(list, p)
		if up := above(cells, p); up != nil && slices.Equal(up.First, first) {
			continue
		}
		cells = append(cells, Cell{Host: h, Path: p, First: first})
	}
	return cells
}

// above is the cell that a path would belong to if it had none of its own. Cells are sorted by path.
func above(cells []Cell, path string) *Cell {
	for i := len(cells) - 1; i >= 0; i-- {
		if strings.HasPrefix(path, cells[i].Path) {
			return &cells[i]
		}
	}
	return nil
}

// covering lists the claims to a host and to the wildcards that cover it, in order of precedence: as the maps are looked up,
// host by host, each with the wildcards that go before it by a weight of their own.
func (d *divider) covering(h string) []claim {
	var wider []string
	for name := strings.TrimPrefix(h, "*."); ; {
		_, rest, ok := strings.Cut(name, ".")
		if !ok || len(wider) == WildcardLevels {
			break
		}
		name = rest
		wider = append(wider, "*."+name)
	}
	list := d.level(d.byHost[h], wider)
	for i, w := range wider {
		list = append(list, d.level(d.byHost[w], wider[i+1:])...)
	}
	return list
}

// level puts wildcards that go before one of the claims by their weight among them.
func (d *divider) level(claims []claim, wider []string) []claim {
	if len(claims) == 0 {
		return nil
	}
	list, least := claims, claims[len(claims)-1].svc.Weight
	for _, w := range wider {
		for _, c := range d.byHost[w] {
			if c.svc.WeightSet && c.svc.Weight > least {
				c.wildcard = c.host
				list = append(list[:len(list):len(list)], c)
			}
		}
	}
	if len(list) > len(claims) {
		slices.SortStableFunc(list, before)
	}
	return list
}

// at lists the services whose rules come before the maps for requests below a path. A text may take other paths than the
// label of the service says: what is left of a host is open to all that have rules for it.
func (d *divider) at(list []claim, path string) []*Service {
	var first []*Service
	for _, c := range list {
		whole, part := c.covers(path)
		t := d.turn(c.svc)
		if t == Last && whole {
			return first
		}
		if t == Last || !whole && !part {
			continue
		}
		if !slices.Contains(first, c.svc) {
			first = append(first, c.svc)
		}
		if t == Takes && whole {
			return first
		}
	}
	for _, c := range list { // nobody else's
		if d.turn(c.svc) != Last && !slices.Contains(first, c.svc) {
			first = append(first, c.svc)
		}
	}
	return first
}

// covers says whether a claim is to all requests below a path, or to some: paths in any case are not known to the cells.
func (c claim) covers(path string) (whole, part bool) {
	if c.svc.PathFlags == "" {
		return strings.HasPrefix(path, c.path), false
	}
	own, path := strings.ToLower(c.path), strings.ToLower(path)
	return strings.HasPrefix(path, own), strings.HasPrefix(own, path)
}
