package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"berth/orchestrator/api"
)

func update(t testing.TB, s *Store, fn func(*Tx)) {
	t.Helper()
	if _, err := s.Update(func(tx *Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}

// TestFileOfBeforeGroups opens a file without the buckets of groups: they follow from the apps' ids.
func TestFileOfBeforeGroups(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{})
	update(t, s, func(tx *Tx) {
		define(tx, "/a/b/web", 7)
		define(tx, "/a/x", 9)
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket(bucketGroups); err != nil {
			return err
		}
		return tx.DeleteBucket(bucketUndos)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, Options{})
	got := map[string]api.Timestamp{}
	for id, g := range s.Tree().Groups {
		got[id] = g.Version
	}
	if d := cmp.Diff(map[string]api.Timestamp{"/": 9, "/a": 9, "/a/b": 7}, got); d != "" {
		t.Error(d)
	}
	update(t, s, func(tx *Tx) {
		tx.PutGroup(&Group{ID: "/new", Dependencies: []string{"/a"}, Version: 10})
		tx.KeepUndo(&Undo{Version: 10, Groups: map[string]*Group{"/new": nil}})
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, Options{})
	if g := s.Tree().Groups["/new"]; g == nil || g.Version != 10 || len(s.Tree().Undos) != 1 {
		t.Errorf("%+v, %d writes in the history", g, len(s.Tree().Undos))
	}
}

// TestGroupHistoryIsBounded holds that old writes are forgotten, in memory and in the file, by number and by size.
func TestGroupHistoryIsBounded(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{NoSync: true})
	update(t, s, func(tx *Tx) {
		for v := range api.Timestamp(maxUndos + 5) {
			tx.KeepUndo(&Undo{Version: v + 1, Apps: map[string]*api.App{"/x": nil}})
		}
	})
	check := func(first api.Timestamp, n int) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path, Options{NoSync: true})
		if u := s.Tree().Undos; len(u) != n || u[0].Version != first {
			t.Errorf("%d writes from %d on, want %d from %d on", len(u), u[0].Version, n, first)
		}
	}
	check(6, maxUndos)
	large := map[string]*api.App{}
	for i := range maxUndoDef {
		large["/"+string(rune('a'+i%26))+"/"+api.Timestamp(i+1).String()] = nil
	}
	update(t, s, func(tx *Tx) { tx.KeepUndo(&Undo{Version: 5000, Apps: large}) })
	check(5000, 1) // it alone is as much as may be
	update(t, s, func(tx *Tx) { tx.KeepUndo(&Undo{Version: 5001, Apps: map[string]*api.App{"/x": nil}}) })
	check(5001, 1)
}

func TestTxSeesGroupsAndAppsOfItsBatch(t *testing.T) {
	s := open(t, file(t), Options{})
	update(t, s, func(tx *Tx) {
		define(tx, "/g/old", 1)
		define(tx, "/gone", 1)
		tx.PutGroup(&Group{ID: "/g"})
		tx.PutGroup(&Group{ID: "/g/dropped"})
	})
	update(t, s, func(tx *Tx) {
		define(tx, "/g/a/new", 2)
		define(tx, "/g-other", 2)
		tx.PutGroup(&Group{ID: "/g/a"})
		tx.DropGroup("/g/dropped")
		var groups, apps []string
		for _, g := range tx.GroupsInside("/g") {
			groups = append(groups, g.ID)
		}
		for _, a := range tx.AppsInside("/g") {
			apps = append(apps, a.ID)
		}
		if d := cmp.Diff([][]string{{"/g/a"}, {"/g/a/new", "/g/old"}}, [][]string{groups, apps}); d != "" {
			t.Error(d)
		}
		if n := len(tx.AppsInside("/")); n != 4 {
			t.Errorf("%d apps in the root, want 4", n)
		}
	})
}
