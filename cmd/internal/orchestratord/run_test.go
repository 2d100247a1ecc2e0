package orchestratord

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"berth/orchestrator/api"
	"berth/orchestrator/httpapi"
)

// fakeEngine is an engine without apps.
type fakeEngine struct {
	httpapi.Backend
	fail    chan error
	stopped bool
}

func (e *fakeEngine) Run(ctx context.Context) error {
	select {
	case err := <-e.fail:
		return err
	case <-ctx.Done():
		e.stopped = true
		return nil
	}
}
func (e *fakeEngine) Ready() error                  { return nil }
func (e *fakeEngine) Close() error                  { return nil }
func (e *fakeEngine) Index() uint64                 { return 7 }
func (e *fakeEngine) Apps() []*api.AppInfo          { return nil }
func (e *fakeEngine) Nodes() []api.Node             { return nil }
func (e *fakeEngine) Queue() []api.QueueEntry       { return nil }
func (e *fakeEngine) Deployments() []api.Deployment { return nil }
func (e *fakeEngine) Config() map[string]any        { return nil }
func (e *fakeEngine) Subscribe(_, _, _ string) httpapi.Subscription {
	return httpapi.Subscription{C: make(chan api.Event), Close: func() {}}
}

// started runs a daemon over a fake engine and returns its URL and how to end it.
func started(t *testing.T, c Config, e *fakeEngine, log io.Writer) (url string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	urls := make(chan string, 1)
	result := make(chan error, 1)
	opt := Options{
		Log:     slog.New(slog.NewTextHandler(log, nil)),
		Started: func(url string) { urls <- url },
		open: func(context.Context, Config, resolved, int, *slog.Logger) (engine, func(), error) {
			return e, func() {}, nil
		},
	}
	go func() { result <- Run(ctx, c, opt) }()
	end = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-result:
			return err
		case <-time.After(30 * time.Second):
			return errors.New("the daemon does not end")
		}
	})
	t.Cleanup(func() { _ = end() })
	select {
	case url = <-urls:
	case err := <-result:
		t.Fatalf("start: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the daemon does not start")
	}
	return url, end
}

// safeBuffer collects what several goroutines write.
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

func testConfig(t *testing.T) Config {
	c := DefaultConfig()
	c.Listen = "127.0.0.1:0"
	c.Data = t.TempDir()
	return c
}

func TestRunServesUntilToldToStop(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	e := &fakeEngine{}
	url, end := started(t, testConfig(t), e, io.Discard)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, path := range []string{"/ping", "/v2/apps", "/v2/info", "/ui/", "/metrics", "/readyz"} {
		resp, err := client.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	// An open stream does not hold up the end.
	req, err := http.NewRequest("GET", url+"/v2/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	began := time.Now()
	if err := end(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the end took %s", took)
	}
	if !e.stopped {
		t.Error("the engine was not stopped")
	}
}

func TestBusyPortNamesTheFlag(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := testConfig(t)
	c.Listen = ln.Addr().String()
	err = Run(context.Background(), c, Options{})
	if err == nil || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("error: %v", err)
	}
}

func TestFailingEngineEndsTheDaemon(t *testing.T) {
	e := &fakeEngine{fail: make(chan error, 1)}
	_, end := started(t, testConfig(t), e, io.Discard)
	e.fail <- errors.New("disk full")
	if err := end(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("error: %v", err)
	}
}

func TestOpenAddressWarnsLoudly(t *testing.T) {
	c := testConfig(t)
	c.Listen = ":0"
	for _, tc := range []struct {
		rule   string
		listen string
		tokens bool
		want   bool
	}{
		{"everywhere without credentials", ":0", false, true},
		{"everywhere with credentials, unencrypted", ":0", true, true},
		{"loopback", "127.0.0.1:0", false, false},
		{"loopback by name", "localhost:0", false, false},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			r, err := c.withListen(tc.listen).resolve()
			if err != nil {
				t.Fatal(err)
			}
			if tc.tokens {
				r.credentials = []httpapi.Credential{{Token: "t"}}
			}
			var log bytes.Buffer
			warnIfOpen(slog.New(slog.NewTextHandler(&log, nil)), r, &net.TCPAddr{})
			if got := strings.Contains(log.String(), "level=WARN"); got != tc.want {
				t.Errorf("log: %s", log.String())
			}
		})
	}
}

func (c Config) withListen(addr string) Config {
	c.Listen = addr
	return c
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	url, _ := started(t, testConfig(t), &fakeEngine{}, io.Discard)
	req, err := http.NewRequest("GET", url+"/v2/info", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Large", strings.Repeat("x", maxHeader+8<<10))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status: %s", resp.Status)
	}
}
