package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/httpapi"
	"berth/orchestrator/store"
)

// instant is a driver whose tasks start and stop in no time, so that what is left is the orchestrator's own part.
type instant struct {
	known []driver.Status
	watch chan driver.Status
}

func (d *instant) Kind() driver.Kind { return driver.KindProcess }

func (d *instant) Start(_ context.Context, s driver.Spec) error {
	d.watch <- driver.Status{TaskID: s.TaskID, State: api.TaskRunning, StartedAt: time.Now()}
	return nil
}

func (d *instant) Stop(context.Context, string, time.Duration) error   { return nil }
func (d *instant) List(context.Context) ([]driver.Status, error)       { return d.known, nil }
func (d *instant) Watch(context.Context) (<-chan driver.Status, error) { return d.watch, nil }
func (d *instant) Remove(context.Context, string) error                { return nil }
func (d *instant) Exec(context.Context, string, string) (driver.ExecResult, error) {
	return driver.ExecResult{}, errors.New("not here")
}

func (d *instant) Logs(context.Context, string, driver.LogOptions) (io.ReadCloser, error) {
	return nil, driver.ErrNotFound
}

// town is a running orchestrator with n apps of k tasks.
func town(b *testing.B, n, k int) *Orchestrator {
	b.Helper()
	dir := b.TempDir()
	drv := &instant{watch: make(chan driver.Status, 1024)}
	st, err := store.Open(filepath.Join(dir, StateFile), store.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	_, err = st.Update(func(tx *store.Tx) error {
		for i := range n {
			def := app(fmt.Sprintf("/group/app%05d", i), fmt.Sprintf(`,"instances":%d,"portDefinitions":[]`, k))
			def.Version = 1
			def.VersionInfo = &api.VersionInfo{LastScalingAt: 1, LastConfigChangeAt: 1}
			a := &store.App{ID: def.ID, Def: def, Created: 1, Versions: []*api.App{def}}
			for j := range k {
				t := &store.Task{ID: taskID(def.ID, fmt.Sprint(j)), AppID: def.ID, Agent: "a1", Host: "node1", IP: "127.0.0.1",
					Kind: "process", Version: 1, State: api.TaskRunning, StagedAt: 1, StartedAt: 1, Ready: true, Def: def,
					GoodIndex: 1, GoodAt: 1}
				a.Tasks = append(a.Tasks, t)
				drv.known = append(drv.known, driver.Status{TaskID: t.ID, State: api.TaskRunning})
			}
			tx.PutApp(a)
		}
		return nil
	})
	if err := errors.Join(err, st.Close()); err != nil {
		b.Fatal(err)
	}
	o, err := New(Options{DataDir: dir, Agents: []Agent{{ID: "a1", IP: "127.0.0.1", CPUs: 1e6, Mem: 1e9,
		Drivers: map[driver.Kind]driver.Driver{driver.KindProcess: drv}}}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() {
		if err := o.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() { cancel(); run.Wait() })
	for o.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	return o
}

// One task more: from the request until it is seen running, everything synced to the disk three times. The driver takes
// no time, so this is the orchestrator's own part of a task's start.
func BenchmarkOneTaskMore(b *testing.B) {
	for _, n := range []int{10, 10000} {
		b.Run(fmt.Sprintf("apps=%d", n), func(b *testing.B) {
			o := town(b, n, 4)
			sub := o.Subscribe("", "", "bench")
			defer sub.Close()
			id, size := "/group/app00007", 4
			for b.Loop() {
				size++
				_, err := o.Change(context.Background(), []httpapi.AppChange{edit(id, func(a *api.App) { a.Instances = size })},
					httpapi.WriteOptions{Force: true})
				if err != nil {
					b.Fatal(err)
				}
				awaitRunning(sub.C)
			}
		})
	}
}

func awaitRunning(c <-chan api.Event) {
	for e := range c {
		if e.Type == api.EventStatusUpdate && e.Fields["taskStatus"] == api.TaskRunning {
			return
		}
	}
}

// The list of 1,000 apps with 10,000 tasks as followers read it, one app changed since the last time: the records alone,
// and all the way through the API. The budget is 50 ms.
func BenchmarkList(b *testing.B) {
	o := town(b, 1000, 10)
	srv, err := httpapi.New(o, httpapi.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(srv.Close)
	note := func() {
		err := o.st.Note(func(tx *store.Tx) error {
			tx.PutApp(tx.App("/group/app00007").Clone())
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("records", func(b *testing.B) {
		for b.Loop() {
			note()
			if n := len(o.Apps()); n != 1000 {
				b.Fatal(n)
			}
		}
	})
	b.Run("encoded", func(b *testing.B) {
		for b.Loop() {
			note()
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/apps?embed=apps.tasks", nil))
			if w.Code != http.StatusOK {
				b.Fatal(w.Code)
			}
			b.SetBytes(int64(w.Body.Len()))
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/list")
	})
}
