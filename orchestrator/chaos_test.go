package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/drivertest/program"
	"berth/orchestrator/driver/fake"
	"berth/orchestrator/httpapi"
)

// blow is one thing that happens to a cluster.
type blow struct {
	What string
	App  string
	N    int
	Wait time.Duration
}

func genBlow(t *rapid.T) blow {
	return blow{
		What: rapid.SampledFrom([]string{
			"define", "define", "scale", "scale", "configure", "delete", "kill", "end", "crash", "die", "die", "restart", "away", "back", "ack", "group", "group",
		}).Draw(t, "what"),
		App:  rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "app"),
		N:    rapid.IntRange(0, 4).Draw(t, "n"),
		Wait: rapid.SampledFrom([]time.Duration{0, 0, 300 * time.Millisecond, 3 * time.Second, time.Minute}).Draw(t, "wait"),
	}
}

// strike makes b happen, and keeps in want what was accepted.
func (w *world) strike(b blow, want map[string]*api.App) {
	forced := httpapi.WriteOptions{Force: true}
	write := func(c httpapi.AppChange) {
		r, err := w.o.Change(context.Background(), []httpapi.AppChange{c}, forced)
		if err != nil {
			w.t.Errorf("%+v: %v", b, err)
			return
		}
		want[b.App] = r.Apps[0]
	}
	_, exists := w.o.App(b.App)
	switch {
	case b.What == "define":
		write(put(app(b.App, fmt.Sprintf(`,"instances":%d,"upgradeStrategy":{"minimumHealthCapacity":%g}`, b.N, float64(b.N)/4))))
	case b.What == "group":
		w.strikeGroup(b, want)
	case b.What == "crash":
		w.crash()
	case b.What == "restart":
		w.stop()
		w.boot()
	case b.What == "away":
		w.host.GoAway()
	case b.What == "back":
		w.host.ComeBack()
	case b.What == "ack":
		_ = w.o.Ack(api.Ack{Subscriber: "lb", Role: RoleBalancer, Index: w.o.Index()})
	case b.What == "end" && len(w.alive()) > 0:
		alive := w.alive()
		_ = w.host.End(alive[b.N%len(alive)], b.N)
	case !exists:
	case b.What == "die":
		w.die(b, want)
	case b.What == "scale":
		write(edit(b.App, func(a *api.App) { a.Instances = b.N }))
	case b.What == "configure":
		write(edit(b.App, func(a *api.App) { a.Env = map[string]string{"N": fmt.Sprint(b.N, time.Now())} }))
	case b.What == "delete":
		write(gone(b.App))
	case b.What == "kill":
		if tasks := w.info(b.App).Tasks; len(tasks) > 0 {
			_, _, err := w.o.Kill(context.Background(), []string{tasks[b.N%len(tasks)].ID}, httpapi.KillOptions{})
			if err != nil {
				w.t.Error(err)
			}
		}
	}
	w.after(b.Wait)
}

// strikeGroup changes both apps in one deployment, in which /b waits for /a.
func (w *world) strikeGroup(b blow, want map[string]*api.App) {
	def := func(id string, n int, more string) string {
		return fmt.Sprintf(`{"id":%q,"cmd":"run","cpus":0.1,"mem":16,"instances":%d%s}`, id, n, more)
	}
	both := fmt.Sprintf(`{"apps":[%s,%s]}`, def("a", b.N, `,"env":{"N":"`+b.Wait.String()+`"}`), def("b", 4-b.N, `,"dependencies":["/a"]`))
	docs := []string{both, both, `{"scaleBy":0.5}`, `{"apps":[` + def("b", 1, `,"dependencies":["a"]`) + `]}`, ""}
	c := groupChange("/", docs[b.N])
	if versions, _ := w.o.GroupVersions("/"); b.App == "/b" && len(versions) > 0 {
		c = groupChange("/", fmt.Sprintf(`{"version":%q}`, versions[(b.N*7)%len(versions)]))
	}
	if _, err := w.o.ChangeGroup(context.Background(), c, httpapi.WriteOptions{Force: true}); err != nil {
		w.t.Errorf("%+v: %v", b, err)
	}
	for _, id := range []string{"/a", "/b"} {
		want[id] = nil
		if info, ok := w.o.App(id); ok {
			want[id] = &info.App
		}
	}
}

// die lets the orchestrator die right after one of the commits that a change leads to, and starts another. Whether the
// change was accepted shows afterwards; its client got no answer.
func (w *world) die(b blow, want map[string]*api.App) {
	w.dieAfter(b.N + 1)
	o, answered := w.o, make(chan struct{})
	go func() {
		_, _ = o.Change(context.Background(), []httpapi.AppChange{edit(b.App, func(a *api.App) {
			a.Instances, a.Env = b.N, map[string]string{"DIED": time.Now().String()}
		})}, httpapi.WriteOptions{Force: true})
		close(answered)
	}()
	w.after(b.Wait)
	w.crash()
	<-answered
	want[b.App] = &w.info(b.App).App
}

// Whatever happens, and wherever the orchestrator is killed in between: what was accepted is what runs in the end, each
// task once, and nothing is locked.
func TestWhatWasAcceptedIsWhatRunsInTheEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		blows := rapid.SliceOfN(rapid.Custom(genBlow), 1, 25).Draw(rt, "blows")
		inWorld(t, func(w *world) {
			for _, id := range []string{"/a", "/b"} {
				w.host.Script(id, fake.Behaviour{StartDelay: time.Second, Program: program.Program{Run: true, Drain: 2 * time.Second}})
			}
			if len(blows)%2 == 0 {
				w.o.Subscribe("lb", "mlb", "test")
			}
			want := map[string]*api.App{}
			for _, b := range blows {
				w.strike(b, want)
			}
			w.host.ComeBack()
			w.after(30 * time.Minute)
			w.compare(want)
			if t.Failed() {
				t.Logf("after %+v", blows) // a bubble that failed ends the test: there is no shrinking
			}
		})
	})
}

func (w *world) compare(want map[string]*api.App) {
	var running []string
	for id, def := range want {
		got, exists := w.o.App(id)
		switch {
		case def == nil:
			if exists {
				w.t.Errorf("%s exists, it was deleted", id)
			}
			continue
		case !exists:
			w.t.Errorf("%s is lost", id)
			continue
		}
		if d := cmp.Diff(def, &got.App); d != "" {
			w.t.Errorf("%s (-accepted +stored):\n%s", id, d)
		}
		now := w.running(id)
		if len(now) != def.Instances || len(got.Tasks) != def.Instances {
			w.t.Errorf("%s: %d tasks run of %d listed, want %d; %s", id, len(now), len(got.Tasks), def.Instances, w.explain())
		}
		running = append(running, now...)
	}
	slices.Sort(running)
	if d := cmp.Diff(running, w.alive()); d != "" {
		w.t.Errorf("listed as running (-) against really running (+):\n%s", d)
	}
	if left := w.o.Deployments(); len(left) > 0 {
		w.t.Errorf("deployments that do not end: %s", toJSON(left))
	}
}

// A task found half started belongs to an orchestrator that is no more: it is removed, and another one starts.
func TestHalfStartedTaskIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		w.slowly("/web", 10*time.Second)
		w.change(put(app("/web", "")))
		_, half := w.o.st.Task(w.tasks("/web", api.TaskStaging)[0])
		data := w.file()
		w.stop()
		go func() {
			spec := driver.Spec{TaskID: half.ID, App: half.Def, Ports: half.Ports}
			if err := fake.New(w.host).Start(context.Background(), spec); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		w.bootFrom(data)
		w.after(time.Minute)
		if now := w.wantRunning("/web", 1); now[0] == half.ID || len(w.alive()) != 1 {
			t.Errorf("%v runs, %v lives", now, w.alive())
		}
		if f := w.info("/web").LastTaskFailure; f != nil {
			t.Errorf("the app is blamed: %+v", f)
		}
	})
}
