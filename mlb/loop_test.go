package mlb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/mlb/haproxy"
	"berth/mlb/model"
	"berth/mlb/plan"
	"berth/mlb/render"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSource delivers what a test gives it.
type fakeSource struct {
	in      chan *client.Snapshot
	mu      sync.Mutex
	acks    []api.Ack
	watches int
}

func (s *fakeSource) Watch(ctx context.Context, deliver func(context.Context, *client.Snapshot)) error {
	s.mu.Lock()
	s.watches++
	s.mu.Unlock()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case snap := <-s.in:
			deliver(ctx, snap)
		}
	}
}

func (s *fakeSource) Ack(_ context.Context, a api.Ack) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = append(s.acks, a)
	return nil
}

func (s *fakeSource) Status() client.Status {
	return client.Status{Connected: true, LastSync: time.Now()}
}

func (s *fakeSource) lastAck() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.acks) == 0 {
		return 0
	}
	return s.acks[len(s.acks)-1].Index
}

// fakeProxy has the state of a HAProxy: what it runs, and words it does not accept in a configuration.
type fakeProxy struct {
	mu        sync.Mutex
	refused   []string // words
	silent    bool     // refusals don't name a section
	down      error    // applying fails for another reason
	full      error    // files cannot be written
	current   string
	config    []byte
	applied   []haproxy.Change
	checks    int
	uncounted error // sessions cannot be counted
	unsaved   error // writing files fails
	persisted int
	reloads   int
	restarted chan struct{}
}

func (p *fakeProxy) AddsCookies(context.Context) bool { return true }

func (p *fakeProxy) verdict(out render.Output) error {
	section := ""
	for line := range strings.Lines(string(out.Config())) {
		if f := strings.Fields(line); line[0] != ' ' && len(f) == 2 {
			section = f[1]
		}
		for _, w := range p.refused {
			if strings.Contains(line, w) {
				r := haproxy.Reason{Section: section, Message: "unknown keyword " + w}
				if p.silent {
					r = haproxy.Reason{Message: "something is wrong"}
				}
				return &haproxy.CheckError{Reasons: []haproxy.Reason{r}, NoVerdict: p.silent}
			}
		}
	}
	return nil
}

func (p *fakeProxy) Check(_ context.Context, out render.Output, _ *haproxy.Sections) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checks++
	return p.verdict(out)
}

func (p *fakeProxy) Apply(_ context.Context, c haproxy.Change) (haproxy.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down != nil {
		return haproxy.Result{}, p.down
	}
	if err := p.verdict(c.Output); err != nil {
		return haproxy.Result{}, err
	}
	hash := haproxy.Hash(c.Output)
	if hash == p.current {
		return haproxy.Result{Rung: plan.None}, nil
	}
	p.current, p.config = hash, c.Output.Config()
	p.applied = append(p.applied, c)
	return haproxy.Result{Rung: c.Plan.Rung, Reasons: c.Plan.Reasons, Pending: c.Plan.Rung == plan.Runtime}, nil
}

func (p *fakeProxy) Persist(context.Context, render.Output, *haproxy.Sections) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full != nil {
		return p.full
	}
	p.persisted++
	return p.unsaved
}

func (p *fakeProxy) written() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.persisted
}

func (p *fakeProxy) Send(context.Context, []plan.Command) ([]plan.Command, error) { return nil, nil }

func (p *fakeProxy) Reload(context.Context, []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reloads++
	return p.down
}

func (p *fakeProxy) Restarted() <-chan struct{} { return p.restarted }
func (p *fakeProxy) Restarts() uint64           { return 0 }

func (p *fakeProxy) Does(out render.Output) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current == haproxy.Hash(out)
}

func (p *fakeProxy) Config() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}

func (p *fakeProxy) Procs(context.Context) (haproxy.Procs, error) {
	return haproxy.Procs{Master: 7, Workers: []int{8}, Old: []int{9}}, nil
}

func (p *fakeProxy) Sessions(context.Context, []haproxy.Server) (map[haproxy.Server]int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return nil, p.uncounted
}

func (p *fakeProxy) set(f func(*fakeProxy)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *fakeProxy) last() haproxy.Change {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.applied) == 0 {
		return haproxy.Change{}
	}
	return p.applied[len(p.applied)-1]
}

// rig is an LB between fakes.
type rig struct {
	*LB
	t      *testing.T
	source *fakeSource
	proxy  *fakeProxy
	dir    string
	index  uint64
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, source: &fakeSource{in: make(chan *client.Snapshot)},
		proxy: &fakeProxy{restarted: make(chan struct{}, 1)}, dir: filepath.Join(t.TempDir(), "templates")}
	r.LB = New(Options{
		Source: r.source, Proxy: r.proxy, TemplateDir: r.dir, RetryInterval: 20 * time.Millisecond, MaxRetries: -1,
		Model:  model.Options{Groups: []string{"*"}},
		Render: render.Options{MapDir: t.TempDir(), NoHTTP: true},
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
	})
	return r
}

// give delivers a snapshot of apps and returns its index.
func (r *rig) give(apps ...*api.AppInfo) uint64 {
	r.index++
	r.source.in <- &client.Snapshot{Apps: apps, Index: r.index, Time: time.Now()}
	return r.index
}

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("%s: not in time; problems %v, status %+v", what, r.Problems(), r.Status())
		}
	}
}

// acked waits until an index is acknowledged.
func (r *rig) acked(index uint64) {
	r.t.Helper()
	r.until(fmt.Sprintf("acknowledgement of %d", index), func() bool { return r.source.lastAck() >= index })
}

func appWith(id string, port int, option string, tasks int) *api.AppInfo {
	a := new(api.AppInfo)
	doc := fmt.Sprintf(`{"id": %q, "portDefinitions": [{"port": %d, "protocol": "tcp"}],
		"labels": {"HAPROXY_GROUP": "x", "HAPROXY_0_MODE": "http"}, "tasks": []}`, id, port)
	if err := json.Unmarshal([]byte(doc), a); err != nil {
		panic(err)
	}
	if option != "" {
		a.Labels["HAPROXY_0_BACKEND_HTTP_OPTIONS"] = "  option " + option
	}
	for i := range tasks {
		var task api.Task
		doc := fmt.Sprintf(`{"id": "%s.%d", "host": "10.0.0.%d", "ports": [%d], "state": "TASK_RUNNING"}`, id, i, i+1, port)
		if err := json.Unmarshal([]byte(doc), &task); err != nil {
			panic(err)
		}
		a.Tasks = append(a.Tasks, task)
	}
	return a
}

func TestSnapshotIsAppliedThenAcknowledged(t *testing.T) {
	r := newRig(t)
	r.acked(r.give(appWith("/a", 10001, "", 1)))
	if c := r.proxy.last(); c.Plan.Rung != plan.Reload || !strings.Contains(string(c.Output.Config()), "backend a_10001") {
		t.Errorf("applied %v", c.Plan)
	}
	r.acked(r.give(appWith("/a", 10001, "", 2)))
	if c := r.proxy.last(); c.Plan.Rung != plan.Runtime {
		t.Errorf("one task more: %v, want runtime commands", c.Plan)
	}
	r.until("files follow", func() bool { r.proxy.mu.Lock(); defer r.proxy.mu.Unlock(); return r.proxy.persisted == 1 })
	if s := r.Status(); !s.Ready || s.Servers != 2 || s.Changes["runtime"] != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestFailureIsToldAndTriedAgain(t *testing.T) {
	r := newRig(t)
	r.proxy.set(func(p *fakeProxy) { p.down = errors.New("no answer") })
	index := r.give(appWith("/a", 10001, "", 1))
	r.until("the failure shows", func() bool { return r.Status().Failing })
	if s := r.Status(); s.Ready || !strings.Contains(s.NotReady, "no answer") {
		t.Errorf("status %+v: want not ready", s)
	}
	if r.source.lastAck() != 0 {
		t.Error("acknowledged what was not applied")
	}
	r.proxy.set(func(p *fakeProxy) { p.down = nil })
	r.acked(index)
	if s := r.Status(); !s.Ready {
		t.Errorf("not ready: %s", s.NotReady)
	}
}

func TestRefusedAppsAreFoundWithOrWithoutNames(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprintf("silent=%v", silent), func(t *testing.T) {
			r := newRig(t)
			r.proxy.set(func(p *fakeProxy) { p.refused, p.silent = []string{"poison"}, silent })
			var apps []*api.AppInfo
			for i := range 20 {
				option := ""
				if i == 3 || i == 17 {
					option = "poison"
				}
				apps = append(apps, appWith(fmt.Sprintf("/app%02d", i), 10000+i, option, 1))
			}
			r.acked(r.give(apps...))
			config := string(r.proxy.last().Output.Config())
			if strings.Count(config, "\nbackend app") != 18 || strings.Contains(config, "poison") {
				t.Errorf("%d backends, want 18", strings.Count(config, "\nbackend app"))
			}
			var named []string
			for _, p := range r.Problems() {
				if p.Severity == model.SeverityError {
					named = append(named, p.App)
				}
			}
			if !slices.Equal(named, []string{"/app03", "/app17"}) {
				t.Errorf("problems name %q", named)
			}
			r.proxy.set(func(p *fakeProxy) { p.checks = 0 })
			apps[0] = appWith("/app00", 10000, "", 2)
			r.acked(r.give(apps...))
			if r.proxy.checks > 0 || r.proxy.last().Plan.Rung != plan.Runtime {
				t.Errorf("another app's task: %d checks, %v: the verdicts should stand", r.proxy.checks, r.proxy.last().Plan)
			}
			if !silent { // silence is taken for slowness, of which a full read is no reason to try again
				return
			}
			r.index++
			r.source.in <- &client.Snapshot{Apps: apps, Index: r.index, Time: time.Now(), Full: true}
			r.acked(r.index)
			checks := 0
			r.proxy.set(func(p *fakeProxy) { checks = p.checks })
			if checks > 0 {
				t.Errorf("everything read anew: %d checks: the verdicts should stand", checks)
			}
			apps[3] = appWith("/app03", 10003, "httplog", 1)
			r.acked(r.give(apps...))
			if !strings.Contains(string(r.proxy.last().Output.Config()), "backend app03") {
				t.Error("the cured app is not back")
			}
		})
	}
}

func TestNobodyIsBlamedForWhatIsNoAppsFault(t *testing.T) {
	r := newRig(t)
	r.proxy.set(func(p *fakeProxy) { p.refused, p.silent = []string{"maxconn"}, true }) // every configuration
	r.give(appWith("/a", 10001, "", 1))
	r.until("the failure shows", func() bool { return r.Status().Failing })
	for _, p := range r.Problems() {
		if p.App != "" {
			t.Errorf("blamed %+v", p)
		}
	}
}

func TestTemplateThatHAProxyRefusesGoesBack(t *testing.T) {
	r := newRig(t)
	r.acked(r.give(appWith("/a", 10001, "", 1)))
	r.proxy.set(func(p *fakeProxy) { p.refused = []string{"poison"} })
	write := func(text string) {
		t.Helper()
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.dir, "HAPROXY_BACKEND_HTTP_OPTIONS"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("  option poison\n")
	r.until("the template is reported", func() bool {
		return slices.ContainsFunc(r.Problems(), func(p model.Problem) bool { return strings.Contains(p.Reason, "templates") })
	})
	index := r.give(appWith("/a", 10001, "", 1), appWith("/b", 10002, "", 1))
	r.acked(index)
	if config := string(r.proxy.last().Output.Config()); strings.Contains(config, "poison") || !strings.Contains(config, "backend b_10002") {
		t.Error("apps must go on with the old templates")
	}
	write("  option httplog\n")
	r.until("the good template is used", func() bool {
		return strings.Contains(string(r.proxy.last().Output.Config()), "option httplog") && len(r.Problems()) == 0
	})
}

func TestRestartFromOlderFilesIsRepaired(t *testing.T) {
	r := newRig(t)
	r.acked(r.give(appWith("/a", 10001, "", 1)))
	before := 0
	r.proxy.set(func(p *fakeProxy) { p.current, before = "older", len(p.applied) })
	r.proxy.restarted <- struct{}{}
	r.until("applied again", func() bool { r.proxy.mu.Lock(); defer r.proxy.mu.Unlock(); return len(r.proxy.applied) > before })
	if c := r.proxy.last(); c.Plan.Rung != plan.Reload || !strings.Contains(c.Plan.Reasons[0], "older files") {
		t.Errorf("applied %v", c.Plan)
	}
}

// Files that cannot be written, be it that the disk is full or that HAProxy just died, are tried again until they are there;
// a change meanwhile does not hide that they are missing.
func TestUnwrittenFilesAreTriedAgain(t *testing.T) {
	r := newRig(t)
	r.acked(r.give(appWith("/a", 10001, "", 1)))
	r.proxy.set(func(p *fakeProxy) { p.unsaved = errors.New("no space left on device") })
	r.acked(r.give(appWith("/a", 10001, "", 2)))
	r.until("failure shown", func() bool {
		s := r.Status()
		return s.Failing && !s.Ready && s.LastError == "no space left on device"
	})
	r.acked(r.give(appWith("/a", 10001, "", 3)))
	if s := r.Status(); !s.Failing {
		t.Errorf("status %+v: want the missing files shown after another change", s)
	}
	r.proxy.set(func(p *fakeProxy) { p.unsaved, p.persisted = nil, 0 })
	r.until("made good without another change", func() bool { return !r.Status().Failing })
	r.proxy.set(func(p *fakeProxy) {
		if p.persisted == 0 {
			t.Error("nothing was written")
		}
	})
}

// A task whose sessions cannot be counted may have some: it is not to be stopped because mlb knows of none.
func TestSessionsThatCannotBeCountedAreNotTakenForNone(t *testing.T) {
	r := newRig(t)
	r.proxy.set(func(p *fakeProxy) { p.uncounted = errors.New("the master does not answer") })
	a := appWith("/a", 10001, "", 2)
	a.Tasks[0].State = api.TaskKilling
	r.acked(r.give(a))
	sessions := func() map[string]int {
		r.source.mu.Lock()
		defer r.source.mu.Unlock()
		return r.source.acks[len(r.source.acks)-1].Sessions
	}
	if got := sessions(); len(got) != 1 || got[a.Tasks[0].ID] != 1 {
		t.Errorf("sessions %v are acknowledged, want one of %s", got, a.Tasks[0].ID)
	}
	r.proxy.set(func(p *fakeProxy) { p.uncounted = nil })
	r.until("none are left once they can be counted", func() bool { return len(sessions()) == 0 })
}

func TestResyncReadsEverythingAnew(t *testing.T) {
	r := newRig(t)
	r.acked(r.give(appWith("/a", 10001, "", 1)))
	if err := r.Resync(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.until("a second watch", func() bool { r.source.mu.Lock(); defer r.source.mu.Unlock(); return r.source.watches == 2 })
	r.acked(r.give(appWith("/a", 10001, "", 2)))
}

func TestAdminPages(t *testing.T) {
	r := newRig(t)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		r.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "nothing has been applied") {
		t.Errorf("readyz before anything: %d %q", code, body)
	}
	r.acked(r.give(appWith("/a", 10001, "", 1)))
	for path, want := range map[string]string{
		"/readyz": "ok\n", "/healthz": "ok\n", "/_haproxy_getpids": "7 8 9", "/_haproxy_getvhostmap": "",
		"/_mlb_signal/usr1": "Sent SIGUSR1 signal to mlb\n", "/_mlb_problems": "{\n  \"problems\": []\n}\n",
	} {
		if code, body := get(path); code != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", path, code, body, want)
		}
	}
	for path, want := range map[string]string{
		"/metrics": "mlb_haproxy_old_workers 1", "/_haproxy_getconfig": "backend a_10001", "/_mlb_state": `"ready": true`,
	} {
		if code, body := get(path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, want %q in it", path, code, want)
		}
	}
	r.proxy.set(func(p *fakeProxy) { p.down = errors.New("refused") })
	if code, body := get("/_mlb_signal/usr1"); code != 500 || !strings.Contains(body, "refused") {
		t.Errorf("a reload that fails: %d %q", code, body)
	}
}

func TestFilesThatCannotBeWrittenAreToldAndTriedAgain(t *testing.T) {
	r := newRig(t)
	r.acked(r.give(appWith("/web", 10001, "", 1)))
	r.until("ready", func() bool { return r.Status().Ready })
	r.proxy.set(func(p *fakeProxy) { p.full = errors.New("no space left on device") })
	r.acked(r.give(appWith("/web", 10001, "", 2))) // the new task is routed all the same
	if rung := r.proxy.last().Plan.Rung; rung != plan.Runtime {
		t.Fatalf("rung %v: expected commands", rung)
	}
	r.until("not ready, with the reason", func() bool { return strings.Contains(r.Status().NotReady, "no space left") })
	before := r.proxy.written()
	r.proxy.set(func(p *fakeProxy) { p.full = nil })
	r.until("ready again without any change", func() bool { return r.Status().Ready })
	if r.proxy.written() == before {
		t.Error("the files were not written")
	}
}

func TestReadinessSaysWhatKeepsTheWatch(t *testing.T) {
	r := newRig(t)
	for want, w := range map[string]client.Status{
		"no source has answered yet: status 500":                        {LastError: "status 500"},
		"no source has answered yet: most apps were gone at once":       {Suspicious: true, LastError: "status 500"},
		"current at 2001-01-01T00:00:00Z: http://a: connection refused": {LastSync: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), LastError: "http://a: connection refused"},
	} {
		got := r.notReady(Status{LastSuccess: time.Now(), Watch: WatchStatus{LastSync: w.LastSync, LastError: w.LastError, Suspicious: w.Suspicious}})
		if !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
