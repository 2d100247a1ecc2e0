package haproxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/internal/porttest"
	"berth/mlb/plan"
	"berth/mlb/render"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// binary finds the real HAProxy, that of BERTH_HAPROXY if this is set; without one the test is skipped, but not where the variable CI is set.
func binary(t testing.TB) *Binary {
	t.Helper()
	b, err := Find(t.Context(), os.Getenv("BERTH_HAPROXY"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("HAProxy is needed in CI: %v", err)
		}
		t.Skipf("SKIPPED, needs HAProxy: %v", err)
	}
	return b
}

// bench is a HAProxy in a directory of its own with a backend server behind it.
type bench struct {
	*HAProxy
	t            testing.TB
	opt          Options
	port, second int // of the frontends
	back         *httptest.Server
	hold         chan struct{} // "/hold" answers when it is closed
	log          *logText
	stop         context.CancelFunc
	ended        sync.WaitGroup
}

// logText collects log output.
type logText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// shortDir is a temporary directory with a path short enough for sockets.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mlb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newBench(t testing.TB) *bench {
	t.Helper()
	dir := shortDir(t)
	paths, err := NewPaths(dir+"/haproxy.cfg", dir+"/run")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, port: porttest.Free(t), second: porttest.Free(t), log: new(logText), hold: make(chan struct{})}
	b.opt = Options{
		Binary: binary(t), Paths: paths, Archive: 2, ReloadTimeout: 10 * time.Second,
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	b.back = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			w.Header().Set("Connection", "close") // leaves no idle connection behind
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-b.hold
		}
		io.WriteString(w, "ok")
	}))
	t.Cleanup(b.back.Close)
	b.open()
	t.Cleanup(func() {
		b.release()
		if err := b.Stop(context.Background(), 100*time.Millisecond); err != nil {
			t.Error(err)
		}
		b.abandon()
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	return b
}

func (b *bench) release() {
	select {
	case <-b.hold:
	default:
		close(b.hold)
	}
}

// open makes a new supervisor on the same directory, as a new mlb would.
func (b *bench) open() {
	h, err := New(b.opt)
	if err != nil {
		b.t.Fatal(err)
	}
	b.HAProxy = h
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.ended.Go(func() { _ = h.Run(ctx) })
}

// abandon ends the supervisor and leaves HAProxy, as kill -9 of mlb would.
func (b *bench) abandon() {
	b.stop()
	b.ended.Wait()
	_ = b.Close()
}

// output is a configuration with one frontend and a backend with servers; note makes it differ from others.
func (b *bench) output(note string, more ...string) render.Output {
	maps := []render.Map{{Name: "domain2backend.map", Data: []byte("a.test app_1\n")}}
	text := fmt.Sprintf(`global
    # %s
    stats socket %s mode 600 level admin
    hard-stop-after 5s
    maxconn 500
defaults
    mode http
    option idle-close-on-response
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend in
    bind 127.0.0.1:%d
    use_backend %%[req.hdr(host),lower,map(%s/domain2backend.map)]
    default_backend app_1
# the same name as the backend, as mlb has it for every service
frontend app_1
    bind 127.0.0.1:%d
    default_backend app_1
backend app_1
    balance roundrobin
    server s1 %s
%s
`, note, b.opt.Paths.Stats, b.port, b.opt.Paths.Dir(), b.second, b.back.Listener.Addr(), strings.Join(more, "\n"))
	return marked(render.Written([]byte(text), maps))
}

// marked gives an output the marker that render would give it.
func marked(out render.Output) render.Output {
	marker := "mlb:" + bytesHash(out)[:16]
	return render.Written(append(bytes.Clone(out.Config()), "global\n    description "+marker+"\n"...), out.Maps)
}

func (b *bench) reloadTo(out render.Output) (Result, error) {
	return b.Apply(b.t.Context(), Change{Output: out, Plan: plan.Plan{Rung: plan.Reload, Reasons: []string{"test"}}})
}

func (b *bench) mustReload(out render.Output) {
	b.t.Helper()
	if _, err := b.reloadTo(out); err != nil {
		b.t.Fatalf("apply: %v", err)
	}
}

func (b *bench) url(path string) string { return fmt.Sprintf("http://127.0.0.1:%d%s", b.port, path) }

// get asks once, over a connection of its own.
func (b *bench) get(path string) (int, error) {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(b.url(path))
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

func (b *bench) procs() Procs {
	b.t.Helper()
	p, err := b.Procs(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// within waits for a condition and returns how long it took.
func within(t *testing.T, d time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > d {
			t.Fatalf("%s: not within %s", what, d)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(began)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
