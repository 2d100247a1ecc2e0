package httpapi

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"berth/orchestrator/api"
)

func (f *fake) Nodes() []api.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := api.Node{ID: "a1", State: api.NodeReady, Roles: []string{"*"}, Attributes: map[string]string{}, Drivers: []api.NodeDriver{}}
	if f.drained {
		n.State = api.NodeDrained
	}
	return []api.Node{n}
}

func (f *fake) Node(id string) (api.NodeInfo, bool) {
	n := f.Nodes()[0]
	return api.NodeInfo{Node: n, TaskList: []api.NodeTask{}}, id == n.ID
}

func (f *fake) Drain(_ context.Context, id string, drain bool) error {
	if id != "a1" {
		return api.NotFound("Node", id)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drained = drain
	return nil
}

func TestNodes(t *testing.T) {
	s := newServer(t, newFake(), Options{})
	for _, tc := range []struct {
		method, path string
		code         int
		at, want     string
	}{
		{"GET", "/v1/nodes", http.StatusOK, "nodes/0/state", "ready"},
		{"GET", "/v2/nodes/", http.StatusOK, "nodes/0/id", "a1"},
		{"GET", "/v1/nodes/a1", http.StatusOK, "node/state", "ready"},
		{"POST", "/v1/nodes/a1/drain", http.StatusOK, "node/state", "drained"},
		{"POST", "/v1/nodes/a1/drain", http.StatusOK, "node/state", "drained"},
		{"POST", "/v2/nodes/a1/resume", http.StatusOK, "node/state", "ready"},
		{"GET", "/v1/nodes/a2", http.StatusNotFound, "message", "Node 'a2' does not exist"},
		{"POST", "/v1/nodes/a2/drain", http.StatusNotFound, "message", "Node 'a2' does not exist"},
		{"GET", "/v1/nodes/a1/drain", http.StatusMethodNotAllowed, "message", "Method Not Allowed"},
		{"GET", "/v1/nodes/a1/x", http.StatusNotFound, "message", "no such endpoint: /v1/nodes/a1/x"},
	} {
		got := do(s, tc.method, tc.path, "")
		if v := dig(decoded(t, got.Body.Bytes()), tc.at); got.Code != tc.code || v != tc.want {
			t.Errorf("%s %s: %d, %s is %v, want %d, %s", tc.method, tc.path, got.Code, tc.at, v, tc.code, tc.want)
		}
	}
}

func TestNodesAreCountedByState(t *testing.T) {
	s := newServer(t, newFake(), Options{})
	do(s, "POST", "/v1/nodes/a1/drain", "")
	text := do(s, "GET", "/metrics/prometheus", "").Body.String()
	for _, want := range []string{`berth_nodes{state="drained"} 1`, `berth_nodes{state="ready"} 0`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}
