package httpapi

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"berth/orchestrator/api"
)

// stream is a client of /v2/events on a real connection.
type stream struct {
	t      *testing.T
	lines  *bufio.Reader
	body   io.ReadCloser
	header http.Header
}

// serve starts s on a loopback port and returns its URL.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	t.Cleanup(s.Close) // before srv.Close, which waits for streams
	return srv.URL
}

func attach(t *testing.T, url string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "gzip")
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	return &stream{t: t, lines: bufio.NewReader(resp.Body), body: resp.Body, header: resp.Header}
}

// line reads one line with its line break.
func (s *stream) line() string {
	s.t.Helper()
	l, err := s.lines.ReadString('\n')
	if err != nil {
		s.t.Fatalf("read stream: %v", err)
	}
	return l
}

// event reads one event, heartbeats before it left out, and checks its frame.
func (s *stream) event() (string, map[string]any) {
	s.t.Helper()
	l := s.line()
	for l == "\n" {
		l = s.line()
	}
	name, ok := strings.CutPrefix(l, "event: ")
	if !ok {
		s.t.Fatalf("expected an event line, got %q", l)
	}
	data, ok := strings.CutPrefix(s.line(), "data: ")
	if !ok {
		s.t.Fatalf("expected a data line after %q", l)
	}
	if end := s.line(); end != "\n" {
		s.t.Fatalf("expected an empty line, got %q", end)
	}
	doc, ok := decoded(s.t, []byte(data)).(map[string]any)
	if !ok {
		s.t.Fatalf("data is no object: %s", data)
	}
	return strings.TrimSpace(name), doc
}

func (f *fake) waitForSubscribers(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); len(f.subscribers()) != n; {
		if time.Now().After(deadline) {
			t.Fatalf("subscribers: %v, want %d", f.subscribers(), n)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestEventFraming(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("stream", func(t *testing.T) {
		f := newFake()
		url := serve(t, newServer(t, f, Options{}))
		s := attach(t, url+"/v2/events?subscriber=m1&role=mlb&plan-format=light")
		if ct, ce := s.header.Get("Content-Type"), s.header.Get("Content-Encoding"); ct != "text/event-stream" || ce != "" {
			t.Errorf("content type %q, encoding %q", ct, ce)
		}
		name, doc := s.event()
		if name != api.EventStreamAttached || doc["eventType"] != name || doc["remoteAddress"] == nil {
			t.Errorf("first event: %s %v", name, doc)
		}
		if diff := cmp.Diff([]string{"m1/mlb"}, f.subscribers()); diff != "" {
			t.Error(diff)
		}
		f.emit(api.Event{Type: api.EventStatusUpdate, Fields: map[string]any{"message": "two\nlines", "taskId": "a.1"}})
		name, doc = s.event()
		want := map[string]any{"eventType": "status_update_event", "timestamp": "2026-01-02T03:04:05.000Z", "index": 1.0,
			"message": "two\nlines", "taskId": "a.1"}
		if diff := cmp.Diff(want, doc); name != api.EventStatusUpdate || diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		s.body.Close()
		f.waitForSubscribers(t, 0)
	})
}

func TestEventTypesRestrictTheStream(t *testing.T) {
	f := newFake()
	s := attach(t, serve(t, newServer(t, f, Options{}))+"/v2/events?event_type=app_terminated_event&event_type=nonsense")
	f.waitForSubscribers(t, 1)
	f.emit(api.Event{Type: api.EventStatusUpdate})
	f.emit(api.Event{Type: api.EventAppTerminated, Fields: map[string]any{"appId": "/a"}})
	if name, doc := s.event(); name != api.EventAppTerminated || doc["appId"] != "/a" {
		t.Errorf("%s %v", name, doc)
	}
}

func TestHeartbeatIsAnEmptyLine(t *testing.T) {
	s := attach(t, serve(t, newServer(t, newFake(), Options{Heartbeat: 5 * time.Millisecond}))+"/v2/events")
	s.event()
	for range 3 {
		if l := s.line(); l != "\n" {
			t.Errorf("%q", l)
		}
	}
}

func TestCutOffSubscriberSeesTheEnd(t *testing.T) {
	f := newFake()
	s := attach(t, serve(t, newServer(t, f, Options{}))+"/v2/events")
	s.event()
	f.cutOff()
	if _, err := s.lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v", err)
	}
}

func TestCloseEndsStreams(t *testing.T) {
	f := newFake()
	srv := newServer(t, f, Options{})
	s := attach(t, serve(t, srv)+"/v2/events")
	s.event()
	srv.Close()
	if _, err := s.lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v", err)
	}
	f.waitForSubscribers(t, 0)
}

func TestTooManyStreams(t *testing.T) {
	f := newFake()
	srv := newServer(t, f, Options{MaxStreams: 1})
	attach(t, serve(t, srv)+"/v2/events")
	f.waitForSubscribers(t, 1)
	if w := do(srv, "GET", "/v2/events", "", "Accept", "text/event-stream"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestSlowReaderIsCutOff opens a connection that never reads: once the kernel's buffers are full, a write runs into its
// deadline, and the subscription is given back.
func TestSlowReaderIsCutOff(t *testing.T) {
	f := newFake()
	url := serve(t, newServer(t, f, Options{WriteTimeout: 50 * time.Millisecond}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v2/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	f.waitForSubscribers(t, 1)
	big := map[string]any{"message": strings.Repeat("x", 256<<10)}
	for range 64 { // 16 MiB, more than loopback buffers hold
		f.emit(api.Event{Type: api.EventStatusUpdate, Fields: big})
	}
	f.waitForSubscribers(t, 0)
}
