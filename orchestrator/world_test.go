package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
	"berth/orchestrator/driver/fake"
	"berth/orchestrator/health"
	"berth/orchestrator/httpapi"
)

var _ httpapi.Backend = (*Orchestrator)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an orchestrator on agents with fake drivers, in fake time.
type world struct {
	t     *testing.T
	dir   string
	host  *fake.Host // of the first agent
	hosts []*fake.Host
	opt   Options
	o     *Orchestrator
	stop  func()

	mu     sync.Mutex
	sick   map[string]bool // apps and tasks whose probes fail
	well   []string        // tasks whose probes pass although their app is sick
	events []api.Event
	ids    int

	deadIn int           // commits until the orchestrator stands still, as if it were dead; 0: never
	dead   chan struct{} // closed to let it go on
}

// inWorld runs test in a bubble of fake time, with one agent.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	inCluster(t, 1, test)
}

// inCluster is inWorld with agents a1, a2 and so on.
func inCluster(t *testing.T, agents int, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: t.TempDir(), sick: map[string]bool{}}
		w.opt = Options{
			DataDir: w.dir, Seed: 1, noSync: true, NewID: w.id, probe: w.probe,
			ProbePort: func(Agent, int, string) error { return nil }, atCommit: w.atCommit,
		}
		for i := range agents {
			h := fake.NewHost(driver.KindProcess)
			defer h.Close()
			w.hosts = append(w.hosts, h)
			w.opt.Agents = append(w.opt.Agents, Agent{
				ID: fmt.Sprintf("a%d", i+1), Host: fmt.Sprintf("node%d", i+1), IP: fmt.Sprintf("127.0.0.%d", i+1), CPUs: 100,
				Mem: 100000, Disk: 1000, Drivers: map[driver.Kind]driver.Driver{driver.KindProcess: fake.New(h)},
			})
		}
		w.host = w.hosts[0]
		if testing.Verbose() && os.Getenv("BERTH_TEST_LOG") != "" {
			w.opt.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
		}
		w.boot()
		defer func() { w.stop() }()
		test(w)
	})
}

func (w *world) id() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", w.ids)
}

func (w *world) probe(_ context.Context, c *health.Check) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if (w.sick[c.App] || w.sick[c.Task]) && !slices.Contains(w.well, c.Task) {
		return fmt.Errorf("%s answered 503", c.Address)
	}
	return nil
}

func (w *world) setSick(name string, sick bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sick[name] = sick
}

// dieAfter makes the orchestrator stand still after so many commits more.
func (w *world) dieAfter(commits int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadIn, w.dead = commits, make(chan struct{})
}

func (w *world) atCommit() {
	w.mu.Lock()
	dead := w.dead
	if w.deadIn--; w.deadIn != 0 {
		dead = nil
	}
	w.mu.Unlock()
	if dead != nil {
		<-dead
	}
}

// boot starts an orchestrator on the world's directory and records its events.
func (w *world) boot() {
	w.t.Helper()
	o, err := New(w.opt)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	sub := o.Subscribe("", "", "test")
	var all sync.WaitGroup
	all.Go(func() {
		for e := range sub.C {
			w.mu.Lock()
			w.events = append(w.events, e)
			w.mu.Unlock()
		}
	})
	all.Go(func() {
		if err := o.Run(ctx); err != nil {
			w.t.Errorf("run: %v", err)
		}
	})
	w.o = o
	w.stop = func() {
		cancel()
		w.mu.Lock()
		if w.dead != nil {
			close(w.dead)
			w.dead = nil
		}
		w.mu.Unlock()
		all.Wait()
	}
	synctest.Wait()
}

// crash starts another orchestrator on what the file holds right now, as after kill -9.
func (w *world) crash() {
	w.t.Helper()
	data := w.file()
	w.stop()
	w.bootFrom(data)
}

// file reads the state file.
func (w *world) file() []byte {
	w.t.Helper()
	data, err := os.ReadFile(filepath.Join(w.dir, StateFile))
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// bootFrom starts an orchestrator on a copy of a state file.
func (w *world) bootFrom(data []byte) {
	w.t.Helper()
	w.dir = w.t.TempDir()
	if err := os.WriteFile(filepath.Join(w.dir, StateFile), data, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.opt.DataDir = w.dir
	w.boot()
}

// app reads a definition as a client would write it.
func app(id, rest string) *api.App {
	a, _, err := api.ParseApp(fmt.Appendf(nil, `{"id":%q,"cmd":"run","cpus":0.1,"mem":16%s}`, id, rest))
	if err != nil {
		panic(err)
	}
	return a
}

// put is a change that stores a definition.
func put(a *api.App) httpapi.AppChange {
	return httpapi.AppChange{ID: a.ID, Apply: func(*api.App) (*api.App, error) { return a, nil }}
}

func edit(id string, fn func(*api.App)) httpapi.AppChange {
	return httpapi.AppChange{ID: id, Apply: func(stored *api.App) (*api.App, error) {
		c := stored.Clone()
		fn(c)
		return c, nil
	}}
}

func gone(id string) httpapi.AppChange {
	return httpapi.AppChange{ID: id, Apply: func(*api.App) (*api.App, error) { return nil, nil }}
}

// change makes a write that has to succeed, and lets everything happen that needs no time.
func (w *world) change(changes ...httpapi.AppChange) httpapi.WriteResult {
	w.t.Helper()
	r, err := w.o.Change(context.Background(), changes, httpapi.WriteOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// force makes a write that ends the deployments in its way.
func (w *world) force(changes ...httpapi.AppChange) httpapi.WriteResult {
	w.t.Helper()
	r, err := w.o.Change(context.Background(), changes, httpapi.WriteOptions{Force: true})
	if err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// after lets time pass.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) info(id string) *api.AppInfo {
	w.t.Helper()
	a, ok := w.o.App(id)
	if !ok {
		w.t.Fatalf("app %s does not exist", id)
	}
	return a
}

// running returns the ids of an app's running tasks, sorted.
func (w *world) running(id string) []string {
	w.t.Helper()
	return w.tasks(id, api.TaskRunning)
}

func (w *world) tasks(id string, state api.TaskState) []string {
	w.t.Helper()
	var out []string
	for _, t := range w.info(id).Tasks {
		if t.State == state {
			out = append(out, t.ID)
		}
	}
	slices.Sort(out)
	return out
}

func (w *world) wantRunning(id string, n int) []string {
	w.t.Helper()
	got := w.running(id)
	if len(got) != n {
		w.t.Fatalf("%s: %d tasks run, want %d; queue: %s; failure: %+v", id, len(got), n, w.explain(), w.info(id).LastTaskFailure)
	}
	return got
}

func (w *world) explain() string {
	var out []string
	for _, q := range w.o.Queue() {
		out = append(out, fmt.Sprintf("%s waits for %d: %s", q.App.ID, q.Count, strings.Join(q.Explain, "; ")))
	}
	return strings.Join(out, "\n")
}

// alive returns the ids of the tasks that the hosts really run, sorted.
func (w *world) alive() []string {
	var out []string
	for _, h := range w.hosts {
		for _, s := range h.Specs() {
			out = append(out, s.TaskID)
		}
	}
	slices.Sort(out)
	return out
}

// heard returns what the events since the last call say, one line each; fields are those named.
func (w *world) heard(kinds ...string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, e := range w.events {
		if len(kinds) > 0 && !slices.Contains(kinds, e.Type) {
			continue
		}
		line := e.Type
		for _, f := range []string{"appId", "taskStatus", "condition", "alive", "reason"} {
			if v, ok := e.Fields[f]; ok {
				line += fmt.Sprintf(" %v", v)
			}
		}
		out = append(out, line)
	}
	w.events = nil
	return out
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}
