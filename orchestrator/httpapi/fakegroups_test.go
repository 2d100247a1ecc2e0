package httpapi

import (
	"context"
	"maps"
	"slices"

	"berth/orchestrator/api"
)

// Group builds the tree from the apps' ids; a fake keeps no empty groups.
func (f *fake) Group(id string) (*api.GroupInfo, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.group(id)
}

func (f *fake) group(id string) (*api.GroupInfo, bool) {
	g := &api.GroupInfo{ID: id, Version: f.clock}
	found := id == "/"
	subs := map[string]bool{}
	for _, app := range slices.Sorted(maps.Keys(f.apps)) {
		if !api.Inside(app, id) {
			continue
		}
		found = true
		at := app
		for api.Parent(at) != id {
			at = api.Parent(at)
		}
		switch {
		case at == app:
			g.Apps = append(g.Apps, f.apps[app])
		case !subs[at]:
			subs[at] = true
			sub, _ := f.group(at)
			g.Groups = append(g.Groups, sub)
		}
	}
	return g, found
}

func (f *fake) GroupVersions(id string) ([]api.Timestamp, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.group(id); !ok {
		return nil, api.NotFound("Group", id)
	}
	return []api.Timestamp{f.clock, f.clock - 1}, nil
}

func (f *fake) GroupVersion(id string, v api.Timestamp) (*api.GroupInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g, ok := f.group(id)
	if !ok {
		return nil, api.NotFound("Group", id)
	}
	if v != f.clock {
		return nil, &api.Error{Code: api.CodeInvalid, Message: "Group '" + id + "' has no version " + v.String()}
	}
	return g, nil
}

// ChangeGroup keeps nothing but the change itself.
func (f *fake) ChangeGroup(_ context.Context, c GroupChange, opt WriteOptions) (WriteResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, known := f.group(c.ID)
	switch {
	case known && c.Create:
		return WriteResult{}, &api.Error{Code: api.CodeConflict, Message: "A group with id [" + c.ID + "] already exists."}
	case !known && c.Update == nil:
		return WriteResult{}, api.NotFound("Group", c.ID)
	}
	f.clock++
	res := WriteResult{DeploymentResult: f.result(), Steps: []api.DeploymentStep{{}}}
	if !opt.DryRun {
		f.groups = append(f.groups, c)
	}
	return res, nil
}
