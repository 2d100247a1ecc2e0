package store

import (
	"maps"
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// Group is a node of the tree that the apps' ids span. Every ancestor of an app has one; a group stays when its last app
// is deleted. It is immutable: replace it.
type Group struct {
	ID           string        `json:"id"`
	Dependencies []string      `json:"dependencies,omitempty"` // absolute ids of apps and groups, for every app below
	EnforceRole  bool          `json:"enforceRole,omitempty"`  // kept for the client
	Version      api.Timestamp `json:"version"`                // of the last change of the group or of anything below
}

// Undo is what one write replaced. All of them later than a version, taken back from the newest, give what there was in
// that version. It is immutable.
type Undo struct {
	Version api.Timestamp       `json:"version"`
	Apps    map[string]*api.App `json:"apps,omitempty"`   // what was there before, by id; nil where there was none
	Groups  map[string]*Group   `json:"groups,omitempty"` // likewise
}

// Bounds of the history: so many writes, which hold so many definitions in all. One write alone may hold more.
const (
	maxUndos   = 1000
	maxUndoDef = 20_000
)

// Tree is a consistent look at all apps and groups.
type Tree struct {
	Apps   []*App // sorted by id; deleted ones too
	Groups map[string]*Group
	Undos  []*Undo // oldest first
}

// Tree returns the apps and groups of one revision. Nobody may change it.
func (s *Store) Tree() Tree {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := Tree{Apps: make([]*App, len(s.ids)), Groups: maps.Clone(s.groups), Undos: s.undos}
	for i, id := range s.ids {
		t.Apps[i] = s.apps[id]
	}
	return t
}

// Touches reports whether the write changed the group or anything below it.
func (u *Undo) Touches(group string) bool {
	for id := range u.Apps {
		if api.Inside(id, group) {
			return true
		}
	}
	for id := range u.Groups {
		if id == group || api.Inside(id, group) {
			return true
		}
	}
	return false
}

// Past says how a group differs, in one of its versions, from what it is: the definitions of the apps below and the
// groups in it that were other ones; nil where there was none.
type Past struct {
	Apps   map[string]*api.App
	Groups map[string]*Group
}

// PastOf looks a group up in the history. ok is false if the history does not reach back to the version or holds no
// such version. current is the group's version now.
func PastOf(undos []*Undo, group string, version, current api.Timestamp) (p Past, ok bool) {
	p = Past{map[string]*api.App{}, map[string]*Group{}}
	known := version == current
	for _, u := range slices.Backward(undos) {
		if u.Version <= version {
			known = known || u.Version == version
			break
		}
		for id, def := range u.Apps {
			if api.Inside(id, group) {
				p.Apps[id] = def
			}
		}
		for id, g := range u.Groups {
			if id == group || api.Inside(id, group) {
				p.Groups[id] = g
			}
		}
	}
	return p, known
}

// trimmed bounds a history by leaving out the oldest writes.
func trimmed(undos []*Undo) (kept, dropped []*Undo) {
	definitions := 0
	for i, u := range slices.Backward(undos) {
		definitions += len(u.Apps) + len(u.Groups)
		if n := len(undos) - i; n > maxUndos || n > 1 && definitions > maxUndoDef {
			return undos[i+1:], undos[:i+1]
		}
	}
	return undos, nil
}

// Group returns a group or nil.
func (tx *Tx) Group(id string) *Group {
	if g, ok := tx.groups[id]; ok {
		return g
	}
	return tx.base.group(id)
}

// PutGroup replaces the group with g's id.
func (tx *Tx) PutGroup(g *Group) { tx.setGroup(g.ID, g) }

// DropGroup forgets a group.
func (tx *Tx) DropGroup(id string) { tx.setGroup(id, nil) }

func (tx *Tx) setGroup(id string, g *Group) {
	if tx.groups == nil {
		tx.groups = map[string]*Group{}
	}
	tx.groups[id] = g
}

// GroupsInside returns the groups below a group, at any depth, sorted by id.
func (tx *Tx) GroupsInside(group string) []*Group {
	var out []*Group
	add := func(g *Group) {
		if g != nil && api.Inside(g.ID, group) {
			out = append(out, g)
		}
	}
	for _, g := range tx.s.groups {
		add(tx.Group(g.ID))
	}
	for id := range tx.base.groups {
		if tx.s.groups[id] == nil {
			add(tx.Group(id))
		}
	}
	for id, g := range tx.groups {
		if tx.base.group(id) == nil {
			add(g)
		}
	}
	slices.SortFunc(out, func(a, b *Group) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// AppsInside returns the records of apps below a group that are not deleted, at any depth, sorted by id.
func (tx *Tx) AppsInside(group string) []*App {
	var out []*App
	s := tx.s
	prefix := strings.TrimSuffix(group, "/") + "/"
	i, _ := slices.BinarySearch(s.ids, prefix)
	for ; i < len(s.ids) && strings.HasPrefix(s.ids[i], prefix); i++ {
		if a := tx.App(s.ids[i]); a != nil && a.Def != nil {
			out = append(out, a)
		}
	}
	for a := range tx.Pending {
		if a.Def != nil && s.apps[a.ID] == nil && api.Inside(a.ID, group) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *App) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// KeepUndo adds what this write replaced to the history.
func (tx *Tx) KeepUndo(u *Undo) { tx.undos = append(tx.undos, u) }

// Undos returns the history as this write sees it, oldest first.
func (tx *Tx) Undos() []*Undo { return slices.Concat(tx.s.undos, tx.base.undos, tx.undos) }

func (b *batch) group(id string) *Group {
	if g, ok := b.groups[id]; ok {
		return g
	}
	return b.s.groups[id]
}

// implied makes the groups that the file does not hold although apps lie below them, as older orchestrators left it. The
// file gets them with the first change below.
func (s *Store) implied() {
	ensure := func(id string, v api.Timestamp) {
		for id != "/" {
			id = api.Parent(id)
			g := s.groups[id]
			if g != nil && g.Version >= v {
				continue
			}
			c := Group{ID: id}
			if g != nil {
				c = *g
			}
			c.Version = max(c.Version, v)
			s.groups[id] = &c
		}
	}
	ensure("/x", 0)
	for _, a := range s.apps {
		if a.Def != nil {
			ensure(a.ID, a.Def.Version)
		}
	}
	if s.groups["/"] == nil {
		s.groups["/"] = &Group{ID: "/"}
	}
}
