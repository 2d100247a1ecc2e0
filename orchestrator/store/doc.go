// Package store keeps what was asked for and what is known to run: apps with their versions, tasks, backoff, failures,
// health verdicts and deployments. The whole state lives in memory as immutable records; every write goes to a bbolt
// file and is synced before it is answered, shown to readers or spoken of in an event.
//
// Writes that arrive while the file is being synced travel together in the next transaction, so many small changes cost
// few syncs. A write replaces the records it touches and shares everything else, so its cost does not depend on how much
// there is, and a reader may keep what it was given for as long as it likes.
package store
