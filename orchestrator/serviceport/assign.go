// Package serviceport numbers the ports of apps for the whole cluster (marathon-api.md section 5.4). A service port is
// where the load balancer listens for one port of one app; this package decides which number a port gets that asks for
// none. It is pure: the state of the cluster comes in as a function.
//
//	normalised app + what is taken → Assign → app that can be stored
package serviceport

import (
	"fmt"
	"strconv"

	"berth/orchestrator/api"
)

// The range numbers are taken from unless configured otherwise; both ends belong to it.
const (
	DefaultMin = 10000
	DefaultMax = 20000
)

// Assign gives a number to every port of app whose service port is 0, in place. app must be normalised and the caller's
// own (as ParseApp and Update.Apply return it); numbers that are written out stay as they are.
//
// First come the ports of previous, the definition that app replaces (nil if there is none), in their order: those from
// min to max that app does not write out itself. Then comes the lowest number from min to max that is not used. used
// must report every service port, explicit or assigned, of every app before the change and after it, so that the ports
// of an app deleted by the same request are not free yet; it is not asked about the numbers of app and previous.
//
// When the range is exhausted the error is an *api.Error of CodeInvalid that names each port left without a number, and
// app is not changed.
func Assign(app, previous *api.App, used func(port int) bool, min, max int) error {
	slots := slotsOf(app)
	a := newAllocator(slots, previous, used, min, max)
	numbers := make([]int, len(slots))
	var missing []api.Detail
	for i, s := range slots {
		if *s.port != 0 {
			continue
		}
		n, ok := a.next()
		if !ok {
			missing = append(missing, exhausted(s, min, max))
			continue
		}
		numbers[i] = n
	}
	if missing != nil {
		return &api.Error{Code: api.CodeInvalid, Message: "Object is not valid", Details: missing}
	}
	for i, n := range numbers {
		if n != 0 {
			*slots[i].port = n
		}
	}
	return nil
}

func exhausted(s slot, min, max int) api.Detail {
	text := fmt.Sprintf("no service port from %d to %d is free; write one out or widen the range", min, max)
	return api.Detail{Path: s.path, Errors: []string{text}}
}

// slot is the place of one service port in a definition.
type slot struct {
	port *int
	path string
}

func slotsOf(app *api.App) []slot {
	var slots []slot
	if app.Mode() == api.NetworkHost {
		for i := range app.PortDefinitions {
			slots = append(slots, slot{&app.PortDefinitions[i].Port, "/portDefinitions(" + strconv.Itoa(i) + ")/port"})
		}
		return slots
	}
	if app.Container == nil {
		return nil
	}
	for i := range app.Container.PortMappings {
		slots = append(slots, slot{&app.Container.PortMappings[i].ServicePort,
			"/container/portMappings(" + strconv.Itoa(i) + ")/servicePort"})
	}
	return slots
}

// allocator hands out numbers, each once.
type allocator struct {
	own    []int        // of the previous definition, not yet taken up again
	ours   map[int]bool // written out by the app, or its own
	used   func(int) bool
	lowest int // no number below is free
	max    int
}

func newAllocator(slots []slot, previous *api.App, used func(int) bool, min, max int) *allocator {
	a := &allocator{ours: map[int]bool{}, used: used, lowest: min, max: max}
	for _, s := range slots {
		a.ours[*s.port] = true
	}
	if previous == nil {
		return a
	}
	for _, n := range previous.ServicePorts() {
		if n != 0 && n >= min && n <= max && !a.ours[n] {
			a.own = append(a.own, n)
			a.ours[n] = true
		}
	}
	return a
}

func (a *allocator) next() (int, bool) {
	if len(a.own) > 0 {
		n := a.own[0]
		a.own = a.own[1:]
		return n, true
	}
	for ; a.lowest <= a.max; a.lowest++ {
		if n := a.lowest; n > 0 && !a.ours[n] && !a.used(n) {
			a.lowest++
			return n, true
		}
	}
	return 0, false
}
