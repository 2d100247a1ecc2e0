package orchestrator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// groupEdit is one group's part of a write. The versions in New are set when it is stored.
type groupEdit struct{ Old, New *store.Group } // nil: not there

// ChangeGroup makes one write of a group and all below it, or nothing with an error that says what is wrong.
func (o *Orchestrator) ChangeGroup(_ context.Context, c httpapi.GroupChange, opt httpapi.WriteOptions) (
	httpapi.WriteResult, error,
) {
	var result httpapi.WriteResult
	err := o.update(opt, func(tx *store.Tx) error {
		w := o.newWrite(tx, opt)
		w.about = c.ID
		changes, err := w.groupChanges(c)
		if err != nil {
			return err
		}
		result, err = w.run(changes)
		return err
	})
	if err != nil {
		o.changeFailed(c.ID, opt, err)
		return httpapi.WriteResult{}, err
	}
	return result, nil
}

// groupChanges works out what a change of a group means for the groups, and returns what it means for apps.
func (w *write) groupChanges(c httpapi.GroupChange) ([]httpapi.AppChange, error) {
	known := w.group(c.ID) != nil
	switch {
	case c.Create && known:
		return nil, taken("group", c.ID)
	case !known && (c.Update == nil || !c.Update.Rollback.IsZero() || c.Update.ScaleBy != nil):
		return nil, api.NotFound("Group", c.ID)
	case c.Update == nil:
		return w.emptied(c.ID), nil
	case !c.Update.Rollback.IsZero():
		return w.rolledBack(c.ID, c.Update.Rollback)
	case c.Update.ScaleBy != nil:
		return w.scaled(c.ID, *c.Update.ScaleBy)
	}
	return w.replaced(c.Update, "")
}

func taken(kind, id string) error {
	article := "A "
	if kind == "app" {
		article = "An "
	}
	return &api.Error{Code: api.CodeConflict, Message: article + kind + " with id [" + id + "] already exists."}
}

// emptied deletes a group with all below it; of the root only what lies below.
func (w *write) emptied(id string) []httpapi.AppChange {
	var out []httpapi.AppChange
	for _, a := range w.tx.AppsInside(id) {
		out = append(out, httpapi.AppChange{ID: a.ID, Apply: deleted})
	}
	for _, g := range w.tx.GroupsInside(id) {
		w.setGroup(g.ID, nil)
	}
	if id == "/" {
		w.setGroup(id, &store.Group{ID: id})
	} else {
		w.setGroup(id, nil)
	}
	return out
}

func deleted(*api.App) (*api.App, error) { return nil, nil }

// replaced follows a document: what it gives replaces what is there, what it leaves out stays. path is its place in the
// client's.
func (w *write) replaced(u *api.GroupUpdate, path string) ([]httpapi.AppChange, error) {
	g := store.Group{ID: u.ID}
	if old := w.group(u.ID); old != nil {
		g = *old
	}
	if u.Dependencies != nil {
		g.Dependencies = u.Dependencies
	}
	if u.EnforceRole != nil {
		g.EnforceRole = *u.EnforceRole
	}
	w.setGroup(u.ID, &g)
	w.paths[u.ID] = path
	var out []httpapi.AppChange
	if u.Apps != nil {
		out = w.replacedApps(u, path)
	}
	if u.Groups == nil {
		return out, nil
	}
	listed := map[string]bool{}
	for _, sub := range u.Groups {
		listed[sub.ID] = true
	}
	for _, sub := range w.tx.GroupsInside(u.ID) {
		if api.Parent(sub.ID) == u.ID && !listed[sub.ID] {
			out = append(out, w.emptied(sub.ID)...)
		}
	}
	for i, sub := range u.Groups {
		more, err := w.replaced(sub, fmt.Sprintf("%s/groups(%d)", path, i))
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// replacedApps makes the apps directly in a group those of a document.
func (w *write) replacedApps(u *api.GroupUpdate, path string) []httpapi.AppChange {
	var out []httpapi.AppChange
	listed := map[string]bool{}
	for i, a := range u.Apps {
		listed[a.ID] = true
		out = append(out, httpapi.AppChange{
			ID: a.ID, Path: fmt.Sprintf("%s/apps(%d)", path, i), Apply: func(*api.App) (*api.App, error) { return a, nil },
		})
	}
	for _, a := range w.tx.AppsInside(u.ID) {
		if api.Parent(a.ID) == u.ID && !listed[a.ID] {
			out = append(out, httpapi.AppChange{ID: a.ID, Apply: deleted})
		}
	}
	return out
}

// scaled multiplies the instances of every app below a group, rounding up.
func (w *write) scaled(id string, by float64) ([]httpapi.AppChange, error) {
	var out []httpapi.AppChange
	for _, a := range w.tx.AppsInside(id) {
		n, ok := api.ScaledBy(a.Def.Instances, by)
		if !ok {
			return nil, invalid("/scaleBy", "%v times the %d instances of %s are too many", by, a.Def.Instances, a.ID)
		}
		if n > 1 && a.Def.Labels[api.LabelSingleInstance] == "true" {
			return nil, invalid("/scaleBy", "%s would have %d instances; its label %s allows at most 1", a.ID, n,
				api.LabelSingleInstance)
		}
		out = append(out, httpapi.AppChange{ID: a.ID, Apply: func(stored *api.App) (*api.App, error) {
			c := *stored
			c.Instances = n
			return &c, nil
		}})
	}
	return out, nil
}

// rolledBack makes a group what it was in one of its versions.
func (w *write) rolledBack(id string, v api.Timestamp) ([]httpapi.AppChange, error) {
	past, ok := store.PastOf(w.tx.Undos(), id, v, w.group(id).Version)
	if !ok {
		return nil, unknownVersion(id, v)
	}
	w.putBack(past.Groups)
	ids := slices.Sorted(maps.Keys(past.Apps))
	out := make([]httpapi.AppChange, len(ids))
	for i, id := range ids {
		def := past.Apps[id].Clone()
		out[i] = httpapi.AppChange{ID: id, Apply: func(*api.App) (*api.App, error) { return def, nil }}
	}
	return out, nil
}

// unknownVersion is a 422 with a message only (marathon-api.md section 2).
func unknownVersion(id string, v api.Timestamp) error {
	return &api.Error{Code: api.CodeInvalid, Message: "Group '" + id + "' has no version " + v.String()}
}

// putBack makes groups what they were; those around them are made by ensureGroups.
func (w *write) putBack(groups map[string]*store.Group) {
	for id, g := range groups {
		if g == nil && id == "/" {
			g = &store.Group{ID: id}
		}
		w.setGroup(id, g)
	}
}

// restoreGroups undoes what a deployment did to groups, but to those that somebody changed since.
func (w *write) restoreGroups(d *store.Deployment) {
	var before map[string]*store.Group
	for _, u := range w.tx.Undos() {
		switch {
		case u.Version == d.Version:
			before = maps.Clone(u.Groups)
		case u.Version > d.Version:
			maps.DeleteFunc(before, func(id string, _ *store.Group) bool {
				_, again := u.Groups[id]
				return again
			})
		}
	}
	w.putBack(before)
}

// setGroup makes a group a part of the write.
func (w *write) setGroup(id string, g *store.Group) {
	e := w.groups[id]
	if e == nil {
		e = &groupEdit{Old: w.tx.Group(id)}
		w.groups[id] = e
	}
	e.New = g
}

// group finds a group as this write leaves it.
func (w *write) group(id string) *store.Group {
	if e := w.groups[id]; e != nil {
		return e.New
	}
	return w.tx.Group(id)
}

// ensureGroups makes every group that something of this write lies in, and keeps those in which something stays: a rollback
// takes a group back, but not what others put into it since.
func (w *write) ensureGroups() {
	ensure := func(id string) {
		for id != "/" {
			id = api.Parent(id)
			if w.group(id) == nil {
				w.setGroup(id, &store.Group{ID: id})
			}
		}
	}
	for _, e := range w.edits {
		if e.New != nil {
			ensure(e.ID)
		}
	}
	for id, e := range maps.Clone(w.groups) {
		if e.New != nil {
			ensure(id)
			continue
		}
		if !w.holds(id) {
			continue
		}
		w.setGroup(id, e.Old)
		if e.Old == nil {
			w.setGroup(id, &store.Group{ID: id})
		}
		ensure(id)
	}
}

// holds reports whether this write leaves an app or a group in a group.
func (w *write) holds(group string) bool {
	if len(w.below(group)) > 0 {
		return true
	}
	for _, g := range w.tx.GroupsInside(group) {
		if w.group(g.ID) != nil {
			return true
		}
	}
	for id, e := range w.groups {
		if e.New != nil && api.Inside(id, group) {
			return true
		}
	}
	return false
}

// below returns the ids of the apps that this write leaves in a group, at any depth.
func (w *write) below(group string) []string {
	var out []string
	for _, a := range w.tx.AppsInside(group) {
		if w.byID[a.ID] == nil {
			out = append(out, a.ID)
		}
	}
	for _, e := range w.edits {
		if e.New != nil && api.Inside(e.ID, group) {
			out = append(out, e.ID)
		}
	}
	return out
}

// before and after are what dependencies are looked up in.
func (w *write) before() reconcile.Tree {
	return reconcile.Tree{
		App: func(id string) *api.App {
			if a := w.tx.App(id); a != nil {
				return a.Def
			}
			return nil
		},
		Group: func(id string) []string { return dependenciesOf(w.tx.Group(id)) },
		Below: func(id string) []string {
			var out []string
			for _, a := range w.tx.AppsInside(id) {
				out = append(out, a.ID)
			}
			return out
		},
	}
}

func (w *write) after() reconcile.Tree {
	return reconcile.Tree{
		App: w.lookup, Group: func(id string) []string { return dependenciesOf(w.group(id)) }, Below: w.below,
	}
}

// checkPaths refuses a new app in the place of a group, a new group in the place of an app, and either below an app.
func (w *write) checkPaths() error {
	for _, e := range w.edits {
		if e.New == nil || e.Old != nil {
			continue
		}
		if w.group(e.ID) != nil {
			return taken("group", e.ID)
		}
		if err := w.checkParents("app", e.ID); err != nil {
			return w.located(e.ID, err)
		}
	}
	ids := slices.Sorted(maps.Keys(w.groups))
	for _, id := range slices.Backward(ids) { // a group before those that are made for it
		if e := w.groups[id]; e.New == nil || e.Old != nil {
			continue
		}
		if err := w.checkParents("group", id); err != nil {
			return w.located(id, err)
		}
		if w.lookup(id) != nil {
			return taken("app", id)
		}
	}
	return nil
}

func (w *write) checkParents(kind, id string) error {
	for parent := api.Parent(id); parent != "/"; parent = api.Parent(parent) {
		if w.lookup(parent) != nil {
			return invalid("/id", "the %s %s lies below the app %s; an app cannot be a group as well", kind, id, parent)
		}
	}
	return nil
}

// checkCycles refuses dependencies that lead back to where they come from. A cycle that is new leads over an app or a
// group of this write.
func (w *write) checkCycles() error {
	var ids []string
	for _, e := range w.edits {
		if e.New != nil {
			ids = append(ids, e.ID)
		}
	}
	for id, e := range w.groups {
		if e.New != nil && len(e.New.Dependencies) > 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	if cycle := reconcile.Cycle(ids, w.after()); cycle != nil {
		at := ""
		for _, id := range cycle {
			if _, given := w.paths[id]; given {
				at = id
				break
			}
		}
		return w.located(at, invalid("/dependencies", "cyclic dependencies: %s", strings.Join(cycle, " → ")))
	}
	return nil
}

// storeGroups makes the groups part of the state, with their versions and the history.
func (w *write) storeGroups(d *store.Deployment) {
	undo := &store.Undo{Version: d.Version, Apps: d.Before, Groups: map[string]*store.Group{}}
	touched := map[string]bool{}
	touch := func(id string) {
		for id != "/" {
			id = api.Parent(id)
			touched[id] = true
		}
	}
	for id := range d.Before {
		touch(id)
	}
	for id, e := range w.groups {
		if sameGroup(e.Old, e.New) {
			continue
		}
		undo.Groups[id] = e.Old
		touch(id)
		if e.New == nil {
			w.tx.DropGroup(id)
			continue
		}
		g := *e.New
		g.Version = d.Version
		w.tx.PutGroup(&g)
	}
	for id := range touched {
		g := w.tx.Group(id)
		if g == nil || g.Version == d.Version {
			continue // gone, or stored just now
		}
		c := *g
		c.Version = d.Version
		w.tx.PutGroup(&c)
	}
	if len(undo.Apps)+len(undo.Groups) > 0 {
		w.tx.KeepUndo(undo)
	}
}

// sameGroup compares all but the versions.
func sameGroup(a, b *store.Group) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.EnforceRole == b.EnforceRole && slices.Equal(a.Dependencies, b.Dependencies)
}

// changeFailed tells the followers of a write that was refused.
func (o *Orchestrator) changeFailed(group string, opt httpapi.WriteOptions, err error) {
	if opt.DryRun {
		return
	}
	now := o.opt.Now()
	o.st.Publish(event(api.EventGroupChangeFailed, now, "", fields{
		"groupId": group, "version": api.TimestampOf(now), "reason": err.Error(),
	}))
}

func dependenciesOf(g *store.Group) []string {
	if g == nil {
		return nil
	}
	return g.Dependencies
}
