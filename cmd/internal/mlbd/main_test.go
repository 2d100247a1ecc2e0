package mlbd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/internal/porttest"
	"berth/mlb"
	"berth/mlb/haproxy"
	"berth/orchestrator/api"
	"berth/orchestrator/client/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lab is an orchestrator, an mlb with a real HAProxy, and tasks behind it.
type lab struct {
	t       testing.TB
	cluster *clienttest.Server
	c       Config
	log     *safeBuffer
	stop    context.CancelFunc
	done    chan error
	started chan mlb.Status

	statsAddress string // "" is 127.0.0.1
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// needHAProxy skips without HAProxy, but not where the variable CI is set.
func needHAProxy(t testing.TB) {
	t.Helper()
	if _, err := haproxy.Find(t.Context(), os.Getenv("BERTH_HAPROXY")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("HAProxy is needed in CI: %v", err)
		}
		t.Skipf("SKIPPED, needs HAProxy: %v", err)
	}
}

func newLab(t testing.TB) *lab {
	t.Helper()
	needHAProxy(t)
	dir, err := os.MkdirTemp("", "mlb") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{t: t, cluster: clienttest.NewServer(t), log: new(safeBuffer), started: make(chan mlb.Status, 10)}
	p := porttest.Several(t, 4)
	l.c = DefaultConfig()
	l.c.Marathon, l.c.Groups = []string{l.cluster.URL()}, []string{"external"}
	l.c.HAProxyConfig, l.c.TemplateDir = filepath.Join(dir, "haproxy.cfg"), filepath.Join(dir, "templates")
	l.c.RunDir = filepath.Join(dir, "run") // goes with the directory
	l.c.BindAddress, l.c.User, l.c.HAProxyBinary = "127.0.0.1", "", os.Getenv("BERTH_HAPROXY")
	l.c.HTTPPort, l.c.HTTPSPort, l.c.StatsPort, l.c.AppIDPort = p[0], p[1], p[2], p[3]
	l.c.ShutdownDelay, l.c.ShutdownTimeout, l.c.ReloadInterval = 10*time.Millisecond, 200*time.Millisecond, 1
	t.Cleanup(func() {
		l.end()
		l.killHAProxy()
		if t.Failed() {
			t.Log(l.log.String())
		}
	})
	return l
}

// start runs the daemon until end.
func (l *lab) start() {
	l.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan error, 1)
	opt := Options{
		Log:     slog.New(slog.NewTextHandler(l.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Started: func(s mlb.Status) { l.started <- s },
	}
	go func() { l.done <- Run(ctx, l.c, opt) }()
}

// up starts the daemon and waits for the first success.
func (l *lab) up() {
	l.t.Helper()
	l.start()
	select {
	case <-l.started:
	case err := <-l.done:
		l.done <- err
		l.t.Fatalf("mlb ended: %v", err)
	case <-time.After(60 * time.Second):
		l.t.Fatal("mlb does not come up")
	}
}

func (l *lab) end() error {
	if l.stop == nil {
		return nil
	}
	l.stop()
	err := <-l.done
	l.stop = nil
	return err
}

// killHAProxy ends what a test left running on purpose.
func (l *lab) killHAProxy() {
	paths, err := haproxy.NewPaths(l.c.HAProxyConfig, l.c.RunDir)
	if err != nil {
		return
	}
	data, err := os.ReadFile(paths.Record)
	var note struct{ Master int }
	if err != nil || json.Unmarshal(data, &note) != nil || note.Master == 0 {
		return
	}
	if args, err := os.ReadFile("/proc/" + strconv.Itoa(note.Master) + "/cmdline"); err == nil &&
		bytes.Contains(args, []byte(l.c.HAProxyConfig)) {
		_ = syscall.Kill(note.Master, syscall.SIGTERM)
	}
}

// task starts a server that answers with the name.
func (l *lab) task(name string) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) }))
	l.t.Cleanup(s.Close)
	return s
}

// app is an app with a service port and tasks.
func app(id string, port int, labels map[string]string, servers ...*httptest.Server) *api.AppInfo {
	doc := fmt.Sprintf(`{"id": %q, "cmd": "x", "instances": %d, "portDefinitions": [{"port": %d, "protocol": "tcp"}],
		"requirePorts": false, "labels": {"HAPROXY_GROUP": "external"}, "tasks": []}`, id, len(servers), port)
	a := new(api.AppInfo)
	if err := json.Unmarshal([]byte(doc), a); err != nil {
		panic(err)
	}
	for k, v := range labels {
		a.Labels[k] = v
	}
	for i, s := range servers {
		a.Tasks = append(a.Tasks, taskOf(id, i, s, "TASK_RUNNING"))
	}
	return a
}

func taskOf(id string, i int, s *httptest.Server, state string) api.Task {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	doc := fmt.Sprintf(`{"id": "%s.%d", "appId": %q, "host": "127.0.0.1", "ports": [%s], "state": %q,
		"ipAddresses": [{"ipAddress": "127.0.0.1", "protocol": "IPv4"}]}`, strings.Trim(id, "/"), i, id, port, state)
	var t api.Task
	if err := json.Unmarshal([]byte(doc), &t); err != nil {
		panic(err)
	}
	return t
}

// ask sends one request over a connection of its own.
func ask(port int, path, host string) (int, string, error) {
	return askAt("127.0.0.1", port, path, host)
}

func askAt(address string, port int, path, host string) (int, string, error) {
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	rq, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s:%d%s", address, port, path), nil)
	if err != nil {
		return 0, "", err
	}
	if host != "" {
		rq.Host = host
	}
	r, err := c.Do(rq)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return r.StatusCode, string(body), err
}

// answers waits until a port answers with the text.
func (l *lab) answers(port int, host, want string) {
	l.t.Helper()
	l.within(30*time.Second, fmt.Sprintf("port %d host %q answers %q", port, host, want), func() bool {
		code, body, _ := ask(port, "/", host)
		return code == 200 && body == want
	})
}

func (l *lab) within(d time.Duration, what string, ok func() bool) {
	l.t.Helper()
	for end := time.Now().Add(d); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: not within %s", what, d)
		}
	}
}

// admin asks the statistics port.
func (l *lab) admin(path string) string {
	l.t.Helper()
	code, body, err := askAt(cmp.Or(l.statsAddress, "127.0.0.1"), l.c.StatsPort, path, "")
	if err != nil || code != 200 {
		l.t.Fatalf("GET %s: %d, %v, %s", path, code, err, body)
	}
	return body
}

// reports waits until the problems page has all of the texts: it is written after the change is in force.
func (l *lab) reports(texts ...string) {
	l.t.Helper()
	var got string
	l.within(30*time.Second, "the problems are listed", func() bool {
		got = l.admin("/_mlb_problems")
		return !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(got, s) })
	})
}

// settled waits until all that the cluster has told is in force and noted, and returns the state.
func (l *lab) settled() mlb.Status {
	l.t.Helper()
	var s mlb.Status
	l.within(30*time.Second, "everything is in force", func() bool {
		s = l.state()
		return s.Index == l.cluster.Index() && !s.Failing
	})
	return s
}

func (l *lab) state() mlb.Status {
	l.t.Helper()
	var s mlb.Status
	if err := json.Unmarshal([]byte(l.admin("/_mlb_state")), &s); err != nil {
		l.t.Fatal(err)
	}
	return s
}
