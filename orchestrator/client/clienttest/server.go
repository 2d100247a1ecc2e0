package clienttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"berth/orchestrator/api"
)

// Server is one node of a fake orchestrator. Its methods may be called from several goroutines.
type Server struct {
	c    *cluster
	http *httptest.Server
	done chan struct{}

	mu       sync.Mutex
	b        behaviour
	requests []string
}

// behaviour is what a node was told to do.
type behaviour struct {
	silent     bool
	status     int // of every answer, 0 for none
	failing    int // requests that the status is for; negative: all
	body       string
	emptyLists int
	plain      bool
	gzip       bool
	heartbeat  time.Duration
	delay      time.Duration // of reads, after the state was taken
}

// NewServer starts a node with no apps, which ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	return start(t, &cluster{
		apps: map[string]json.RawMessage{}, revs: map[string]uint64{}, streams: map[*stream]bool{},
	})
}

// NewPeer starts a second node of the same cluster: it shares the state, but not what the first was told to do.
func (s *Server) NewPeer(t testing.TB) *Server {
	t.Helper()
	return start(t, s.c)
}

func start(t testing.TB, c *cluster) *Server {
	s := &Server{c: c, done: make(chan struct{}), b: behaviour{heartbeat: 10 * time.Second}}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		close(s.done)
		s.http.CloseClientConnections()
		s.http.Close()
	})
	return s
}

// URL is the node's base URL.
func (s *Server) URL() string { return s.http.URL }

// SetApp stores an app with its tasks, whether new or changed, and sends an api_post_event.
func (s *Server) SetApp(app *api.AppInfo) { s.SetApps(app) }

// SetApps stores several apps as one revision, with one event each.
func (s *Server) SetApps(apps ...*api.AppInfo) {
	texts := map[string]json.RawMessage{}
	for _, a := range apps {
		texts[a.ID] = encode(a)
	}
	s.c.change(texts, api.EventAPIPost, func(id string) map[string]any {
		return map[string]any{"uri": "/v2/apps" + id, "appDefinition": map[string]any{"id": id}}
	})
}

// SetRawApp stores any text as an app, such as one that cannot be decoded.
func (s *Server) SetRawApp(id, text string) {
	s.c.change(map[string]json.RawMessage{id: json.RawMessage(text)}, api.EventAPIPost,
		func(id string) map[string]any { return map[string]any{"appDefinition": map[string]any{"id": id}} })
}

// SetTasks replaces an app's tasks and sends a status_update_event. An unknown app is created.
func (s *Server) SetTasks(id string, tasks ...api.Task) {
	a := s.App(id)
	if a == nil {
		a = &api.AppInfo{App: api.App{ID: id, Instances: len(tasks)}}
	}
	a.Tasks = slices.Clone(tasks)
	s.c.change(map[string]json.RawMessage{id: encode(a)}, api.EventStatusUpdate,
		func(id string) map[string]any { return map[string]any{"appId": id, "taskStatus": "TASK_RUNNING"} })
}

// SetVaguely stores an app and sends an event that does not say which one changed.
func (s *Server) SetVaguely(a *api.AppInfo) {
	s.c.change(map[string]json.RawMessage{a.ID: encode(a)}, api.EventDeploymentSuccess,
		func(string) map[string]any { return map[string]any{"id": "d"} })
}

// RemoveApp removes an app and sends an app_terminated_event.
func (s *Server) RemoveApp(id string) {
	s.c.change(map[string]json.RawMessage{id: nil}, api.EventAppTerminated,
		func(id string) map[string]any { return map[string]any{"appId": id} })
}

// Quietly changes apps without an event: nil removes one.
func (s *Server) Quietly(apps map[string]*api.AppInfo) {
	texts := map[string]json.RawMessage{}
	for id, a := range apps {
		texts[id] = nil
		if a != nil {
			texts[id] = encode(a)
		}
	}
	s.c.change(texts, "", nil)
}

// Emit sends an event of any type and fields, which raises the index.
func (s *Server) Emit(kind string, fields map[string]any) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.index++
	s.c.send([]event{s.c.event(kind, fields)})
}

// App returns an app as it is read, or nil.
func (s *Server) App(id string) *api.AppInfo {
	text, _ := s.c.app(id)
	if text == nil {
		return nil
	}
	var a api.AppInfo
	if json.Unmarshal(text, &a) != nil {
		return nil
	}
	return &a
}

// Index is the revision of the last change.
func (s *Server) Index() uint64 {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.c.index
}

// Reset removes all apps and begins the index anew, as a store that lost its data, and cuts all streams.
func (s *Server) Reset() {
	s.c.mu.Lock()
	s.c.index = 0
	clear(s.c.apps)
	clear(s.c.revs)
	s.c.mu.Unlock()
	s.CutStreams()
}

// encode writes an app as a server shows it: tasks are a list even when there are none.
func encode(a *api.AppInfo) json.RawMessage {
	v := *a
	if v.Tasks == nil {
		v.Tasks = []api.Task{}
	}
	text, err := json.Marshal(&v)
	if err != nil {
		panic(fmt.Sprintf("clienttest: encode app %s: %v", a.ID, err)) // a test's own mistake
	}
	return text
}
