package store

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"berth/orchestrator/api"
)

// probe is what a health check notes of one task.
func probe(t testing.TB, s *Store, id string, at api.Timestamp) {
	t.Helper()
	err := s.Note(func(tx *Tx) error {
		_, old := tx.Task(id)
		c := *old
		c.Health = []*api.HealthResult{{Alive: true, LastSuccess: at}}
		tx.PutTask(&c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// relabel is a durable write to one task.
func relabel(t testing.TB, s *Store, id, message string) {
	t.Helper()
	must(t, s, func(tx *Tx) {
		_, old := tx.Task(id)
		c := *old
		c.Message = message
		tx.PutTask(&c)
	})
}

// afterCrash opens a copy of the file as it is now.
func afterCrash(t *testing.T, s *Store) *Store {
	t.Helper()
	data, err := os.ReadFile(s.path)
	path := file(t)
	if err := errors.Join(err, os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return open(t, path, Options{NoSync: true})
}

func taskName(i, k int) string { return fmt.Sprintf("group_app%05d.%d", i, k) }

func TestUpdateWritesNotesOfItsOwnAppsOnly(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	fill(t, s, 3)
	probe(t, s, taskName(0, 0), 10)
	probe(t, s, taskName(1, 0), 10)
	relabel(t, s, taskName(1, 1), "new")
	crashed := afterCrash(t, s)
	for i, want := range []int{0, 1, 0} {
		if _, task := crashed.Task(taskName(i, 0)); len(task.Health) != want {
			t.Errorf("app %d: the file has %d results, want %d", i, len(task.Health), want)
		}
	}
	if _, task := crashed.Task(taskName(1, 1)); task.Message != "new" {
		t.Errorf("the update is not in the file: %+v", task)
	}
	path := s.path
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, task := open(t, path, Options{}).Task(taskName(0, 0)); len(task.Health) != 1 {
		t.Error("closing loses a note")
	}
}

// The pages that one update takes do not grow with what others noted.
func TestCostOfAnUpdateIsIndependentOfNotes(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	const apps = 1000
	fill(t, s, apps)
	pages := func() int64 {
		before := s.db.Stats().TxStats
		relabel(t, s, taskName(7, 2), "new")
		after := s.db.Stats().TxStats
		return after.GetPageAlloc() - before.GetPageAlloc()
	}
	quiet := pages()
	for i := range apps {
		probe(t, s, taskName(i, 0), 10)
	}
	if n := pages(); n > 2*quiet {
		t.Errorf("an update takes %d bytes of pages after %d notes, %d without", n, apps, quiet)
	}
}

// One durable write with 10,000 apps of 4 tasks under steady probing: 4 notes come in for each write. The file is synced
// in one case, as in life; without the sync it is our own part.
func BenchmarkUpdateWhileProbing(b *testing.B) {
	for _, noSync := range []bool{true, false} {
		b.Run(fmt.Sprintf("sync=%v", !noSync), func(b *testing.B) {
			s := open(b, file(b), Options{NoSync: noSync})
			const apps = 10000
			fill(b, s, apps)
			for i := range apps {
				for k := range 4 {
					probe(b, s, taskName(i, k), 10)
				}
			}
			n := 0
			for b.Loop() {
				for k := range 4 {
					probe(b, s, taskName(n*37%apps, k), api.Timestamp(n))
				}
				relabel(b, s, taskName(n*91%apps, 2), fmt.Sprint(n))
				n++
			}
		})
	}
}

// One probe's result, with 40,000 tasks noted before.
func BenchmarkNote(b *testing.B) {
	s := open(b, file(b), Options{NoSync: true})
	const apps = 10000
	fill(b, s, apps)
	for i := range apps {
		probe(b, s, taskName(i, 0), 10)
	}
	n := 0
	for b.Loop() {
		probe(b, s, taskName(n*37%apps, 1), api.Timestamp(n))
		n++
	}
}
