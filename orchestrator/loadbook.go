package orchestrator

import (
	"berth/orchestrator/reconcile"
	"berth/orchestrator/store"
)

// loadBook is what all living tasks take of each agent, by its id.
type loadBook map[string]*reconcile.Usage

func newLoadBook(agents []Agent) loadBook {
	b := loadBook{}
	for i := range agents {
		b[agents[i].ID] = &reconcile.Usage{}
	}
	return b
}

// account takes in a change. It reports whether something was given back.
func (b loadBook) account(c store.Change) (freed bool) {
	had, has := living(c.Old), living(c.New)
	for id, t := range had {
		if u := b[t.Agent]; u != nil && has[id] == nil {
			u.Remove(reconcile.Need(t.Def), t.Ports)
			freed = true
		}
	}
	for id, t := range has {
		if u := b[t.Agent]; u != nil && had[id] == nil {
			u.Add(t.AppID, reconcile.Need(t.Def), t.Ports)
		}
	}
	return freed
}
