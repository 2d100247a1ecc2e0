package orchestrator

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/reconcile"
)

// RoleBalancer is the role of followers that carry traffic to tasks and count its sessions.
const RoleBalancer = "mlb"

// followers are the parties of the drain handshake. One whose stream broke is still waited for a while, because what it
// drives, a HAProxy, goes on with what it last knew; so are those that were there before a restart.
type followers struct {
	grace time.Duration

	mu sync.Mutex
	m  map[string]*follower
}

type follower struct {
	role     string
	streams  int
	goneAt   time.Time // when the last stream ended
	index    uint64
	sessions map[string]int
}

func newFollowers(known map[string]string, now time.Time, grace time.Duration) *followers {
	f := &followers{grace: grace, m: map[string]*follower{}}
	for name, role := range known {
		f.m[name] = &follower{role: role, goneAt: now}
	}
	return f
}

// join counts a stream in and returns the names to keep if they changed.
func (f *followers) join(name, role string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.m[name]
	if known == nil || known.role != role {
		f.m[name] = &follower{role: role, streams: 1}
		if known != nil {
			f.m[name].streams += known.streams
		}
		return f.names()
	}
	known.streams++
	return nil
}

func (f *followers) leave(name string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.m[name]; known != nil {
		known.streams--
		known.goneAt = now
	}
}

// expire forgets those that have been away for too long, and returns the names to keep if they changed.
func (f *followers) expire(now time.Time) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := false
	for name, known := range f.m {
		if known.streams <= 0 && !now.Before(known.goneAt.Add(f.grace)) {
			delete(f.m, name)
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return f.names()
}

// forget drops one that has said goodbye, and returns the names to keep if that changed them.
func (f *followers) forget(name string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m[name] == nil {
		return nil
	}
	delete(f.m, name)
	return f.names()
}

// nextExpiry is when the next one will be forgotten, or zero.
func (f *followers) nextExpiry() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var next time.Time
	for _, known := range f.m {
		if end := known.goneAt.Add(f.grace); known.streams <= 0 && (next.IsZero() || end.Before(next)) {
			next = end
		}
	}
	return next
}

// ack takes in a report; it reports false if nobody of that name is there.
func (f *followers) ack(a api.Ack) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.m[a.Subscriber]
	if known == nil {
		return false
	}
	known.index = max(known.index, a.Index)
	known.sessions = maps.Clone(a.Sessions)
	return true
}

// list returns what reconcile needs to know, sorted by name.
func (f *followers) list() []reconcile.Follower {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]reconcile.Follower, 0, len(f.m))
	for _, name := range slices.Sorted(maps.Keys(f.m)) {
		known := f.m[name]
		out = append(out, reconcile.Follower{
			Name: name, Balances: known.role == RoleBalancer, Index: known.index, Sessions: known.sessions,
		})
	}
	return out
}

func (f *followers) names() map[string]string {
	names := make(map[string]string, len(f.m))
	for name, known := range f.m {
		names[name] = known.role
	}
	return names
}

func checkAck(a api.Ack, index uint64) error {
	var details []api.Detail
	bad := func(path, format string, args ...any) {
		details = append(details, api.Detail{Path: path, Errors: []string{fmt.Sprintf(format, args...)}})
	}
	if a.Subscriber == "" {
		bad("/subscriber", "is empty; expected the name given to the event stream")
	}
	if a.Index > index {
		bad("/index", "%d lies ahead of the last revision, %d", a.Index, index)
	}
	for task, n := range a.Sessions {
		if n < 0 {
			bad("/sessions", "task %s: %d sessions; expected 0 or more", task, n)
		}
	}
	if details == nil {
		return nil
	}
	return &api.Error{Code: api.CodeInvalid, Message: "Object is not valid", Details: details}
}

// sessionsOf counts the open connections that balancers report of tasks.
func (f *followers) sessionsOf(tasks []string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, known := range f.m {
		for _, t := range tasks {
			n += known.sessions[t]
		}
	}
	return n
}
