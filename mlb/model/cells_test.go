package model

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawServices draws services that compete for few hosts and paths. Balance says what turn each has.
func drawServices(t *rapid.T) []*Service {
	hosts := []string{"a.test", "b.test", "x.a.test", "*.test", "*.a.test", "c.d.test"}
	paths := []string{"", "/", "/a", "/a/b", "/a/bc", "/A", "/z"}
	var list []*Service
	for i := range rapid.IntRange(1, 7).Draw(t, "services") {
		s := &Service{App: fmt.Sprintf("/app%d", i), Name: fmt.Sprintf("app%d_1", i), Port: 1, Mode: HTTP,
			VHosts:  rapid.SliceOfNDistinct(rapid.SampledFrom(hosts), 1, 3, rapid.ID).Draw(t, "hosts"),
			Balance: rapid.SampledFrom([]string{"last", "last", "takes", "tries"}).Draw(t, "turn")}
		for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(paths), 0, 2, rapid.ID).Draw(t, "paths") {
			if p != "" {
				s.Paths = append(s.Paths, p)
			}
		}
		if len(s.Paths) > 0 {
			s.Weight = 1
		}
		if rapid.IntRange(0, 2).Draw(t, "has a weight") == 0 {
			// Not 0 or 1: of two wildcards of one such weight, one by its label and one by default, only the former goes
			// before an exact host, and so the order of the two would depend on whether there is one.
			s.Weight, s.WeightSet = rapid.SampledFrom([]int{-1, 2, 3}).Draw(t, "weight"), true
		}
		list = append(list, s)
	}
	return list
}

func drawnTurn(s *Service) Turn {
	switch s.Balance {
	case "takes":
		return Takes
	case "tries":
		return Tries
	}
	return Last
}

// asked is who gets at a request, by the order of precedence alone: those with rules before the maps, and the one the maps
// have to lead to if all of them leave it.
func asked(services []*Service, host, path string) (first []string, last string) {
	d := divider{turn: drawnTurn, byHost: make(map[string][]claim)}
	for _, s := range services {
		for _, h := range s.VHosts {
			for _, p := range pathsOf(s) {
				d.byHost[h] = append(d.byHost[h], claim{host: h, path: p, svc: s})
			}
		}
	}
	for _, claims := range d.byHost {
		slices.SortStableFunc(claims, before)
	}
	list := d.covering(host)
	for _, c := range list {
		if !strings.HasPrefix(path, c.path) {
			continue
		}
		if drawnTurn(c.svc) == Last {
			return first, c.svc.Name
		}
		if !slices.Contains(first, c.svc.Name) {
			first = append(first, c.svc.Name)
		}
		if drawnTurn(c.svc) == Takes {
			return first, ""
		}
	}
	for _, c := range list {
		if drawnTurn(c.svc) != Last && !slices.Contains(first, c.svc.Name) {
			first = append(first, c.svc.Name)
		}
	}
	return first, ""
}

// patterns are a host and the wildcards that cover it, in the order in which they are looked up.
func patterns(host string) []string {
	list := []string{host}
	for range WildcardLevels {
		_, rest, ok := strings.Cut(host, ".")
		if !ok {
			break
		}
		host = rest
		list = append(list, "*."+host)
	}
	return list
}

func TestCellsAndRoutesFollowTheOrderOfPrecedence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		services := drawServices(t)
		var rest []*Service
		for _, s := range services {
			if drawnTurn(s) == Last {
				rest = append(rest, s)
			}
		}
		routes, _ := Routes(rest)
		cells := Cells(services, drawnTurn)
		for _, host := range []string{"a.test", "b.test", "x.a.test", "y.x.a.test", "other.test", "c.d.test", "test", "else"} {
			for _, path := range []string{"/", "/a", "/a/b", "/a/bcd", "/A", "/zz", "/q"} {
				var gotFirst []string
				var gotLast string
				found := false
				for _, h := range patterns(host) {
					best := -1
					for _, c := range cells {
						if c.Host == h && strings.HasPrefix(path, c.Path) && len(c.Path) > best && !found {
							best, gotFirst = len(c.Path), nil
							for _, s := range c.First {
								gotFirst = append(gotFirst, s.Name)
							}
						}
					}
					found = found || best >= 0
				}
				for _, h := range patterns(host) {
					best := -1
					for _, r := range routes {
						if r.Host == h && strings.HasPrefix(path, r.Path) && len(r.Path) > best {
							best, gotLast = len(r.Path), r.Backend
						}
					}
					if best >= 0 {
						break
					}
				}
				first, last := asked(services, host, path)
				if d := cmp.Diff(first, gotFirst); d != "" {
					t.Fatalf("%s%s: whose turn it is (-want +got)\n%s%s", host, path, d, shown(services))
				}
				if ends := len(first) > 0 && last == ""; !ends && gotLast != last {
					t.Fatalf("%s%s: the maps lead to %q, want %q\n%s", host, path, gotLast, last, shown(services))
				}
			}
		}
	})
}

func shown(services []*Service) string {
	var b strings.Builder
	for _, s := range services {
		fmt.Fprintf(&b, "%s %s: %v %v weight %d (%v)\n", s.Name, s.Balance, s.VHosts, s.Paths, s.Weight, s.WeightSet)
	}
	return b.String()
}

func TestNoCellsWhereNobodyHasRules(t *testing.T) {
	s := &Service{App: "/a", Name: "a_1", VHosts: []string{"a.test"}, Paths: []string{"/x"}}
	if cells := Cells([]*Service{s}, func(*Service) Turn { return Last }); cells != nil {
		t.Errorf("%v: want none", cells)
	}
}
