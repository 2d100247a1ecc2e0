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
	"golang.org/x/sys/unix"
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
	s := newStore(path, opt)
	err := s.read()
	if err == nil {
		err = s.claim()
	}
	if err != nil {
		if s.db != nil {
			err = errors.Join(err, s.db.Close())
		}
		return nil, err
	}
	return s, nil
}

func newStore(path string, opt Options) *Store {
	s := &Store{
		path: path, opt: opt,
		apps: map[string]*App{}, taskApp: map[string]string{}, deployments: map[string]*Deployment{},
		groups: map[string]*Group{}, followers: map[string]string{}, dirty: map[string]*App{},
	}
	s.queue.idle.L = &s.queue.Mutex
	return s
}

// claim notes in the file whose tasks it knows, so that a backup finds them again.
func (s *Store) claim() error {
	if s.opt.Cluster == "" || s.opt.Cluster == s.cluster {
		return nil
	}
	err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyCluster, []byte(s.opt.Cluster)) })
	if err != nil {
		return fmt.Errorf("write the state file %s: %w", s.path, err)
	}
	s.cluster = s.opt.Cluster
	return nil
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
	return &bolt.Options{Timeout: opt.LockTimeout, FreelistType: bolt.FreelistMapType, NoSync: opt.NoSync, ReadOnly: opt.readOnly}
}

// read opens the file and loads everything. bbolt panics, or runs into addresses that do not exist, on pages that are
// damaged in certain ways; both come out as an error.
func (s *Store) read() (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	var file *os.File // a panic inside bolt.Open leaves it open
	defer func() {
		if r := recover(); r != nil {
			err = damaged(s.path, fmt.Errorf("%v", r))
		}
		if s.db == nil && file != nil {
			abandon(file)
		}
	}()
	opt := boltOptions(s.opt)
	opt.OpenFile = func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
		file, err = os.OpenFile(name, flag, mode)
		return file, err
	}
	s.db, err = bolt.Open(s.path, 0o600, opt)
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

// abandon closes a file that bbolt may have locked, mapped, or closed. What is mapped keeps a lock over the close of its
// file, so it is given up first (flock(2): a lock belongs to the open file description).
func abandon(file *os.File) {
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Flock(int(fd), unix.LOCK_UN) })
	}
	_ = file.Close()
}

// ErrDamaged is what Open's error wraps when the file is there but cannot be read.
var ErrDamaged = errors.New("the state file is damaged")

type damage struct {
	path string
	why  error
}

func (d damage) Error() string {
	return fmt.Sprintf("state file %s is damaged: %v. It was left as it is. Put a backup in its place with "+
		"\"orchestrator restore\"; or move it away to start without any app, which stops every task that this cluster runs",
		d.path, d.why)
}

func (d damage) Unwrap() []error { return []error{ErrDamaged, d.why} }

func damaged(path string, why error) error { return damage{path, why} }
