package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Snapshot writes the state as it is stored into a new file in dir and returns it, open for reading, with the revision it
// shows. The file has no name any more: it goes with its last reader. Writers are held up at most for as long as the copy
// takes, never for as long as somebody reads it: a bbolt transaction for reading lets the file grow, and stops it from
// being mapped anew, while it is open.
func (s *Store) Snapshot(dir string) (_ *os.File, index uint64, err error) {
	f, err := os.CreateTemp(dir, ".backup-*")
	if err != nil {
		return nil, 0, fmt.Errorf("back up the state: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("back up the state: %w", err), f.Close())
		}
	}()
	if err := os.Remove(f.Name()); err != nil {
		return nil, 0, err
	}
	err = s.db.View(func(tx *bolt.Tx) error {
		index = uint64Of(tx.Bucket(bucketMeta).Get(keyIndex))
		_, err := tx.WriteTo(f)
		return err
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		err = ErrClosed
	}
	if err != nil {
		return nil, 0, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return f, index, nil
}

// Summary is what a state file holds.
type Summary struct {
	Cluster     string // name of the cluster whose tasks it knows; "" in a file of an early version
	Index       uint64
	Apps        int // without those that are deleted
	Tasks       int // living ones
	Deployments int
}

// Check reads a state file as a whole, without changing it, and says what it holds.
func Check(path string) (Summary, error) {
	s := newStore(path, Options{LockTimeout: time.Second, Versions: 50, readOnly: true})
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Summary{}, fmt.Errorf("read the state file: %w", err)
	case info.Size() == 0: // bbolt would begin a new one
		return Summary{}, damaged(path, errors.New("it is empty"))
	}
	err = s.read()
	if s.db != nil {
		defer s.db.Close()
	}
	if err != nil {
		return Summary{}, err
	}
	sum := Summary{Cluster: s.cluster, Index: s.index, Deployments: len(s.deployments)}
	for _, a := range s.apps {
		if a.Def != nil {
			sum.Apps++
		}
		sum.Tasks += len(a.Tasks)
	}
	return sum, nil
}

// Restore makes backup, a file that Snapshot wrote, the state file at path. Nothing is changed if it is not a whole state
// file, or if an orchestrator runs on path. What was at path, damaged or not, is kept as aside, "" if there was nothing.
func Restore(path, backup string, now time.Time) (sum Summary, aside string, err error) {
	if sum, err = Check(backup); err != nil {
		return sum, "", fmt.Errorf("restore: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return sum, "", fmt.Errorf("restore: %w", err)
	}
	if aside, err = moveAside(path, now); err != nil {
		return sum, "", fmt.Errorf("restore: %w", err)
	}
	if err := copyFile(path, backup); err != nil {
		if aside != "" {
			err = errors.Join(err, os.Rename(aside, path))
		}
		return sum, "", fmt.Errorf("restore: %w", err)
	}
	return sum, aside, nil
}

// moveAside gives the file at path another name, unless somebody uses it.
func moveAside(path string, now time.Time) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	if err := unused(path); err != nil {
		return "", err
	}
	aside := path + ".before-" + now.UTC().Format("20060102T150405Z")
	if _, err := os.Stat(aside); err == nil {
		return "", fmt.Errorf("%s is there already; try again in a second", aside)
	}
	return aside, os.Rename(path, aside)
}

// copyFile writes dst in one step, readable by its owner only.
func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := renameio.NewPendingFile(dst, renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer out.Cleanup() //nolint:errcheck // does nothing once the file is in place
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dst))
}
