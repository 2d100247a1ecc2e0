package client

import (
	"time"

	"berth/orchestrator/api"
)

// Snapshot is everything known at one moment. It is immutable: apps that did not change between two snapshots are the
// same pointers, so a follower can tell by comparing pointers what it has to recompute.
type Snapshot struct {
	Apps []*api.AppInfo // sorted by id, each with its tasks
	// Index is the store's revision up to which every change is contained; 0 from a real Marathon.
	Index uint64
	// Time is when this state was last confirmed by a source: while a snapshot is served from disk, how old it is.
	Time time.Time
	// Source is the URL that answered, or "disk".
	Source string
	// Problems are apps that could not be read, by id, with the reason; they are missing from Apps.
	Problems map[string]string
	// Full is set when everything was read anew rather than single apps.
	Full bool
}
