// Package api is the ground everything stands on: the types of Marathon's API as Berth speaks it, the label keys, and
// the rules that turn what a client sent into a definition that can be stored (Parse, normalise, validate).
//
// It does no I/O and imports only the standard library. The orchestrator stores and serves these types; mlb, dnsd and
// vip read them, from Berth or from a real Marathon.
//
// Lists and maps without omitempty are never nil in what Berth serves: clients index them unguarded.
package api
