package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"berth/orchestrator/api"
)

// The file's buckets. Values are JSON unless said otherwise.
var (
	bucketMeta        = []byte("meta")        // the keys below
	bucketApps        = []byte("apps")        // app id → head
	bucketVersions    = []byte("versions")    // app id, 0, version as 8 bytes → api.App
	bucketTasks       = []byte("tasks")       // task id → Task
	bucketDeployments = []byte("deployments") // id → Deployment
	bucketGroups      = []byte("groups")      // id → Group; absent in files of before groups could be written
	bucketUndos       = []byte("undos")       // version as 8 bytes → Undo; absent likewise

	oldBuckets = [][]byte{bucketMeta, bucketApps, bucketVersions, bucketTasks, bucketDeployments}
	allBuckets = append(oldBuckets[:len(oldBuckets):len(oldBuckets)], bucketGroups, bucketUndos)

	keyFormat    = []byte("format")    // 8 bytes
	keyIndex     = []byte("index")     // 8 bytes
	keyVersion   = []byte("version")   // 8 bytes: the last one given
	keyFollowers = []byte("followers") // name → role
	keyCluster   = []byte("cluster")   // text: the name that marks the cluster's tasks
)

// head is what the file holds of an app besides its versions and tasks.
type head struct {
	Current api.Timestamp    `json:"current,omitzero"` // absent: deleted
	Created api.Timestamp    `json:"created"`
	Backoff Backoff          `json:"backoff,omitzero"`
	Failure *api.TaskFailure `json:"failure,omitempty"`
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// uint64Of reads what number wrote; 0 if it did not.
func uint64Of(v []byte) uint64 {
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func versionKey(app string, v api.Timestamp) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(app), 0), uint64(v))
}

// load reads the whole file.
func (s *Store) load(tx *bolt.Tx) error {
	for _, name := range oldBuckets {
		if tx.Bucket(name) == nil {
			return damaged(s.path, fmt.Errorf("the bucket %q is missing", name))
		}
	}
	if err := s.loadMeta(tx.Bucket(bucketMeta)); err != nil {
		return err
	}
	defs, err := s.loadVersions(tx)
	if err != nil {
		return err
	}
	if err := s.loadApps(tx, defs); err != nil {
		return err
	}
	if err := s.loadTasks(tx, defs); err != nil {
		return err
	}
	if err := s.loadGroups(tx); err != nil {
		return err
	}
	return each(s, tx, bucketDeployments, func(id []byte, d *Deployment) error {
		s.deployments[d.ID] = d
		for _, app := range d.Apps {
			if a := s.apps[app]; a != nil {
				a.Deployment = d.ID
			}
		}
		return nil
	})
}

func (s *Store) loadMeta(b *bolt.Bucket) error {
	read := func(key []byte) uint64 { return uint64Of(b.Get(key)) }
	s.cluster = string(b.Get(keyCluster))
	switch f := read(keyFormat); {
	case f == 0:
		return damaged(s.path, fmt.Errorf("it has no format number"))
	case f > format:
		return fmt.Errorf("state file %s has format %d, this orchestrator knows up to %d: run the newer one", s.path, f, format)
	}
	s.index, s.lastVersion = read(keyIndex), api.Timestamp(read(keyVersion))
	if v := b.Get(keyFollowers); v != nil {
		if err := json.Unmarshal(v, &s.followers); err != nil {
			return damaged(s.path, fmt.Errorf("the followers: %w", err))
		}
	}
	return nil
}

// each decodes every value of a bucket.
func each[T any](s *Store, tx *bolt.Tx, bucket []byte, fn func(key []byte, v *T) error) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, data []byte) error {
		v := new(T)
		if err := json.Unmarshal(data, v); err != nil {
			return damaged(s.path, fmt.Errorf("%s %q: %w", bucket, k, err))
		}
		return fn(k, v)
	})
}

// loadVersions returns all definitions by app id, oldest first.
func (s *Store) loadVersions(tx *bolt.Tx) (map[string][]*api.App, error) {
	defs := map[string][]*api.App{}
	err := each(s, tx, bucketVersions, func(k []byte, def *api.App) error {
		id, _, _ := bytes.Cut(k, []byte{0})
		defs[string(id)] = append(defs[string(id)], def)
		return nil
	})
	return defs, err
}

func (s *Store) loadApps(tx *bolt.Tx, defs map[string][]*api.App) error {
	err := each(s, tx, bucketApps, func(k []byte, h *head) error {
		a := &App{ID: string(k), Created: h.Created, Backoff: h.Backoff, Failure: h.Failure}
		if !h.Current.IsZero() {
			for _, def := range defs[a.ID] {
				if def.Version >= h.Created {
					a.Versions = append(a.Versions, def)
				}
			}
			if a.Def = find(a.Versions, h.Current); a.Def == nil {
				return damaged(s.path, fmt.Errorf("app %s: its version %s is missing", a.ID, h.Current))
			}
			a.Versions = a.Versions[max(0, len(a.Versions)-s.opt.Versions):]
		}
		s.apps[a.ID] = a
		s.ids = append(s.ids, a.ID)
		return nil
	})
	slices.Sort(s.ids)
	return err
}

func find(defs []*api.App, v api.Timestamp) *api.App {
	if i := slices.IndexFunc(defs, func(d *api.App) bool { return d.Version == v }); i >= 0 {
		return defs[i]
	}
	return nil
}

func (s *Store) loadTasks(tx *bolt.Tx, defs map[string][]*api.App) error {
	err := each(s, tx, bucketTasks, func(k []byte, t *Task) error {
		a := s.apps[t.AppID]
		if a == nil {
			return damaged(s.path, fmt.Errorf("task %s: its app %s is missing", k, t.AppID))
		}
		if t.Def = find(defs[t.AppID], t.Version); t.Def == nil {
			return damaged(s.path, fmt.Errorf("task %s: version %s of its app is missing", k, t.Version))
		}
		if t.State.Final() {
			a.Ended = append(a.Ended, t)
		} else {
			a.Tasks = append(a.Tasks, t)
		}
		s.taskApp[t.ID] = a.ID
		return nil
	})
	for _, a := range s.apps {
		slices.SortFunc(a.Tasks, byLaunch)
		slices.SortFunc(a.Ended, byEnd)
	}
	return err
}

func (s *Store) loadGroups(tx *bolt.Tx) error {
	err := each(s, tx, bucketGroups, func(_ []byte, g *Group) error {
		s.groups[g.ID] = g
		return nil
	})
	if err != nil {
		return err
	}
	return each(s, tx, bucketUndos, func(_ []byte, u *Undo) error {
		s.undos = append(s.undos, u)
		return nil
	})
}

func order(a, b api.Timestamp, x, y string) int {
	if a != b {
		return int(a - b)
	}
	return strings.Compare(x, y)
}
