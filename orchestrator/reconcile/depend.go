package reconcile

import (
	"slices"

	"berth/orchestrator/api"
)

// Tree is what dependencies are looked up in: the apps and groups as a change leaves them, or as they were before it.
// A dependency names an app or a group, and stands for itself or for every app below it; one that names neither stands
// for nothing. What a group depends on, every app below it does.
type Tree struct {
	App   func(id string) *api.App // nil if there is none
	Group func(id string) []string // what the group depends on; nil if it is none
	Below func(id string) []string // the ids of the apps below a group, at any depth
}

// TreeOf is a tree of apps alone.
func TreeOf(app func(id string) *api.App) Tree {
	none := func(string) []string { return nil }
	return Tree{App: app, Group: none, Below: none}
}

// targets are the apps that a dependency stands for.
func (t Tree) targets(dependency string) []string {
	if t.App(dependency) != nil {
		return []string{dependency}
	}
	return t.Below(dependency)
}

// depths finds the layer of an app: the longest path along its dependencies. A dependency on a group costs as much as the
// group has apps, but once, however many depend on it.
type depths struct {
	Tree
	apps, groups, dependencies map[string]int
}

func newDepths(t Tree) *depths {
	return &depths{Tree: t, apps: map[string]int{}, groups: map[string]int{}, dependencies: map[string]int{}}
}

// app returns the layer of an app. What is being visited counts as a leaf, so a cycle ends.
func (d *depths) app(id string) int {
	if n, ok := d.apps[id]; ok {
		return n
	}
	d.apps[id] = 0
	def := d.App(id)
	if def == nil {
		return 0
	}
	n := d.group(api.Parent(id))
	for _, dep := range def.Dependencies {
		n = max(n, d.after(dep))
	}
	d.apps[id] = n
	return n
}

// group returns the least layer of the apps below a group.
func (d *depths) group(id string) int {
	if n, ok := d.groups[id]; ok {
		return n
	}
	d.groups[id] = 0
	n := 0
	if id != "/" {
		n = d.group(api.Parent(id))
	}
	for _, dep := range d.Group(id) {
		n = max(n, d.after(dep))
	}
	d.groups[id] = n
	return n
}

// after returns the least layer of what has a dependency.
func (d *depths) after(dependency string) int {
	if n, ok := d.dependencies[dependency]; ok {
		return n
	}
	d.dependencies[dependency] = 0
	n := 0
	for _, id := range d.targets(dependency) {
		n = max(n, d.app(id)+1)
	}
	d.dependencies[dependency] = n
	return n
}

// Cycle returns the ids of a dependency cycle that one of the given apps and groups is part of or leads to, or nil. A
// group stands in it for what its apps have in common.
func Cycle(ids []string, t Tree) []string {
	w := &walk{Tree: t, at: map[string]int{}, done: map[string]bool{}, followed: map[string]bool{}}
	for _, id := range ids {
		visit := w.group
		if t.App(id) != nil {
			visit = w.app
		}
		if c := visit(id); c != nil {
			return c
		}
	}
	return nil
}

// walk goes along dependencies.
type walk struct {
	Tree
	path     []string        // the way to where it is
	at       map[string]int  // position in path
	done     map[string]bool // places that lead to no cycle
	followed map[string]bool // dependencies that lead to none
}

func (w *walk) app(id string) []string {
	def := w.App(id)
	if def == nil {
		return nil
	}
	return w.enter(id, func() []string {
		if c := w.group(api.Parent(id)); c != nil {
			return c
		}
		return w.follow(def.Dependencies)
	})
}

// group goes along what the apps below a group have in common: what it and the groups around it depend on.
func (w *walk) group(id string) []string {
	return w.enter(id, func() []string {
		if id != "/" {
			if c := w.group(api.Parent(id)); c != nil {
				return c
			}
		}
		return w.follow(w.Group(id))
	})
}

func (w *walk) follow(dependencies []string) []string {
	for _, dep := range dependencies {
		if w.followed[dep] {
			continue
		}
		for _, id := range w.targets(dep) {
			if c := w.app(id); c != nil {
				return c
			}
		}
		w.followed[dep] = true
	}
	return nil
}

// enter visits a place, unless it is on the way there, which is a cycle, or was left before, which led to none.
func (w *walk) enter(id string, visit func() []string) []string {
	if i, ok := w.at[id]; ok {
		return append(slices.Clone(w.path[i:]), id)
	}
	if w.done[id] {
		return nil
	}
	w.at[id] = len(w.path)
	w.path = append(w.path, id)
	if c := visit(); c != nil {
		return c
	}
	w.path = w.path[:len(w.path)-1]
	delete(w.at, id)
	w.done[id] = true
	return nil
}
