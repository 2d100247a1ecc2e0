package httpapi

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/orchestrator/api"
	"berth/orchestrator/driver"
)

// fake is a Backend with state and without tasks that do anything: instances run from the moment they are asked for.
type fake struct {
	mu       sync.Mutex
	index    uint64
	clock    api.Timestamp
	apps     map[string]*api.AppInfo
	versions map[string][]*api.App
	queue    []api.QueueEntry
	running  []api.Deployment
	locked   map[string]string // app to deployment
	subs     map[chan api.Event]string
	acks     []api.Ack
	logs     map[string]string
	fail     error // of the next write
	warn     []string
	panics   bool
	groups   []GroupChange // that were asked for
	tasks    int
}

func newFake() *fake {
	return &fake{
		clock:    api.TimestampOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
		apps:     map[string]*api.AppInfo{},
		versions: map[string][]*api.App{},
		locked:   map[string]string{},
		subs:     map[chan api.Event]string{},
		logs:     map[string]string{},
	}
}

// backup is a file in memory.
type backup struct{ *strings.Reader }

func (backup) Close() error { return nil }

func (f *fake) Backup() (io.ReadSeekCloser, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return backup{strings.NewReader("the state")}, f.index, f.fail
}

func (f *fake) Index() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index
}

func (f *fake) Apps() []*api.AppInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panics {
		panic("the fake was told to")
	}
	var out []*api.AppInfo
	for _, id := range slices.Sorted(maps.Keys(f.apps)) {
		out = append(out, f.apps[id])
	}
	return out
}

// Leaving is always one app with one task.
func (f *fake) Leaving() []*api.AppInfo {
	t := api.Task{ID: "old.1", AppID: "/old", State: api.TaskKilling}
	return []*api.AppInfo{{App: api.App{ID: "/old", PortDefinitions: []api.PortDefinition{{Port: 10009}}}, Tasks: []api.Task{t}}}
}

func (f *fake) App(id string) (*api.AppInfo, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.apps[id]
	return a, ok
}

func (f *fake) Versions(id string) ([]api.Timestamp, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.apps[id] == nil {
		return nil, api.NotFound("App", id)
	}
	var out []api.Timestamp
	for _, a := range f.versions[id] {
		out = append(out, a.Version)
	}
	slices.Reverse(out)
	return out, nil
}

func (f *fake) Version(id string, v api.Timestamp) (*api.App, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.versions[id] {
		if a.Version == v {
			return a, nil
		}
	}
	e := api.NotFound("App", id)
	e.Message += " in version " + v.String()
	return nil, e
}

func (f *fake) Queue() []api.QueueEntry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.queue)
}

func (f *fake) Deployments() []api.Deployment {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.running)
}

func (f *fake) Deployment(id string) (api.Deployment, bool) {
	for _, d := range f.Deployments() {
		if d.ID == id {
			return d, true
		}
	}
	return api.Deployment{}, false
}

func (f *fake) Change(_ context.Context, changes []AppChange, opt WriteOptions) (WriteResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return WriteResult{}, f.fail
	}
	f.clock++
	res := WriteResult{DeploymentResult: f.result(), Warnings: f.warn}
	var apply []func()
	for _, c := range changes {
		app, err := f.prepare(c, opt)
		if err != nil {
			return WriteResult{}, err
		}
		res.Apps = append(res.Apps, app)
		res.Steps = append(res.Steps, api.DeploymentStep{Actions: []api.DeploymentAction{
			{Action: api.ActionScale, App: c.ID},
		}})
		apply = append(apply, func() { f.put(c.ID, app) })
	}
	if opt.DryRun {
		return res, nil
	}
	for _, a := range apply {
		a()
	}
	return res, nil
}

func (f *fake) result() api.DeploymentResult {
	return api.DeploymentResult{
		Version:      f.clock,
		DeploymentID: fmt.Sprintf("00000000-0000-4000-8000-%012d", f.clock%1000),
	}
}

func (f *fake) prepare(c AppChange, opt WriteOptions) (*api.App, error) {
	if d := f.locked[c.ID]; d != "" && !opt.Force {
		return nil, &api.Error{
			Code: api.CodeLocked, Message: "locked by a deployment; ?force=true overrides, see /v2/deployments/" + d,
			Deployments: []api.DeploymentRef{{ID: d}},
		}
	}
	var stored *api.App
	if a := f.apps[c.ID]; a != nil {
		stored = &a.App
	}
	app, err := c.Apply(stored)
	if app == nil || err != nil {
		return nil, err
	}
	out := *app
	out.Version = f.clock
	out.VersionInfo = &api.VersionInfo{LastScalingAt: f.clock, LastConfigChangeAt: f.clock}
	return &out, nil
}

func (f *fake) put(id string, app *api.App) {
	f.index++
	if app == nil {
		delete(f.apps, id)
		delete(f.versions, id)
		return
	}
	info := &api.AppInfo{App: *app}
	for range app.Instances {
		f.tasks++
		info.Tasks = append(info.Tasks, api.Task{
			ID:      fmt.Sprintf("%s.00000000-0000-4000-8000-%012d", strings.ReplaceAll(id[1:], "/", "_"), f.tasks),
			AppID:   id,
			Host:    fmt.Sprintf("host%d", f.tasks%2),
			Ports:   []int{31000 + f.tasks},
			SlaveID: "a1", State: api.TaskRunning, StagedAt: f.clock, StartedAt: f.clock, Version: f.clock, Role: "*",
		})
	}
	f.count(info)
	f.apps[id] = info
	f.versions[id] = append(f.versions[id], app)
}

func (f *fake) count(a *api.AppInfo) {
	n, zero := len(a.Tasks), 0
	a.TasksRunning, a.TasksStaged, a.TasksHealthy, a.TasksUnhealthy = &n, &zero, &zero, &zero
}

func (f *fake) Kill(_ context.Context, ids []string, opt KillOptions) ([]api.Task, api.DeploymentResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var killed []api.Task
	for id, a := range f.apps {
		out := *a
		out.Tasks = nil
		for _, t := range a.Tasks {
			if slices.Contains(ids, t.ID) {
				killed = append(killed, t)
			} else {
				out.Tasks = append(out.Tasks, t)
			}
		}
		if opt.Scale {
			out.Instances -= len(a.Tasks) - len(out.Tasks)
		}
		f.count(&out)
		f.apps[id] = &out
	}
	if opt.Scale {
		return killed, f.result(), nil
	}
	return killed, api.DeploymentResult{}, nil
}

func (f *fake) ResetDelay(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.ContainsFunc(f.queue, func(q api.QueueEntry) bool { return q.App.ID == id }) {
		return nil
	}
	return &api.Error{Code: api.CodeNotFound, Message: "App '" + id + "' is not in the queue"}
}

func (f *fake) CancelDeployment(_ context.Context, id string, opt WriteOptions) (api.DeploymentResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.running, func(d api.Deployment) bool { return d.ID == id })
	if i < 0 {
		return api.DeploymentResult{}, api.NotFound("DeploymentPlan", id)
	}
	if opt.Force {
		return api.DeploymentResult{}, nil
	}
	return f.result(), nil
}

func (f *fake) Subscribe(subscriber, role, remote string) Subscription {
	f.mu.Lock()
	defer f.mu.Unlock()
	ch := make(chan api.Event, 1024)
	ch <- api.Event{Type: api.EventStreamAttached, Time: f.clock, Index: f.index, Fields: map[string]any{"remoteAddress": remote}}
	f.subs[ch] = subscriber + "/" + role
	return Subscription{C: ch, Close: func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subs, ch)
	}}
}

// emit sends an event to every subscriber.
func (f *fake) emit(e api.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index++
	e.Index, e.Time = f.index, f.clock
	for ch := range f.subs {
		ch <- e
	}
}

// cutOff closes all subscriptions, as for slow readers.
func (f *fake) cutOff() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ch := range f.subs {
		close(ch)
		delete(f.subs, ch)
	}
}

func (f *fake) subscribers() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Values(f.subs))
}

func (f *fake) Ack(a api.Ack) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.acks = append(f.acks, a)
	return nil
}

func (f *fake) Logs(ctx context.Context, id string, opt driver.LogOptions) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, ok := f.logs[id]
	if !ok {
		return nil, api.NotFound("Task", id)
	}
	if opt.Lines == 0 {
		text = ""
	}
	if !opt.Follow {
		return io.NopCloser(strings.NewReader(string(opt.Stream) + ": " + text)), nil
	}
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, text)
		<-ctx.Done()
		_ = w.Close()
	}()
	return r, nil
}

func (f *fake) Config() map[string]any {
	return map[string]any{"local_port_min": 10000, "local_port_max": 20000}
}
