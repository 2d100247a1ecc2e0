package orchestrator

import (
	"slices"
	"strings"

	"berth/orchestrator/api"
	"berth/orchestrator/store"
)

// Group returns a group with all below it.
func (o *Orchestrator) Group(id string) (*api.GroupInfo, bool) {
	t := o.st.Tree()
	if t.Groups[id] == nil {
		return nil, false
	}
	return grown(id, t), true
}

// GroupVersions lists the versions of a group, which are those of the writes that changed it or anything below it,
// newest first, as far back as the history reaches.
func (o *Orchestrator) GroupVersions(id string) ([]api.Timestamp, error) {
	t := o.st.Tree()
	g := t.Groups[id]
	if g == nil {
		return nil, api.NotFound("Group", id)
	}
	out := []api.Timestamp{}
	if !g.Version.IsZero() {
		out = append(out, g.Version)
	}
	for _, u := range slices.Backward(t.Undos) {
		if u.Version != g.Version && u.Touches(id) {
			out = append(out, u.Version)
		}
	}
	return out, nil
}

// GroupVersion returns a group as it was in one of its versions, without what ran of it.
func (o *Orchestrator) GroupVersion(id string, v api.Timestamp) (*api.GroupInfo, error) {
	t := o.st.Tree()
	now := t.Groups[id]
	if now == nil {
		return nil, api.NotFound("Group", id)
	}
	past, ok := store.PastOf(t.Undos, id, v, now.Version)
	if !ok {
		return nil, unknownVersion(id, v)
	}
	was := store.Tree{Groups: t.Groups}
	for _, a := range t.Apps {
		if _, changed := past.Apps[a.ID]; !changed && a.Def != nil && api.Inside(a.ID, id) {
			was.Apps = append(was.Apps, &store.App{ID: a.ID, Def: a.Def})
		}
	}
	for id, def := range past.Apps {
		if def != nil {
			was.Apps = append(was.Apps, &store.App{ID: id, Def: def})
		}
	}
	slices.SortFunc(was.Apps, func(a, b *store.App) int { return strings.Compare(a.ID, b.ID) })
	for id, g := range past.Groups {
		if g == nil {
			delete(was.Groups, id)
		} else {
			was.Groups[id] = g
		}
	}
	if was.Groups[id] == nil {
		return nil, unknownVersion(id, v) // it was not there
	}
	g := grown(id, was)
	g.Version = v
	return g, nil
}

// grown builds the group with the given id and all below it.
func grown(id string, t store.Tree) *api.GroupInfo {
	nodes := map[string]*api.GroupInfo{}
	for _, g := range t.Groups {
		if g.ID == id || api.Inside(g.ID, id) {
			nodes[g.ID] = &api.GroupInfo{
				ID: g.ID, Dependencies: g.Dependencies, EnforceRole: g.EnforceRole, Version: g.Version,
				Apps: []*api.AppInfo{}, Groups: []*api.GroupInfo{},
			}
		}
	}
	for _, a := range t.Apps {
		if n := nodes[api.Parent(a.ID)]; n != nil && a.Def != nil {
			n.Apps = append(n.Apps, a.Info())
		}
	}
	for sub, n := range nodes {
		if parent := nodes[api.Parent(sub)]; parent != nil && sub != id {
			parent.Groups = append(parent.Groups, n)
		}
	}
	for _, n := range nodes {
		slices.SortFunc(n.Groups, func(a, b *api.GroupInfo) int { return strings.Compare(a.ID, b.ID) })
	}
	return nodes[id]
}
