package orchestrator

import (
	"fmt"

	"berth/orchestrator/api"
)

// assigner returns the default AssignPorts: an app's own previous numbers first, then the lowest free one of the range.
func assigner(low, high int) AssignPorts {
	return func(app, previous *api.App, used func(int) bool) error {
		own := map[int]bool{} // written out in the new definition
		for _, p := range servicePorts(app) {
			own[*p.number] = true
		}
		var reuse []int
		if previous != nil {
			for _, p := range servicePorts(previous) {
				if n := *p.number; n >= low && n <= high && !own[n] {
					reuse = append(reuse, n)
				}
			}
		}
		next := low
		for _, p := range servicePorts(app) {
			if *p.number != 0 {
				continue
			}
			if len(reuse) > 0 {
				*p.number, reuse = reuse[0], reuse[1:]
				own[*p.number] = true
				continue
			}
			for next <= high && (used(next) || own[next]) {
				next++
			}
			if next > high {
				return &api.Error{Code: api.CodeInvalid, Message: "Object is not valid", Details: []api.Detail{{
					Path: p.path, Errors: []string{fmt.Sprintf("no service port is free between %d and %d", low, high)},
				}}}
			}
			*p.number = next
			own[next] = true
		}
		return nil
	}
}

// servicePort points into an app's definition.
type servicePort struct {
	path   string
	number *int
}

// servicePorts lists where a's service ports stand: in host mode the port definitions, else the port mappings.
func servicePorts(a *api.App) []servicePort {
	var out []servicePort
	if a.Mode() == api.NetworkHost {
		for i := range a.PortDefinitions {
			out = append(out, servicePort{fmt.Sprintf("/portDefinitions(%d)/port", i), &a.PortDefinitions[i].Port})
		}
		return out
	}
	if a.Container == nil {
		return nil
	}
	for i := range a.Container.PortMappings {
		out = append(out, servicePort{
			fmt.Sprintf("/container/portMappings(%d)/servicePort", i), &a.Container.PortMappings[i].ServicePort,
		})
	}
	return out
}
