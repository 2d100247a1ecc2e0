// Package zone turns apps into DNS records: one immutable Zone that answers look-ups. It is pure; the server holds the
// current Zone behind one atomic pointer and makes messages of what Lookup returns.
//
//	apps → Builder.Update → Zone → Lookup(name, type)
//
// A Builder remembers what each app contributed, so a change costs what changed: the records of the apps concerned are
// made anew, and of the zone only the shards that hold their names are copied.
package zone
