package spare

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/mlb/model"
)

func service(name string, port int, mode model.Mode) *model.Service {
	return &model.Service{App: "/" + name, Name: fmt.Sprintf("%s_%d", name, port), Port: port, Mode: mode, Balance: "roundrobin"}
}

func all(*model.Service) bool { return true }

var layout = Layout{HTTP: 2, TCP: 1, Ports: []int{101, 102, 103}}

func TestClaim(t *testing.T) {
	old := service("old", 100, model.HTTP)
	last := &model.Model{Services: []*model.Service{old}}
	a, b, c := service("a", 101, model.HTTP), service("b", 102, model.HTTP), service("c", 103, model.HTTP)
	s := service("s", 103, model.TCP)
	none := func(*model.Service) bool { return false }
	for _, c := range []struct {
		rule    string
		now     []*model.Service
		inForce Claims
		fits    func(*model.Service) bool
		want    Claims
		refused bool
	}{
		{rule: "nothing new claims nothing", now: []*model.Service{old}, want: Claims{}},
		{rule: "a new service takes the first of its mode", now: []*model.Service{a, old, s},
			want: Claims{"a_101": "spare:http:001", "s_103": "spare:tcp:001"}},
		{rule: "a claim stays what it is", now: []*model.Service{a, b, old}, inForce: Claims{"b_102": "spare:http:001"},
			want: Claims{"a_101": "spare:http:002", "b_102": "spare:http:001"}},
		{rule: "a claim whose service is gone is free again", now: []*model.Service{a, old}, inForce: Claims{"b_102": "spare:http:001"},
			want: Claims{"a_101": "spare:http:001"}},
		{rule: "more than there is refuses all", now: []*model.Service{a, b, c, old}, refused: true},
		{rule: "a port that is not open refuses", now: []*model.Service{service("x", 200, model.HTTP), old}, refused: true},
		{rule: "two services on one port refuse", now: []*model.Service{a, service("b", 101, model.HTTP), old}, refused: true},
		{rule: "what does not fit refuses", now: []*model.Service{a, old}, fits: none, refused: true},
		{rule: "what no longer fits refuses", now: []*model.Service{b, old}, inForce: Claims{"b_102": "spare:http:001"}, fits: none,
			refused: true},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if c.fits == nil {
				c.fits = all
			}
			got, ok := Claim(&model.Model{Services: c.now}, last, c.inForce, layout, c.fits)
			if ok == c.refused {
				t.Fatalf("ok: %v", ok)
			}
			if d := cmp.Diff(c.want, got); !c.refused && d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestPortsAreTheLowestUnused(t *testing.T) {
	got := Ports(3, 10, 20, func(p int) bool { return p == 10 || p == 12 })
	if d := cmp.Diff([]int{11, 13, 14}, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	if got := Ports(3, 10, 11, func(int) bool { return false }); len(got) != 2 {
		t.Errorf("a short range gives %v", got)
	}
}

// Laws of the store: every service is served under exactly one name, routes lead to backends that are there, the asked
// model is not changed, and the same input gives the same pointers.
func TestServeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var store Store
		claims := Claims{}
		last := &model.Model{}
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			m := &model.Model{}
			for i := range 6 {
				if !rapid.Bool().Draw(t, "there") {
					continue
				}
				s := service(fmt.Sprintf("app%d", i), 100+i, model.HTTP)
				if at := slices.IndexFunc(last.Services, func(o *model.Service) bool { return o.Name == s.Name }); at >= 0 {
					s = last.Services[at]
				}
				m.Services = append(m.Services, s)
				m.Hosts = append(m.Hosts, model.HostRoute{Host: s.Name + ".test", Backend: s.Name})
				m.AppIDs = append(m.AppIDs, model.AppRoute{App: s.App, Backend: s.Name})
			}
			next, ok := Claim(m, last, claims, layout, all)
			if !ok {
				next = nil
			}
			out := store.Serve(m, next, layout)
			check(t, m, out)
			if again := store.Serve(m, next, layout); again != out {
				t.Fatal("the same input gives another model")
			}
			claims, last = next, m
		}
	})
}

func check(t *rapid.T, m, out *model.Model) {
	names := map[string]bool{}
	proper := map[string]string{}
	for _, s := range out.Services {
		if names[s.Name] {
			t.Fatalf("backend %s exists twice", s.Name)
		}
		names[s.Name] = true
		switch {
		case !s.Spare:
			proper[s.Name] = s.Name
		case s.Proper != "":
			proper[s.Proper] = s.Name
		}
	}
	if len(proper) != len(m.Services) {
		t.Fatalf("%d services served, want %d", len(proper), len(m.Services))
	}
	for i, s := range m.Services {
		if s.Spare || out.Hosts[i].Backend != proper[s.Name] || out.AppIDs[i].Backend != proper[s.Name] {
			t.Fatalf("service %s: host leads to %s, app id to %s, want %s", s.Name, out.Hosts[i].Backend, out.AppIDs[i].Backend,
				proper[s.Name])
		}
	}
}
