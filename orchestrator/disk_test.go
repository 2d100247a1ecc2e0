package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
)

// disk fails at one write, counted from 1 since it was armed.
type disk struct {
	writes atomic.Int64
	failAt atomic.Int64
}

func (d *disk) save() error {
	if n := d.failAt.Load(); n > 0 && d.writes.Add(1) == n {
		return errors.New("no space left on device")
	}
	return nil
}

// insistently asks for a change, again if the disk fails just then, as a client would.
func (w *world) insistently(c httpapi.AppChange) {
	w.t.Helper()
	for {
		_, err := w.o.Change(context.Background(), []httpapi.AppChange{c}, httpapi.WriteOptions{})
		w.after(time.Minute)
		if err == nil {
			return
		}
		if code := api.CodeOf(err); code != api.CodeInternal {
			w.t.Fatalf("%s: %v", code, err)
		}
	}
}

// Whichever single write fails while an app comes, changes and goes, it gets there.
func TestOneFailedWriteStopsNoDeployment(t *testing.T) {
	const most = 100
	for n := 1; ; n++ {
		if n == most {
			t.Fatalf("more than %d writes", most)
		}
		d := &disk{}
		t.Run(fmt.Sprintf("write %d", n), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.stop()
				w.opt.failSave = d.save
				w.boot()
				d.failAt.Store(int64(n))
				const checks = `,"portDefinitions":[{"port":0,"name":"http"}],"healthChecks":[{"protocol":"TCP","portIndex":0}],` +
					`"readinessChecks":[{"name":"r","portName":"http"}]`
				w.insistently(put(app("/web", `,"instances":2`+checks)))
				w.wantRunning("/web", 2)
				w.insistently(edit("/web", func(a *api.App) { a.Cmd = "other" }))
				for _, task := range w.info("/web").Tasks {
					if task.State != api.TaskRunning || task.Version != w.info("/web").Version {
						t.Errorf("task %s is %s of %s", task.ID, task.State, task.Version)
					}
				}
				if n := len(w.o.Deployments()); n != 0 {
					t.Errorf("%d deployments are left", n)
				}
				w.insistently(gone("/web"))
				w.after(2 * time.Hour)
				if apps, _ := w.o.st.Apps(); len(apps) != 0 {
					t.Errorf("%d records are left", len(apps))
				}
			})
		})
		if d.writes.Load() < int64(n) {
			return
		}
	}
}
