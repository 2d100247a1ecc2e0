package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	bolt "go.etcd.io/bbolt"

	"berth/orchestrator/api"
)

// save writes a batch and the given changes of records in one synced transaction.
func (s *Store) save(b *batch, changes []Change) error {
	err := s.db.Update(func(tx *bolt.Tx) error {
		if s.opt.FailSave != nil {
			if err := s.opt.FailSave(); err != nil {
				return err
			}
		}
		meta := tx.Bucket(bucketMeta)
		if err := meta.Put(keyIndex, number(b.index)); err != nil {
			return err
		}
		if err := meta.Put(keyVersion, number(uint64(b.version))); err != nil {
			return err
		}
		if b.drains != nil {
			if err := put(meta, keyDrains, b.drains); err != nil {
				return err
			}
		}
		if b.followers != nil {
			if err := put(meta, keyFollowers, b.followers); err != nil {
				return err
			}
		}
		for id, d := range b.deployments {
			if err := putOrDelete(tx.Bucket(bucketDeployments), []byte(id), d); err != nil {
				return err
			}
		}
		if err := s.saveGroups(tx, b); err != nil {
			return err
		}
		for _, c := range changes {
			if err := saveApp(tx, c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the state file %s: %w", s.path, err)
	}
	return nil
}

// saveGroups writes the groups that a batch changes, and the history.
func (s *Store) saveGroups(tx *bolt.Tx, b *batch) error {
	if len(b.groups)+len(b.undos) == 0 {
		return nil
	}
	groups, err := tx.CreateBucketIfNotExists(bucketGroups)
	if err != nil {
		return err
	}
	undos, err := tx.CreateBucketIfNotExists(bucketUndos)
	if err != nil {
		return err
	}
	for id, g := range b.groups {
		if err := putOrDelete(groups, []byte(id), g); err != nil {
			return err
		}
	}
	for _, u := range b.undos {
		if err := put(undos, number(uint64(u.Version)), u); err != nil {
			return err
		}
	}
	_, dropped := trimmed(slices.Concat(s.undos, b.undos))
	for _, u := range dropped {
		if err := undos.Delete(number(uint64(u.Version))); err != nil {
			return err
		}
	}
	return nil
}

// saveApp writes what differs between two records of an app.
func saveApp(tx *bolt.Tx, c Change) error {
	if err := saveHead(tx.Bucket(bucketApps), c); err != nil {
		return err
	}
	had, has := c.Old.defs(), c.New.defs()
	err := diff(tx.Bucket(bucketVersions), had, has, func(v api.Timestamp) []byte { return versionKey(c.id(), v) })
	if err != nil {
		return err
	}
	return diff(tx.Bucket(bucketTasks), c.Old.tasksByID(), c.New.tasksByID(), func(id string) []byte { return []byte(id) })
}

func saveHead(b *bolt.Bucket, c Change) error {
	if c.New == nil {
		return b.Delete([]byte(c.Old.ID))
	}
	h := c.New.head()
	if c.Old != nil && reflect.DeepEqual(c.Old.head(), h) {
		return nil
	}
	return put(b, []byte(c.New.ID), h)
}

func (a *App) head() head {
	h := head{Created: a.Created, Backoff: a.Backoff, Failure: a.Failure}
	if a.Def != nil {
		h.Current = a.Def.Version
	}
	return h
}

// defs are the definitions the file has to hold for a: its versions, and those its tasks were started from.
func (a *App) defs() map[api.Timestamp]*api.App {
	if a == nil {
		return nil
	}
	m := make(map[api.Timestamp]*api.App, len(a.Versions)+1)
	for t := range a.allTasks {
		m[t.Version] = t.Def
	}
	for _, def := range a.Versions {
		m[def.Version] = def
	}
	return m
}

func (a *App) tasksByID() map[string]*Task {
	m := map[string]*Task{}
	for t := range a.allTasks {
		m[t.ID] = t
	}
	return m
}

// diff makes the bucket, which holds had, hold has.
func diff[K comparable, V any](b *bolt.Bucket, had, has map[K]*V, key func(K) []byte) error {
	for k, v := range has {
		if had[k] == v {
			continue
		}
		if err := put(b, key(k), v); err != nil {
			return err
		}
	}
	for k := range had {
		if _, keep := has[k]; keep {
			continue
		}
		if err := b.Delete(key(k)); err != nil {
			return err
		}
	}
	return nil
}

func putOrDelete[V any](b *bolt.Bucket, key []byte, v *V) error {
	if v == nil {
		return b.Delete(key)
	}
	return put(b, key, v)
}

func put(b *bolt.Bucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	return b.Put(key, data)
}
