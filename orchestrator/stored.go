package orchestrator

import (
	"slices"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// store makes the edits part of the state, with their deployment and events.
func (w *write) store() {
	version := w.tx.NextVersion(w.now)
	d := &store.Deployment{
		ID: w.o.opt.NewID(), Version: version, Started: api.TimestampOf(w.now), Current: 1,
		Before: map[string]*api.App{}, After: map[string]api.Timestamp{},
	}
	edits := make([]reconcile.Edit, len(w.edits))
	for i, e := range w.edits {
		edits[i] = *e
	}
	d.Steps = reconcile.Steps(edits, w.before(), w.after())
	for _, e := range w.edits {
		w.storeApp(e, d)
	}
	w.storeGroups(d)
	slices.Sort(d.Apps)
	w.setDeadline(d)
	w.result.Version, w.result.DeploymentID, w.result.Steps = version, d.ID, d.Steps
	w.emitGroup(version)
	if len(d.Steps) == 0 {
		w.tx.Emit(event(api.EventDeploymentSuccess, w.now, "", fields{"id": d.ID, "plan": planOf(d)}))
		return
	}
	w.tx.PutDeployment(d)
	w.tx.Emit(stepEvent(api.EventDeploymentInfo, d, 1, w.now))
	if !w.opt.DryRun {
		w.o.mu.Lock()
		w.o.staged = append(w.o.staged, d.ID)
		w.o.mu.Unlock()
	}
}

// storeApp makes one edit part of the state.
func (w *write) storeApp(e *reconcile.Edit, d *store.Deployment) {
	action := e.Action()
	if action == "" {
		w.result.Apps = append(w.result.Apps, e.Old)
		return
	}
	d.Apps = append(d.Apps, e.ID)
	d.Before[e.ID] = e.Old
	if e.New == nil {
		w.deleteApp(e)
		d.After[e.ID] = 0
		w.result.Apps = append(w.result.Apps, nil)
		return
	}
	d.After[e.ID] = d.Version
	w.putApp(e, d.Version)
	w.forecast(e)
	w.result.Apps = append(w.result.Apps, e.New)
}

func (w *write) putApp(e *reconcile.Edit, version api.Timestamp) {
	def := *e.New
	def.Version = version
	def.VersionInfo = versionInfo(e, version)
	e.New = &def

	a := &store.App{ID: e.ID}
	if stored := w.tx.App(e.ID); stored != nil {
		a = stored.Clone()
	}
	if e.Old == nil {
		a.Created, a.Versions, a.Failure = version, nil, nil
	}
	a.Def = &def
	a.Versions = append(slices.Clip(a.Versions), &def)
	if def.VersionInfo.LastConfigChangeAt == version {
		a.Backoff = store.Backoff{}
	}
	w.tx.PutApp(a)
	w.keep(e)
	w.emitApp(e)
}

// keep makes the tasks that survive an undoing tasks of its version, so that everybody takes them for current.
func (w *write) keep(e *reconcile.Edit) {
	if e.New.VersionInfo.LastConfigChangeAt != e.New.Version {
		return // none is outdated
	}
	for _, t := range w.tx.App(e.ID).Tasks {
		if e.Keeps(t.Version, t.Def) {
			c := *t
			c.Version, c.Def = e.New.Version, e.New
			w.tx.PutTask(&c)
		}
	}
}

// versionInfo follows the table of marathon-api.md section 7.1.
func versionInfo(e *reconcile.Edit, version api.Timestamp) *api.VersionInfo {
	info := &api.VersionInfo{LastScalingAt: version, LastConfigChangeAt: version}
	if e.Old == nil || e.Old.VersionInfo == nil {
		return info
	}
	switch change := api.Compare(e.Old, e.New); {
	case change == api.ChangeScale && !e.Restart:
		info.LastConfigChangeAt = e.Old.VersionInfo.LastConfigChangeAt
	case change == api.ChangeNone:
		info.LastScalingAt = e.Old.VersionInfo.LastScalingAt
	}
	return info
}

func (w *write) deleteApp(e *reconcile.Edit) {
	a := w.tx.App(e.ID).Clone()
	a.Def, a.Versions, a.Backoff = nil, nil, store.Backoff{}
	if len(a.Tasks) == 0 {
		w.tx.Emit(event(api.EventAppTerminated, w.now, e.ID, fields{"appId": e.ID}))
	}
	if len(a.Tasks)+len(a.Ended) == 0 {
		w.tx.DropApp(e.ID)
	} else {
		w.tx.PutApp(a)
	}
	w.emitApp(e)
}

// emitApp speaks of one app's change.
func (w *write) emitApp(e *reconcile.Edit) {
	def := e.New
	if def == nil {
		def = e.Old
	}
	w.tx.Emit(event(api.EventAPIPost, w.now, e.ID, fields{
		"clientIp": w.opt.ClientIP, "uri": w.opt.URI, "appDefinition": def,
	}))
	had := e.Old != nil && len(e.Old.HealthChecks) > 0
	has := e.New != nil && len(e.New.HealthChecks) > 0
	if had && has && sameChecks(e.Old.HealthChecks, e.New.HealthChecks) {
		return
	}
	if had {
		w.tx.Emit(event(api.EventRemoveHealthCheck, w.now, e.ID, fields{"appId": e.ID}))
	}
	if has {
		for i := range e.New.HealthChecks {
			w.tx.Emit(event(api.EventAddHealthCheck, w.now, e.ID, fields{
				"appId": e.ID, "version": e.New.Version, "healthCheck": &e.New.HealthChecks[i],
			}))
		}
	}
}

func sameChecks(a, b []api.HealthCheck) bool {
	x, y := api.App{HealthChecks: a}, api.App{HealthChecks: b}
	return api.Compare(&x, &y) == api.ChangeNone
}

func (w *write) emitGroup(version api.Timestamp) {
	group := w.about
	switch {
	case group != "":
	case len(w.edits) == 1:
		group = api.Parent(w.edits[0].ID)
	default:
		group = "/"
	}
	w.tx.Emit(event(api.EventGroupChangeSuccess, w.now, "", fields{"groupId": group, "version": version}))
}

// forecast warns beforehand of a change that could not be finished as things are: too little is free, or what is there
// may not make room.
func (w *write) forecast(e *reconcile.Edit) {
	a := w.tx.App(e.ID)
	if e.New == nil || e.New.Instances == 0 || a == nil {
		return
	}
	in := &reconcile.Input{Now: w.now, Seed: w.o.opt.Seed}
	for i := range w.o.opt.Agents {
		agent := &w.o.opt.Agents[i]
		in.Agents = append(in.Agents, w.o.agentState(agent, w.o.load[agent.ID]))
	}
	if text := reconcile.Forecast(in, w.o.appState(a)); text != "" {
		w.warn("%s: %s", e.ID, text)
	}
}
