package orchestrator

import (
	"slices"

	"berth/orchestrator/api"
)

// portBook knows which apps hold a service port. It is used inside store writes and commits only, which never overlap.
type portBook map[int][]string

func (b portBook) add(def *api.App) {
	if def == nil {
		return
	}
	for _, p := range def.ServicePorts() {
		if p != 0 && !slices.Contains(b[p], def.ID) {
			b[p] = append(b[p], def.ID)
		}
	}
}

func (b portBook) remove(def *api.App) {
	if def == nil {
		return
	}
	for _, p := range def.ServicePorts() {
		b[p] = slices.DeleteFunc(b[p], func(id string) bool { return id == def.ID })
		if len(b[p]) == 0 {
			delete(b, p)
		}
	}
}
