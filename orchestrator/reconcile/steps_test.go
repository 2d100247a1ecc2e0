package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

// node is an app "name/instances" with dependencies.
func node(spec string, deps ...string) *api.App {
	var name string
	var n int
	if _, err := fmt.Sscanf(strings.Replace(spec, "/", " ", 1), "%s %d", &name, &n); err != nil {
		panic(spec)
	}
	a := process("/"+name, n, 0)
	for _, d := range deps {
		a.Dependencies = append(a.Dependencies, "/"+d)
	}
	return a
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
	}{
		{"a new app starts at zero and is scaled", []Edit{{New: node("a/2")}}, nil, "StartApplication /a | ScaleApplication /a"},
		{"a removed app stops", []Edit{{Old: node("a/2")}}, nil, "StopApplication /a"},
		{"only instances: scale", []Edit{{Old: node("a/2"), New: node("a/3")}}, nil, "ScaleApplication /a"},
		{"to zero is a scale whatever else changes", []Edit{{Old: node("a/2"), New: other(node("a/0"))}}, nil, "ScaleApplication /a"},
		{"anything else: restart", []Edit{{Old: node("a/2"), New: other(node("a/2"))}}, nil, "RestartApplication /a"},
		{"restart on request", []Edit{{Old: node("a/2"), New: node("a/2"), Restart: true}}, nil, "RestartApplication /a"},
		{"nothing", []Edit{{Old: node("a/2"), New: node("a/2")}}, nil, ""},
		{"layers of dependencies", []Edit{{New: node("a/1", "b")}, {New: node("b/1", "c")}, {New: node("c/1")}, {New: node("d/1")}}, nil,
			"StartApplication /a, StartApplication /b, StartApplication /c, StartApplication /d | ScaleApplication /c, ScaleApplication /d | ScaleApplication /b | ScaleApplication /a"},
		{"over apps that do not change", []Edit{{Old: node("a/1"), New: node("a/2", "b")}, {Old: node("c/1"), New: node("c/2")}},
			[]*api.App{node("b/1", "c")}, "ScaleApplication /c | RestartApplication /a"},
		{"dependants are not touched", []Edit{{Old: node("c/1"), New: node("c/2")}}, []*api.App{node("b/1", "c")}, "ScaleApplication /c"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			apps := map[string]*api.App{}
			for _, a := range tt.stored {
				apps[a.ID] = a
			}
			for i := range tt.edits {
				e := &tt.edits[i]
				if e.New != nil {
					e.ID = e.New.ID
					apps[e.ID] = e.New
				} else {
					e.ID = e.Old.ID
				}
			}
			var steps []string
			for _, s := range Steps(tt.edits, func(id string) *api.App { return apps[id] }) {
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
	for _, a := range []*api.App{node("a/1", "b", "d"), node("b/1", "missing"), node("d/1", "e"), node("e/1", "d"), node("f/1", "f")} {
		apps[a.ID] = a
	}
	lookup := func(id string) *api.App { return apps[id] }
	for id, want := range map[string]string{"/a": "/d /e /d", "/b": "", "/f": "/f /f", "/none": ""} {
		if got := strings.Join(Cycle(id, lookup), " "); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}
