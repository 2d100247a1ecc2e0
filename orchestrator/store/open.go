package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// format is the version of the file's layout. A file with a higher one is refused.
const format = 1

// Open opens the state file at path and reads it, or creates it, readable by its owner only. Errors name the file and
// say what can be done: it is held by another process, damaged, or of a newer version.
func Open(path string, opt Options) (*Store, error) {
	if opt.LockTimeout == 0 {
		opt.LockTimeout = time.Second
	}
	if opt.Versions == 0 {
		opt.Versions = 50
	}
	if err := create(path, opt); err != nil {
		return nil, err
	}
	s := &Store{
		path: path, opt: opt,
		apps: map[string]*App{}, taskApp: map[string]string{}, deployments: map[string]*Deployment{},
		groups: map[string]*Group{}, followers: map[string]string{}, dirty: map[string]*App{},
	}
	s.queue.idle.L = &s.queue.Mutex
	if err := s.read(); err != nil {
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, err
	}
	return s, nil
}

// create makes an empty state file if there is none. It is made under another name first, so that a file of the right
// name is always complete: an empty one is a damaged one, never a fresh start.
func create(path string, opt Options) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the state file's directory: %w", err)
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.Size() > 0:
		return nil
	case err == nil:
		return damaged(path, errors.New("it is empty"))
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("look for the state file: %w", err)
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("create the state file: %w", err)
	}
	db, err := bolt.Open(fresh, 0o600, boltOptions(opt))
	if err != nil {
		return fmt.Errorf("create the state file %s: %w", fresh, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range allBuckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, number(format))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("create the state file %s: %w", fresh, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("create the state file: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the state file's directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the state file's directory: %w", err)
	}
	return nil
}

func boltOptions(opt Options) *bolt.Options {
	// The list of free pages is kept in the file: bbolt would otherwise collect it on opening in a goroutine of its own,
	// whose panic over a damaged page nobody could catch.
	return &bolt.Options{Timeout: opt.LockTimeout, FreelistType: bolt.FreelistMapType, NoSync: opt.NoSync}
}

// read opens the file and loads everything. bbolt panics, or runs into addresses that do not exist, on pages that are
// damaged in certain ways; both come out as an error.
func (s *Store) read() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = damaged(s.path, fmt.Errorf("%v", r))
		}
	}()
	s.db, err = bolt.Open(s.path, 0o600, boltOptions(s.opt))
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("state file %s: another orchestrator is running on it (it holds the lock)", s.path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return damaged(s.path, err)
	case err != nil:
		return fmt.Errorf("open the state file: %w", err)
	}
	if err := s.db.View(s.load); err != nil {
		return err
	}
	s.implied()
	return nil
}

func damaged(path string, why error) error {
	return fmt.Errorf("state file %s is damaged: %w. It was left as it is. Put a backup in its place; or move it away to "+
		"start without any app, which stops every task that this cluster runs", path, why)
}
