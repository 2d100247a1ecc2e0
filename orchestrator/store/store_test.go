package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "state.db") }

func open(t testing.TB, path string, opt Options) *Store {
	t.Helper()
	s, err := Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func def(id string, v api.Timestamp) *api.App {
	zero := 0
	return &api.App{
		ID: id, Cmd: "x", Instances: 1, Version: v, Labels: map[string]string{"a": "b"},
		VersionInfo: &api.VersionInfo{LastScalingAt: v, LastConfigChangeAt: v},
		Networks:    []api.Network{{Mode: api.NetworkBridge}},
		Container: &api.Container{Type: "DOCKER", Docker: &api.Docker{Image: "i", Parameters: []api.Parameter{}}, Volumes: []api.Volume{},
			PortMappings: []api.PortMapping{{ContainerPort: 80, HostPort: &zero, Labels: map[string]string{}}}},
	}
}

// define gives an app a new version.
func define(tx *Tx, id string, v api.Timestamp) {
	a := &App{ID: id, Created: v}
	if old := tx.App(id); old != nil {
		created := old.Created
		if a = old.Clone(); old.Def == nil {
			created = v
		}
		a.Created = created
	}
	a.Def = def(id, v)
	a.Versions = append(a.Versions[:len(a.Versions):len(a.Versions)], a.Def)
	tx.PutApp(a)
}

func task(tx *Tx, app, id string) *Task {
	d := tx.App(app).Def
	return &Task{ID: id, AppID: app, Agent: "a1", Kind: "process", State: api.TaskStaging, Ports: []int{31000},
		Version: d.Version, Def: d, StagedAt: d.Version}
}

func must(t testing.TB, s *Store, fn func(*Tx)) uint64 {
	t.Helper()
	n, err := s.Update(func(tx *Tx) error { fn(tx); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var compare = cmp.Options{cmpopts.IgnoreUnexported(App{}), cmpopts.EquateEmpty()}

func state(s *Store) map[string]*App {
	apps, _ := s.Apps()
	m := map[string]*App{}
	for _, a := range apps {
		m[a.ID] = a
	}
	return m
}

func TestEverythingSurvivesReopening(t *testing.T) {
	path := file(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	must(t, s, func(tx *Tx) {
		define(tx, "/web", 10)
		a := tx.App("/web").Clone()
		a.Backoff = Backoff{Delay: time.Second, Until: 99, Cause: "exit code 1"}
		a.Failure = &api.TaskFailure{AppID: "/web", TaskID: "web.0", State: api.TaskFailed}
		tx.PutApp(a)
		old := task(tx, "/web", "web.1")
		old.Health = []*api.HealthResult{nil, {Alive: true, FirstSuccess: 5}}
		old.Kill = &Kill{Reason: "r", Index: 3, At: 4, DrainUntil: 5}
		tx.PutTask(old)
		tx.NextVersion(time.UnixMilli(1234))
		tx.SetFollowers(map[string]string{"lb": "mlb"})
	})
	must(t, s, func(tx *Tx) {
		define(tx, "/web", 20)
		ended := task(tx, "/web", "web.2")
		ended.State, ended.EndedAt = api.TaskFailed, 30
		tx.EndTask(ended)
		tx.PutDeployment(&Deployment{
			ID: "d1", Version: 20, Apps: []string{"/web"}, Current: 1,
			Steps:  []api.DeploymentStep{{Actions: []api.DeploymentAction{{Action: api.ActionScale, App: "/web"}}}},
			Before: map[string]*api.App{"/web": def("/web", 10), "/new": nil}, After: map[string]api.Timestamp{"/web": 20},
		})
	})
	index, apps, deployments := s.Index(), state(s), s.Deployments()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, Options{})
	if d := cmp.Diff(apps, state(s), compare); d != "" {
		t.Errorf("apps:\n%s", d)
	}
	if d := cmp.Diff(deployments, s.Deployments()); d != "" {
		t.Errorf("deployments:\n%s", d)
	}
	if s.Index() != index || s.Followers()["lb"] != "mlb" || s.App("/web").Deployment != "d1" {
		t.Errorf("index %d, followers %v, lock %q", s.Index(), s.Followers(), s.App("/web").Deployment)
	}
	must(t, s, func(tx *Tx) {
		if v := tx.NextVersion(time.UnixMilli(5)); v != 1235 {
			t.Errorf("next version %d, want 1235", v)
		}
	})
}

// What a random series of writes leaves in memory is what the file gives back.
func TestFileAgreesWithMemory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		path := file(t)
		s, err := Open(path, Options{NoSync: true, Versions: 3})
		if err != nil {
			rt.Fatal(err)
		}
		version := api.Timestamp(0)
		ids := rapid.SampledFrom([]string{"/a", "/b", "/a/c"})
		names := rapid.IntRange(1, 3)
		apply := func(tx *Tx, do, id, name string) {
			a := tx.App(id)
			switch {
			case do == "define":
				version++
				define(tx, id, version)
			case a == nil:
			case do == "delete":
				c := a.Clone()
				if c.Def, c.Versions = nil, nil; len(c.Tasks)+len(c.Ended) == 0 {
					tx.DropApp(id)
				} else {
					tx.PutApp(c)
				}
			case do == "start" && a.Def != nil && a.Task(name) == nil:
				tx.PutTask(task(tx, id, name))
			case a.Task(name) == nil:
			case do == "end":
				c := *a.Task(name)
				c.State, c.EndedAt = api.TaskKilled, version
				tx.EndTask(&c)
			case do == "forget":
				tx.DropTask(id, name)
			}
		}
		for range rapid.IntRange(1, 30).Draw(rt, "writes") {
			note := rapid.IntRange(0, 3).Draw(rt, "note") == 0
			write := func(tx *Tx) error {
				for range rapid.IntRange(1, 3).Draw(rt, "parts") {
					id := ids.Draw(rt, "app")
					do := rapid.SampledFrom([]string{"define", "delete", "start", "end", "forget"}).Draw(rt, "do")
					apply(tx, do, id, fmt.Sprintf("%s.%d", strings.ReplaceAll(id[1:], "/", "_"), names.Draw(rt, "task")))
				}
				return nil
			}
			if note {
				err = s.Note(write)
			} else {
				_, err = s.Update(write)
			}
			if err != nil {
				rt.Fatal(err)
			}
		}
		want := state(s)
		for id := range want {
			for task := range want[id].allTasks {
				if _, got := s.Task(task.ID); got != task {
					rt.Fatalf("task %s is not found", task.ID)
				}
			}
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
		if s, err = Open(path, Options{Versions: 3}); err != nil {
			rt.Fatal(err)
		}
		defer s.Close()

		if d := cmp.Diff(want, state(s), compare); d != "" {
			rt.Fatalf("memory against file:\n%s", d)
		}
	})
}

func TestRefusedWriteLeavesNothing(t *testing.T) {
	s := open(t, file(t), Options{})
	c, cancel := s.Subscribe(api.Event{})
	defer cancel()
	<-c
	no := errors.New("no")
	n, err := s.Update(func(tx *Tx) error {
		define(tx, "/web", 1)
		tx.NextVersion(time.Unix(1, 0))
		tx.Emit(api.Event{Type: "x"})
		return no
	})
	if err != no || n != 0 || s.Index() != 0 || s.App("/web") != nil {
		t.Errorf("%d %v index %d app %v", n, err, s.Index(), s.App("/web"))
	}
	s.Publish(api.Event{Type: "next"})
	if e := <-c; e.Type != "next" {
		t.Errorf("event %+v of a refused write", e)
	}
}

func TestWriteSeesAllAppsWithItsOwnChanges(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	must(t, s, func(tx *Tx) {
		for _, id := range []string{"/b", "/d", "/f"} {
			define(tx, id, 1)
		}
	})
	must(t, s, func(tx *Tx) {
		tx.DropApp("/d")
		define(tx, "/f", 2)
		define(tx, "/a", 1)
		got := map[string]api.Timestamp{}
		var ids []string
		for a := range tx.Apps {
			ids = append(ids, a.ID)
			got[a.ID] = a.Def.Version
			define(tx, a.ID, 3)
		}
		if d := cmp.Diff([]string{"/a", "/b", "/f"}, ids); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(map[string]api.Timestamp{"/a": 1, "/b": 1, "/f": 2}, got); d != "" {
			t.Error(d)
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	path := file(t)
	s := open(t, path, Options{NoSync: true})
	must(t, s, func(tx *Tx) {
		define(tx, "/web", 1)
		tx.PutTask(task(tx, "/web", "web.1"))
	})
	for v := range api.Timestamp(99) {
		must(t, s, func(tx *Tx) { define(tx, "/web", v+2) })
	}
	a := s.App("/web")
	if len(a.Versions) != 50 || a.Versions[49] != a.Def || a.Tasks[0].Def.Version != 1 {
		t.Errorf("%d versions", len(a.Versions))
	}
	n := 0
	err := s.db.View(func(tx *bolt.Tx) error {
		n = tx.Bucket(bucketVersions).Stats().KeyN
		return nil
	})
	if err != nil || n != 51 {
		t.Errorf("the file holds %d versions, want 50 and the task's; %v", n, err)
	}
}

func TestEventsCarryTheirRevisionInOrderAfterTheState(t *testing.T) {
	s := open(t, file(t), Options{NoSync: true})
	c, cancel := s.Subscribe(api.Event{Type: "first"})
	defer cancel()
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			must(t, s, func(tx *Tx) {
				id := fmt.Sprintf("/app%02d", i)
				define(tx, id, 1)
				tx.Emit(api.Event{Type: "made", AppID: id})
			})
		})
	}
	if e := <-c; e.Type != "first" {
		t.Errorf("first event %+v", e)
	}
	last := uint64(0)
	for range 20 {
		e := <-c
		if e.Index <= last || s.Index() < e.Index || s.App(e.AppID) == nil {
			t.Errorf("event %+v after %d, store at %d", e, last, s.Index())
		}
		last = e.Index
	}
	writers.Wait()
}

func TestSecondOrchestratorIsRefused(t *testing.T) {
	path := file(t)
	open(t, path, Options{})
	_, err := Open(path, Options{LockTimeout: 20 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "another orchestrator is running") || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func TestFileIsForItsOwnerOnly(t *testing.T) {
	path := file(t)
	open(t, path, Options{})
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestDamagedFileIsNamedAndLeftAlone(t *testing.T) {
	good := file(t)
	s, err := Open(good, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		must(t, s, func(tx *Tx) { define(tx, fmt.Sprintf("/app%d", i), 1) })
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	tests := map[string][]byte{
		"empty":             {},
		"not a database":    bytes.Repeat([]byte("x"), 4*page),
		"cut off":           whole[:len(whole)/2/page*page],
		"headers destroyed": append(make([]byte, 2*page), whole[2*page:]...),
		"pages destroyed":   append(bytes.Clone(whole[:2*page]), bytes.Repeat([]byte{0xff}, len(whole)-2*page)...),
		"text destroyed":    bytes.ReplaceAll(whole, []byte(`"instances":1`), []byte(`"instances":x`)),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			path := file(t)
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path, Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("error %v", err)
			}
			after, _ := os.ReadFile(path)
			if !bytes.Equal(data, after) {
				t.Error("the file was changed")
			}
			if _, _, err := Restore(path, good, time.Now()); err != nil {
				t.Errorf("restore over it: %v", err)
			}
		})
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	path := file(t)
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyFormat, number(format+1)) })
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Errorf("error %v", err)
	}
}

func TestWriteAfterCloseIsRefused(t *testing.T) {
	s := open(t, file(t), Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(func(*Tx) error { return nil }); err != ErrClosed {
		t.Errorf("error %v", err)
	}
}

// fill makes n apps of 4 tasks.
func fill(b testing.TB, s *Store, n int) {
	must(b, s, func(tx *Tx) {
		for i := range n {
			id := fmt.Sprintf("/group/app%05d", i)
			define(tx, id, 1)
			for k := range 4 {
				tx.PutTask(task(tx, id, fmt.Sprintf("group_app%05d.%d", i, k)))
			}
		}
	})
}

// One task's change among 10,000 apps: with the sync of the disk, and without, which is our own part.
func BenchmarkTaskChange(b *testing.B) {
	for _, n := range []int{10, 10000} {
		for _, noSync := range []bool{true, false} {
			b.Run(fmt.Sprintf("apps=%d/sync=%v", n, !noSync), func(b *testing.B) {
				s := open(b, file(b), Options{NoSync: noSync})
				fill(b, s, n)
				states := []api.TaskState{api.TaskRunning, api.TaskStaging}
				i := 0
				for b.Loop() {
					must(b, s, func(tx *Tx) {
						_, t := tx.Task("group_app00007.2")
						c := *t
						c.State = states[i%2]
						tx.PutTask(&c)
					})
					i++
				}
			})
		}
	}
}

// Many writers share syncs.
func BenchmarkConcurrentTaskChanges(b *testing.B) {
	s := open(b, file(b), Options{})
	fill(b, s, 1000)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			must(b, s, func(tx *Tx) {
				_, t := tx.Task("group_app00007.2")
				c := *t
				c.Message += "."
				c.Message = c.Message[:1]
				tx.PutTask(&c)
			})
		}
	})
}

// Reading all: 1,000 apps of 10 tasks, one of them changed since the last read.
func BenchmarkApps(b *testing.B) {
	s := open(b, file(b), Options{NoSync: true})
	fill(b, s, 10000)
	for b.Loop() {
		apps, _ := s.Apps()
		for _, a := range apps {
			_ = a.Info()
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	path := file(b)
	s, err := Open(path, Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	fill(b, s, 10000)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Open(path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
