package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

// node is an app "name/instances" with dependencies.
func node(spec string, deps ...string) *api.App {
	var name string
	var n int
	if _, err := fmt.Sscanf(strings.Replace(spec, "/", " ", 1), "%s %d", &name, &n); err != nil {
		panic(spec)
	}
	a := process(path(name), n, 0)
	for _, d := range deps {
		a.Dependencies = append(a.Dependencies, path(d))
	}
	return a
}

// path makes an id of words joined by dots.
func path(words string) string { return "/" + strings.ReplaceAll(words, ".", "/") }

func treeOf(apps map[string]*api.App, groups map[string][]string) Tree {
	return Tree{
		App:   func(id string) *api.App { return apps[id] },
		Group: func(id string) []string { return groups[id] },
		Below: func(id string) []string {
			var out []string
			for app := range apps {
				if api.Inside(app, id) {
					out = append(out, app)
				}
			}
			return out
		},
	}
}

func TestSteps(t *testing.T) {
	other := func(a *api.App) *api.App {
		c := *a
		c.Cmd = "other"
		return &c
	}
	tests := []struct {
		rule   string
		edits  []Edit
		stored []*api.App
		want   string
		groups map[string][]string // what groups depend on
	}{
		{"a new app starts at zero and is scaled", []Edit{{New: node("a/2")}}, nil, "StartApplication /a | ScaleApplication /a", nil},
		{"a removed app stops", []Edit{{Old: node("a/2")}}, nil, "StopApplication /a", nil},
		{"only instances: scale", []Edit{{Old: node("a/2"), New: node("a/3")}}, nil, "ScaleApplication /a", nil},
		{"to zero is a scale whatever else changes", []Edit{{Old: node("a/2"), New: other(node("a/0"))}}, nil, "ScaleApplication /a", nil},
		{"anything else: restart", []Edit{{Old: node("a/2"), New: other(node("a/2"))}}, nil, "RestartApplication /a", nil},
		{"restart on request", []Edit{{Old: node("a/2"), New: node("a/2"), Restart: true}}, nil, "RestartApplication /a", nil},
		{"nothing", []Edit{{Old: node("a/2"), New: node("a/2")}}, nil, "", nil},
		{"layers of dependencies", []Edit{{New: node("a/1", "b")}, {New: node("b/1", "c")}, {New: node("c/1")}, {New: node("d/1")}}, nil,
			"StartApplication /a, StartApplication /b, StartApplication /c, StartApplication /d | ScaleApplication /c, ScaleApplication /d | ScaleApplication /b | ScaleApplication /a", nil},
		{"over apps that do not change", []Edit{{Old: node("a/1"), New: node("a/2", "b")}, {Old: node("c/1"), New: node("c/2")}},
			[]*api.App{node("b/1", "c")}, "ScaleApplication /c | RestartApplication /a", nil},
		{"removed apps stop before those they depend on", []Edit{{Old: node("a/1", "b")}, {Old: node("b/1", "c")}, {Old: node("c/1")}, {Old: node("d/1")}}, nil,
			"StopApplication /a | StopApplication /b | StopApplication /c, StopApplication /d", nil},
		{"a dependency on a group is one on every app below it", []Edit{{New: node("a/1", "g")}, {New: node("g.x/1")}, {New: node("g.y.z/1", "g.x")}}, nil,
			"StartApplication /a, StartApplication /g/x, StartApplication /g/y/z | ScaleApplication /g/x | ScaleApplication /g/y/z | ScaleApplication /a", nil},
		{"what a group depends on, every app below it does", []Edit{{New: node("g.x.y/1")}, {New: node("h.db/1")}, {New: node("z/1")}}, nil,
			"StartApplication /g/x/y, StartApplication /h/db, StartApplication /z | ScaleApplication /h/db, ScaleApplication /z | ScaleApplication /g/x/y",
			map[string][]string{"/g": {"/h"}, "/h": nil, "/g/x": nil}},
		{"removed apps of groups stop in reverse", []Edit{{Old: node("g.x/1")}, {Old: node("h.db/1")}}, nil,
			"StopApplication /g/x | StopApplication /h/db", map[string][]string{"/g": {"/h"}, "/h": nil}},
		{"a group depends on an app", []Edit{{New: node("g.x/1")}, {New: node("db/1")}}, nil,
			"StartApplication /db, StartApplication /g/x | ScaleApplication /db | ScaleApplication /g/x", map[string][]string{"/g": {"/db"}}},
		{"dependants are not touched", []Edit{{Old: node("c/1"), New: node("c/2")}}, []*api.App{node("b/1", "c")}, "ScaleApplication /c", nil},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			before, apps := map[string]*api.App{}, map[string]*api.App{}
			for _, a := range tt.stored {
				before[a.ID], apps[a.ID] = a, a
			}
			for i := range tt.edits {
				e := &tt.edits[i]
				if e.New != nil {
					e.ID = e.New.ID
					apps[e.ID] = e.New
				} else {
					e.ID = e.Old.ID
					delete(apps, e.ID)
				}
				if e.Old != nil {
					before[e.ID] = e.Old
				}
			}
			var steps []string
			for _, s := range Steps(tt.edits, treeOf(before, tt.groups), treeOf(apps, tt.groups)) {
				var actions []string
				for _, a := range s.Actions {
					actions = append(actions, a.Action+" "+a.App)
				}
				steps = append(steps, strings.Join(actions, ", "))
			}
			if d := cmp.Diff(tt.want, strings.Join(steps, " | ")); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCycle(t *testing.T) {
	apps := map[string]*api.App{}
	for _, a := range []*api.App{
		node("a/1", "b", "d"), node("b/1", "missing"), node("d/1", "e"), node("e/1", "d"), node("f/1", "f"),
		node("g.x/1"), node("h.y/1", "g"), node("i.z/1"), node("j.k.l/1"), node("m.n/1", "m"), node("o.p/1"), node("o.q/1", "o.p"),
	} {
		apps[a.ID] = a
	}
	groups := map[string][]string{
		"/g": {"/h"}, "/i": {"/i"}, "/j": {"/i/none", "/j/k/none"}, "/j/k": {"/j"}, "/empty": {"/empty"}, "/o": {"/b"},
	}
	for id, want := range map[string]string{
		"/a": "/d /e /d", "/b": "", "/f": "/f /f", "/none": "",
		"/g/x": "/g/x /g /h/y /g/x", "/g": "/g /h/y /g/x /g", "/h/y": "/h/y /g/x /g /h/y", // each inherits or names the other
		"/i/z": "/i/z /i /i/z", "/j/k/l": "/j/k/l /j/k /j/k/l", "/m/n": "/m/n /m/n", "/empty": "", "/o/q": "",
	} {
		if got := strings.Join(Cycle([]string{id}, treeOf(apps, groups)), " "); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

// TestLayersAgreeWithDependencies holds on random trees without cycles: an app's step comes after those of all it
// depends on, its own words or its groups'.
func TestLayersAgreeWithDependencies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apps, groups := map[string]*api.App{}, map[string][]string{}
		names := []string{"a", "b.c", "b.d", "b.e.f", "g.h", "g.i.j", "k"}
		targets := append([]string{"b", "b.e", "g", "g.i", "none"}, names...)
		pick := func(label string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(targets), 0, 2, rapid.ID).Draw(t, label)
		}
		var edits []Edit
		for _, n := range names {
			a := node(n+"/1", pick(n)...)
			apps[a.ID] = a
			edits = append(edits, Edit{ID: a.ID, New: a})
		}
		for _, g := range []string{"b", "b.e", "g", "g.i"} {
			for _, dep := range pick("group " + g) {
				groups[path(g)] = append(groups[path(g)], path(dep))
			}
		}
		tree := treeOf(apps, groups)
		var ids []string
		for id := range apps {
			ids = append(ids, id)
		}
		needs := func(id string) []string { // by the words of the API
			deps := slices.Clone(apps[id].Dependencies)
			for g := id; g != "/"; {
				g = api.Parent(g)
				deps = append(deps, groups[g]...)
			}
			var out []string
			for _, d := range deps {
				out = append(out, tree.targets(d)...)
			}
			return out
		}
		reaches := func(from, to string) bool {
			seen, todo := map[string]bool{}, needs(from)
			for len(todo) > 0 {
				id := todo[0]
				todo = todo[1:]
				if id == to {
					return true
				}
				if !seen[id] {
					seen[id] = true
					todo = append(todo, needs(id)...)
				}
			}
			return false
		}
		cyclic := slices.ContainsFunc(ids, func(id string) bool { return reaches(id, id) })
		if got := Cycle(ids, tree); (got != nil) != cyclic {
			t.Fatalf("cycle %v, but there is one: %v", got, cyclic)
		}
		if cyclic {
			return
		}
		step := map[string]int{}
		for i, s := range Steps(edits, treeOf(nil, nil), tree) {
			for _, a := range s.Actions {
				if a.Action == api.ActionScale {
					step[a.App] = i
				}
			}
		}
		for id := range apps {
			for _, dep := range needs(id) {
				if step[dep] >= step[id] {
					t.Fatalf("%s in step %d, but %s, which it depends on, in step %d", id, step[id], dep, step[dep])
				}
			}
		}
	})
}
