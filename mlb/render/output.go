// Package render writes a model down as HAProxy configuration and map files, by Go templates. It is pure: bytes come
// out, problems are returned, nothing is read or run.
package render

// Output is what HAProxy shall run.
type Output struct {
	Config []byte
	Maps   []Map // sorted by name
}

// Map is one map file of HAProxy: its lines are sorted or, where the order decides, in order of precedence.
type Map struct {
	Name string // file name, next to the configuration file
	Data []byte
}
