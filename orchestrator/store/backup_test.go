package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

var backupTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// snapshot writes a snapshot of s to a file of its own.
func snapshot(t *testing.T, s *Store) (name string, index uint64) {
	t.Helper()
	f, index, err := s.Snapshot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	name = filepath.Join(t.TempDir(), "backup")
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, index
}

func TestASnapshotIsTheStateOfOneRevision(t *testing.T) {
	dir := t.TempDir()
	s := open(t, file(t), Options{Cluster: "one", NoSync: true})
	must(t, s, func(tx *Tx) { define(tx, "/a", 1); define(tx, "/b", 1) })
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() { // each write changes two apps alike
		for v := api.Timestamp(2); ; v++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := s.Update(func(tx *Tx) error { define(tx, "/a", v); define(tx, "/b", v); return nil }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 20 {
		name, index := snapshot(t, s)
		sum, err := Check(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Index != index || sum.Apps != 2 || sum.Cluster != "one" {
			t.Fatalf("snapshot of revision %d: %+v", index, sum)
		}
		copied := open(t, name, Options{NoSync: true})
		if a, b := copied.App("/a").Def.Version, copied.App("/b").Def.Version; a != b {
			t.Fatalf("half a write: versions %d and %d", a, b)
		}
	}
	close(stop)
	wg.Wait()
	if f, _, err := s.Snapshot(dir); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v %v", left, err)
	}
	if _, _, err := s.Snapshot(filepath.Join(dir, "none")); err == nil || !strings.Contains(err.Error(), "back up the state") {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestRestore(t *testing.T) {
	path := file(t)
	s, err := Open(path, Options{Cluster: "one"})
	if err != nil {
		t.Fatal(err)
	}
	must(t, s, func(tx *Tx) { define(tx, "/a", 1); tx.PutTask(task(tx, "/a", "a.1")) })
	backup, _ := snapshot(t, s)
	before := state(s)
	must(t, s, func(tx *Tx) { define(tx, "/later", 2) })

	if _, _, err := Restore(path, backup, backupTime); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("under a running orchestrator: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sum, aside, err := Restore(path, backup, backupTime)
	if err != nil || sum.Apps != 1 || sum.Tasks != 1 || aside != path+".before-20260102T030405Z" {
		t.Fatalf("%+v, %q, %v", sum, aside, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if diff := cmp.Diff(before, state(open(t, path, Options{})), compare); diff != "" {
		t.Errorf("state (-before +restored):\n%s", diff)
	}
	if later := state(open(t, aside, Options{})); later["/later"] == nil {
		t.Error("what was there before is not kept")
	}
	fresh := filepath.Join(t.TempDir(), "new", "state.db")
	if _, aside, err := Restore(fresh, backup, backupTime); err != nil || aside != "" {
		t.Errorf("to an empty directory: %q, %v", aside, err)
	}
	if got := state(open(t, fresh, Options{})); got["/a"] == nil {
		t.Error("the state is not there")
	}
}

func TestRestoreTakesOnlyAWholeFileAndOverwritesAnyDamagedOne(t *testing.T) {
	s := open(t, file(t), Options{})
	for i := range 100 {
		must(t, s, func(tx *Tx) { define(tx, fmt.Sprintf("/app%d", i), 1) })
	}
	backup, _ := snapshot(t, s)
	whole, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	path := file(t)
	rubbish := []byte("not a state file")
	if err := os.WriteFile(path, rubbish, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	page := os.Getpagesize()
	for name, data := range map[string][]byte{
		"empty":   {},
		"cut off": whole[:len(whole)/2/page*page],
		"text":    bytes.ReplaceAll(whole, []byte(`"instances":1`), []byte(`"instances":x`)),
	} {
		if err := os.WriteFile(bad, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Restore(path, bad, backupTime); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, rubbish) {
			t.Errorf("%s: the state file was changed: %v", name, err)
		}
	}
	if _, _, err := Restore(path, bad+".none", backupTime); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a backup that is not there: %v", err)
	}
	_, aside, err := Restore(path, backup, backupTime)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(aside); err != nil || !bytes.Equal(kept, rubbish) {
		t.Errorf("the damaged file is not kept: %v", err)
	}
	if got := state(open(t, path, Options{})); len(got) != 100 {
		t.Errorf("%d apps", len(got))
	}
}

func TestDamageIsAKindOfError(t *testing.T) {
	path := file(t)
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "orchestrator restore") {
		t.Errorf("error %v", err)
	}
}
