package store

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"berth/orchestrator/api"
)

// ErrClosed is the answer to a write after Close.
var ErrClosed = errors.New("the state file is closed")

// Options tune a Store.
type Options struct {
	LockTimeout time.Duration // wait this long for another process to release the file; default 1 s
	Versions    int           // kept per app; default 50
	Cluster     string        // whose tasks the file knows; "" leaves that open
	// OnCommit is told of every commit, in order, after it is stored and before its writers are answered and its events
	// go out: the records replaced, with what they were before. It must be quick and must not write to the store.
	OnCommit func([]Change)
	NoSync   bool         // for tests: skip the sync, and with it the promise to survive a crash of the machine
	FailSave func() error // for tests: its error stands for one of the disk

	readOnly bool
}

// Change is one replaced record. Old is nil for a new app, New for one that is forgotten.
type Change struct{ Old, New *App }

// Store is the state. It is safe for concurrent use.
type Store struct {
	db   *bolt.DB
	path string
	opt  Options
	hub  hub

	mu          sync.RWMutex // guards what follows; only commit writes
	index       uint64
	lastVersion api.Timestamp
	apps        map[string]*App
	ids         []string          // of apps, sorted
	taskApp     map[string]string // task id to app id
	deployments map[string]*Deployment
	groups      map[string]*Group
	undos       []*Undo           // oldest first
	followers   map[string]string // name to role
	cluster     string            // fixed once the store is open

	queue struct {
		sync.Mutex
		waiting []*request
		busy    bool // somebody is committing
		closed  bool
		idle    sync.Cond
	}
	dirty map[string]*App // by id, what the file has of apps with notes that it has not got; owned by whoever commits
}

// Index returns the revision of the last stored change.
func (s *Store) Index() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index
}

// App returns the record of an app, also of a deleted one whose tasks are not all forgotten, or nil.
func (s *Store) App(id string) *App {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.apps[id]
}

// Apps returns all records, sorted by id, and the revision they show.
func (s *Store) Apps() ([]*App, uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*App, len(s.ids))
	for i, id := range s.ids {
		out[i] = s.apps[id]
	}
	return out, s.index
}

// Task returns a task, living or ended, and its app, or nil.
func (s *Store) Task(id string) (*App, *Task) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	a := s.apps[s.taskApp[id]]
	if a == nil {
		return nil, nil
	}
	return a, a.Task(id)
}

// Deployments returns the running deployments, oldest first.
func (s *Store) Deployments() []*Deployment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return sortedDeployments(s.deployments)
}

// Deployment returns a running deployment or nil.
func (s *Store) Deployment(id string) *Deployment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.deployments[id]
}

// Followers returns the name and role of every follower last told to SetFollowers.
func (s *Store) Followers() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.followers
}

func sortedDeployments(m map[string]*Deployment) []*Deployment {
	out := make([]*Deployment, 0, len(m))
	for _, d := range m {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *Deployment) int {
		if a.Version != b.Version {
			return int(a.Version - b.Version)
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// Close waits for the write under way, writes what was only noted, ends all subscriptions and releases the file.
func (s *Store) Close() error {
	s.queue.Lock()
	if s.queue.closed {
		s.queue.Unlock()
		return nil
	}
	s.queue.closed = true
	for s.queue.busy {
		s.queue.idle.Wait()
	}
	s.queue.Unlock()
	err := s.saveNotes()
	s.hub.close()
	return errors.Join(err, s.db.Close())
}
