package orchestrator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// write is one client's change of apps and groups, inside a write of the store.
type write struct {
	o   *Orchestrator
	tx  *store.Tx
	opt httpapi.WriteOptions
	now time.Time
	// undoes says that this takes back a deployment. It has no deadline of its own: undoing the undoing would never end.
	undoes bool

	edits  []*reconcile.Edit
	byID   map[string]*reconcile.Edit
	paths  map[string]string // of apps and groups in the client's document
	groups map[string]*groupEdit
	about  string // the group that the write is about; "" if it is about apps
	result httpapi.WriteResult
}

func (o *Orchestrator) newWrite(tx *store.Tx, opt httpapi.WriteOptions) *write {
	return &write{
		o: o, tx: tx, opt: opt, now: o.opt.Now(), byID: map[string]*reconcile.Edit{}, paths: map[string]string{},
		groups: map[string]*groupEdit{},
	}
}

// run works the changes out, holds them against the rules between apps, and makes them and their deployment part of the
// state.
func (w *write) run(changes []httpapi.AppChange) (httpapi.WriteResult, error) {
	for _, c := range changes {
		if err := w.edit(c); err != nil {
			return httpapi.WriteResult{}, err
		}
	}
	w.ensureGroups()
	for _, check := range []func() error{w.checkPaths, w.assignPorts, w.checkCycles, w.checkLocks} {
		if err := check(); err != nil {
			return httpapi.WriteResult{}, err
		}
	}
	w.store()
	if w.opt.DryRun {
		w.result.Placements = w.placements()
	}
	return w.result, nil
}

func (w *write) edit(c httpapi.AppChange) error {
	if w.byID[c.ID] != nil {
		return invalid("/id", "app %s is named twice", c.ID)
	}
	e := &reconcile.Edit{ID: c.ID, Restart: c.Restart, Undo: c.Undo}
	if a := w.tx.App(c.ID); a != nil {
		e.Old = a.Def
	}
	def, err := c.Apply(e.Old)
	if err != nil {
		return err
	}
	if def != nil {
		if def.ID != c.ID {
			return invalid("/id", "the definition is of %s; expected %s", def.ID, c.ID)
		}
		e.New = def
		if def == e.Old || len(def.ServicePorts()) > 0 {
			e.New = def.Clone() // ports, version and version information will be set
		}
	}
	w.edits = append(w.edits, e)
	w.byID[c.ID] = e
	w.paths[c.ID] = c.Path
	return nil
}

func invalid(path, format string, args ...any) error {
	return &api.Error{Code: api.CodeInvalid, Message: "Object is not valid", Details: []api.Detail{{
		Path: path, Errors: []string{fmt.Sprintf(format, args...)},
	}}}
}

// located puts the place of an app or group in the client's document before the paths of an error.
func (w *write) located(id string, err error) error {
	var e *api.Error
	if path := w.paths[id]; path != "" && errors.As(err, &e) {
		return e.In(path)
	}
	return err
}

// lookup finds the definition of an app as this write leaves it.
func (w *write) lookup(id string) *api.App {
	if e := w.byID[id]; e != nil {
		return e.New
	}
	if a := w.tx.App(id); a != nil {
		return a.Def
	}
	return nil
}

// assignPorts gives service ports to new and changed apps, and warns of numbers that several apps ask for.
func (w *write) assignPorts() error {
	mine := map[int]string{} // by this write's apps, before and after
	for _, e := range w.edits {
		for _, def := range []*api.App{e.Old, e.New} {
			if def == nil {
				continue
			}
			for _, p := range def.ServicePorts() {
				mine[p] = e.ID
			}
		}
	}
	used := func(port int) bool {
		if mine[port] != "" || len(w.o.book[port]) > 0 {
			return true
		}
		for a := range w.tx.Pending {
			if a.Def != nil && slices.Contains(a.Def.ServicePorts(), port) {
				return true
			}
		}
		return false
	}
	for _, e := range w.edits {
		if e.New == nil {
			continue
		}
		if slices.Contains(e.New.ServicePorts(), 0) {
			if err := w.o.opt.Assign(e.New, e.Old, used); err != nil {
				return w.located(e.ID, err)
			}
		}
		for _, p := range e.New.ServicePorts() {
			mine[p] = e.ID
		}
		w.warnPorts(e)
	}
	return nil
}

func (w *write) warnPorts(e *reconcile.Edit) {
	for _, p := range e.New.ServicePorts() {
		for _, other := range w.o.book[p] {
			if other != e.ID && w.lookup(other) != nil && slices.Contains(w.lookup(other).ServicePorts(), p) {
				w.warn("service port %d of %s is also that of %s", p, e.ID, other)
			}
		}
	}
}

func (w *write) warn(format string, args ...any) {
	w.result.Warnings = append(w.result.Warnings, fmt.Sprintf(format, args...))
}

// checkLocks refuses the write if a deployment holds one of its apps, or with Force ends that deployment.
func (w *write) checkLocks() error {
	held := map[string]*store.Deployment{}
	changes := 0
	for _, e := range w.edits {
		if e.Action() == "" {
			continue
		}
		changes++
		if a := w.tx.App(e.ID); a != nil && a.Deployment != "" {
			held[a.Deployment] = w.tx.Deployment(a.Deployment)
		}
	}
	if len(held) > 0 && !w.opt.Force {
		return w.locked(held)
	}
	for _, d := range held {
		w.o.cancel(w.tx, d, "overridden by another deployment", w.now)
	}
	if limit := w.o.opt.MaxDeployments; changes > 0 && w.tx.Running() >= limit {
		return &api.Error{
			Code: api.CodeTooMany, Message: fmt.Sprintf("%d deployments are running, no more are allowed; try again later", limit),
		}
	}
	return nil
}

func (w *write) locked(held map[string]*store.Deployment) error {
	e := &api.Error{Code: api.CodeLocked}
	var texts []string
	for id, d := range held {
		e.Deployments = append(e.Deployments, api.DeploymentRef{ID: id})
		texts = append(texts, fmt.Sprintf("%s (step %d of %d, for %s)", id, d.Current, len(d.Steps),
			w.now.Sub(d.Started.Time()).Round(time.Second)))
	}
	slices.SortFunc(e.Deployments, func(a, b api.DeploymentRef) int { return cmpText(a.ID, b.ID) })
	slices.Sort(texts)
	e.Message = "App is locked by one or more deployments: " + strings.Join(texts, ", ") +
		". Override with the option '?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'."
	return e
}

func cmpText(a, b string) int { return strings.Compare(a, b) }
