package reconcile

import (
	"cmp"
	"slices"

	"berth/orchestrator/api"
)

// Edit is one app's part of a change.
type Edit struct {
	ID       string
	Old, New *api.App // nil: not there
	Restart  bool     // replace all tasks although nothing changes
	// Undo is the version that the edit takes back, or 0: tasks of before it that run what New asks for are kept.
	Undo api.Timestamp
}

// Action names what e does to its app while it goes its way (marathon-api.md section 10.1), or "" for nothing. A new app
// is scaled, after it was started at zero instances in a step before.
func (e *Edit) Action() string {
	change := api.Compare(e.Old, e.New)
	switch {
	case e.New == nil && e.Old == nil:
		return ""
	case e.New == nil:
		return api.ActionStop
	case e.Old == nil, change == api.ChangeScale && !e.Restart:
		return api.ActionScale
	case e.New.Instances == 0 && change != api.ChangeNone:
		return api.ActionScale
	case change == api.ChangeConfig || e.Restart || e.undoesRestart():
		return api.ActionRestart
	}
	return ""
}

// undoesRestart reports whether e takes back a restart, which changes nothing but which tasks are current.
func (e *Edit) undoesRestart() bool {
	info := e.Old.VersionInfo
	return e.Undo != 0 && info != nil && info.LastConfigChangeAt == e.Undo
}

// Keeps reports whether a task of the given version and definition goes on when e takes something back.
func (e *Edit) Keeps(version api.Timestamp, def *api.App) bool {
	return e.Undo != 0 && version < e.Undo && api.Compare(def, e.New) != api.ChangeConfig
}

// Steps builds the steps of a deployment: removed apps stop, those that depend on others first; new ones start at zero;
// then one step per layer of dependencies, those depended on first. Apps on one layer share a step. before and after are
// what there was and what is wanted, whether it changes or not.
func Steps(edits []Edit, before, after Tree) []api.DeploymentStep {
	var start []api.DeploymentAction
	stops, layers := map[int][]api.DeploymentAction{}, map[int][]api.DeploymentAction{}
	old, wanted := newDepths(before), newDepths(after)
	for _, e := range edits {
		action := e.Action()
		switch {
		case action == "":
			continue
		case action == api.ActionStop:
			l := -old.app(e.ID)
			stops[l] = append(stops[l], api.DeploymentAction{Action: action, App: e.ID})
			continue
		case e.Old == nil:
			start = append(start, api.DeploymentAction{Action: api.ActionStart, App: e.ID})
		}
		l := wanted.app(e.ID)
		layers[l] = append(layers[l], api.DeploymentAction{Action: action, App: e.ID})
	}
	var all [][]api.DeploymentAction
	for _, l := range sortedKeys(stops) {
		all = append(all, stops[l])
	}
	all = append(all, start)
	for _, l := range sortedKeys(layers) {
		all = append(all, layers[l])
	}
	steps := []api.DeploymentStep{}
	for _, actions := range all {
		if len(actions) == 0 {
			continue
		}
		slices.SortFunc(actions, func(a, b api.DeploymentAction) int { return cmp.Compare(a.App, b.App) })
		steps = append(steps, api.DeploymentStep{Actions: actions})
	}
	return steps
}

func sortedKeys(m map[int][]api.DeploymentAction) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
