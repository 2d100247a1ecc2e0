// Package render writes a model down as HAProxy configuration and map files, by Go templates. It is pure: bytes come
// out, problems are returned, nothing is read or run.
//
//	model.Build → Renderer.Render → Output → plan.Make(old, new) → haproxy.Apply
package render

import (
	"sync"

	"berth/mlb/model"
)

// Output is what HAProxy shall run. It may be copied; copies share their text.
type Output struct {
	config *config
	Maps   []Map // sorted by name

	// Marker tells this text from every other: "mlb:" and 16 hexadecimal digits. It is the description of the global
	// section, so "show info" of the worker that runs the text says it.
	Marker string
	// Sum tells the configuration and its maps from every other rendered one; it is empty for files that were read.
	Sum string
	// Shared are the sections that belong to no service, by place: what makes them different needs a reload.
	Shared []Section
	// Fragments are what the services contribute, in the model's order. A service that could not be written is missing.
	Fragments []*Fragment
	// Own are the services that are in no host map, in the order of their rules: those of larger weight first. OwnMap says at
	// which requests it is their turn.
	Own []OwnRoute
}

// config is the text, which is put together when it is asked for: a change that travels as commands does without until the
// files follow.
type config struct {
	once sync.Once
	make func() []byte // nil once it was called
	text []byte
}

// Config is the text of the configuration; nil for the zero Output. It is shared: nobody may change it.
func (o Output) Config() []byte {
	c := o.config
	if c == nil {
		return nil
	}
	c.once.Do(func() {
		if c.make != nil {
			c.text, c.make = c.make(), nil
		}
	})
	return c.text
}

// Written is an output of files that were read.
func Written(text []byte, maps []Map) Output {
	return Output{config: &config{text: text}, Maps: maps}
}

// OwnRoute is a service with routing rules of its own, and the hosts that these are for.
type OwnRoute struct {
	Service *model.Service
	Hosts   []string
}

// Section is a part of the configuration that several services share.
type Section struct {
	Name string // of what it is: "head", "global", "http", "appid", "https", "spare"
	Text string
}

// Fragment is what one service contributes. Fragments are never changed: an equal pointer means equal text.
type Fragment struct {
	Service  *model.Service
	Userlist string // empty without AUTH
	Frontend string // empty when the service has no port
	Backend  string // without its servers
	Servers  []ServerLine

	digest [32]byte
}

// ServerLine is one server of a backend.
type ServerLine struct {
	Name string
	Line string // with its line break; a service's own template may make it several lines
}

// Names of the map files.
const (
	DomainMap   = "domain2backend.map" // host, or *.domain → backend
	PathMap     = "path2backend.map"   // host and path prefix → backend
	RedirectMap = "redirect2https.map" // backend → "https" where port 80 redirects
	AppMap      = "app2backend.map"    // app id, lower case → backend
	CertList    = "certificates.list"  // no map: the crt-list of the https port, where virtual hosts have TLS of their own
	PortMap     = "port2backend.map"   // spare service port → spare backend
	OwnMap      = "own2services.map"   // host and path prefix → services whose own rules come first, as |web_10000|
	CheckMap    = "spare2check.map"    // spare backend → path of its HTTP check
)

// Map is one map file of HAProxy: lines of a key and a value, sorted by key; no key appears twice.
type Map struct {
	Name string // file name, next to the configuration file
	Data []byte
}
