package api

import (
	"reflect"
)

var appType = reflect.TypeFor[App]()

// Apply returns stored with the given fields replaced, normalised against stored and validated. Each field replaces the
// stored one wholly; giving args drops a stored cmd and the reverse. A nil stored makes a new app from defaults: that is
// creation, and with the id set also full replacement (partialUpdate=false). stored is not changed, and the result
// shares nothing with it. Version and versionInfo are stored's; new ones are the caller's to set.
func (u *Update) Apply(stored *App) (*App, Notes, error) {
	d := &draft{sent: u.sent.Clone(), given: u.given, stored: stored, places: canonicalPlaces}
	d.addAll(u.rules)
	d.start(u)
	d.contradictions()
	d.mergePlain()
	d.mergeCommand()
	d.mergeFetch()
	d.mergeNetworks()
	d.mergeContainer()
	d.mergePorts()
	d.normaliseMembers()
	d.validate()
	if err := d.err(messageInvalidObject); err != nil {
		return nil, Notes{}, err
	}
	d.removeRepeats()
	return d.app, d.notes, nil
}

// draft is an app between what a client sent and what is stored.
type draft struct {
	problems
	notes  Notes
	sent   *App            // what the client gave
	given  map[string]bool // which top-level fields it gave
	stored *App            // what is there already, nil for a new app or a full replacement
	app    *App            // what it becomes
	places places
}

// places are the paths where the client wrote its ports, so that errors point there.
type places struct{ mappings, definitions string }

var canonicalPlaces = places{mappings: "/container/portMappings", definitions: "/portDefinitions"}

func (d *draft) partial() bool { return d.stored != nil }

func (d *draft) start(u *Update) {
	if d.partial() {
		d.app = d.stored.Clone()
		return
	}
	app := defaultApp()
	d.app = &app
	d.app.ID = u.ID
	if u.ID == "" && !d.given["id"] {
		d.add("/id", "missing; expected a path such as /group/app")
	}
}

// mergedApart are the fields that mergePlain leaves to others, or that nobody may set.
var mergedApart = map[string]bool{
	"id": true, "version": true, "versionInfo": true,
	"cmd": true, "args": true, "uris": true, "fetch": true,
	"networks": true, "ipAddress": true, "container": true, "portDefinitions": true, "ports": true,
}

func (d *draft) mergePlain() {
	from, to := reflect.ValueOf(d.sent).Elem(), reflect.ValueOf(d.app).Elem()
	fields := fieldsOf(appType)
	for name := range d.given {
		if at, ok := fields[name]; ok && !mergedApart[name] {
			to.FieldByIndex(at).Set(from.FieldByIndex(at))
		}
	}
}

// mergeCommand lets a given cmd displace stored args and the reverse.
func (d *draft) mergeCommand() {
	if d.given["cmd"] {
		if d.sent.Cmd == "" {
			d.add("/cmd", "must not be empty")
		}
		d.app.Cmd, d.app.Args = d.sent.Cmd, nil
	}
	if d.given["args"] {
		d.app.Args = d.sent.Args
		if len(d.sent.Args) > 0 && !d.given["cmd"] {
			d.app.Cmd = ""
		}
	}
}

func (d *draft) mergeFetch() {
	switch {
	case len(d.sent.Fetch) == 0 && d.given["uris"]:
		d.app.Fetch = fetchOf(d.sent.URIs)
	case d.given["fetch"]:
		d.app.Fetch = d.sent.Fetch
	}
}

// mergeNetworks decides the network mode: from the update where it says anything, else from the stored app.
func (d *draft) mergeNetworks() {
	switch networks := networksOf(d.sent); {
	case networks != nil:
		d.app.Networks = networks
	case d.given["networks"] || !d.partial():
		d.app.Networks = []Network{{Mode: NetworkHost}}
	}
}

func (d *draft) mergeContainer() {
	stored := d.app.Container
	if d.given["container"] {
		d.app.Container = d.sent.Container.withoutLegacy()
	}
	c := d.app.Container
	mappings, place := mappingsOf(d.sent)
	if place != "" {
		d.places.mappings = place
	}
	if c == nil && d.app.hosted() {
		return
	}
	if c == nil {
		c = &Container{Type: ContainerMesos}
		d.app.Container = c
	}
	switch {
	case d.given["container"] || mappings != nil:
		c.PortMappings = mappings
	case stored != nil && d.stored.hosted():
		c.PortMappings = nil // a host app has none; in another mode that means the default
	}
}

// withoutLegacy returns a copy that lacks the members of old documents; lists are shared.
func (c *Container) withoutLegacy() *Container {
	out := *c
	if c.Docker != nil {
		docker := *c.Docker
		docker.Network, docker.PortMappings = "", nil
		out.Docker = &docker
	}
	return &out
}

// hosted reports whether tasks use the network of their agent.
func (a *App) hosted() bool { return a.Mode() == NetworkHost }

// removeRepeats makes the constraints a set. It comes last, because errors name positions in what was sent.
func (d *draft) removeRepeats() {
	d.app.Constraints = uniqueLists(d.app.Constraints)
}
