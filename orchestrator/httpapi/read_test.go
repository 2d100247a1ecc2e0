package httpapi

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

// busy is a backend that changes whenever its apps are read.
type busy struct{ *fake }

func (b *busy) Apps() []*api.AppInfo {
	b.emit(api.Event{Type: api.EventStatusUpdate})
	return b.fake.Apps()
}

func (b *busy) App(id string) (*api.AppInfo, bool) {
	b.emit(api.Event{Type: api.EventStatusUpdate})
	return b.fake.App(id)
}

// TestIndexIsNeverAheadOfTheBody holds that the revision is taken before the apps: a follower acknowledges it, and may
// claim no change that it has not seen.
func TestIndexIsNeverAheadOfTheBody(t *testing.T) {
	f, _ := seeded(t)
	s := newServer(t, &busy{f}, Options{})
	for _, target := range []string{
		"/v2/apps", "/v2/apps/web", "/v2/apps/prod/*", "/v2/apps/web/tasks", "/v2/apps/*/tasks",
	} {
		f.index = 40
		if got := do(s, "GET", target, "").Header().Get(api.IndexHeader); got != "40" {
			t.Errorf("%s: index %s", target, got)
		}
	}
}

// TestNilsAreShownEmpty gives the server values with nothing in them.
func TestNilsAreShownEmpty(t *testing.T) {
	f, s := seeded(t)
	f.apps["/z"] = &api.AppInfo{
		App: api.App{
			ID:              "/z",
			Container:       &api.Container{Docker: &api.Docker{}, PortMappings: make([]api.PortMapping, 1)},
			PortDefinitions: make([]api.PortDefinition, 1),
		},
		Tasks: make([]api.Task, 1),
	}
	f.queue = make([]api.QueueEntry, 1)
	f.queue[0].App = &api.App{}
	f.running = []api.Deployment{{CurrentActions: make([]api.DeploymentAction, 1)}}
	all := "?embed=tasks&embed=counts&embed=deployments&embed=lastTaskFailure&embed=readiness&embed=taskStats&embed=lastUnusedOffers"
	for _, target := range []string{
		"/v2/apps", "/v2/apps/z", "/v2/apps/*", "/v2/apps/z/tasks", "/v2/tasks", "/v2/groups", "/v2/queue",
		"/v2/deployments", "/v2/info", "/metrics",
	} {
		w := do(s, "GET", target+all, "")
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
		if path := findNull("", decoded(t, w.Body.Bytes())); path != "" {
			t.Errorf("%s: null at %s in %s", target, path, w.Body)
		}
	}
	z := dig(decoded(t, do(s, "GET", "/v2/apps/z", "").Body.Bytes()), "app/container")
	want := map[string]any{
		"type": "", "volumes": []any{},
		"docker": map[string]any{"image": "", "forcePullImage": false, "privileged": false, "parameters": []any{}},
		"portMappings": []any{
			map[string]any{"containerPort": 0.0, "servicePort": 0.0, "protocol": "", "labels": map[string]any{}},
		},
	}
	if diff := cmp.Diff(want, z); diff != "" {
		t.Error(diff)
	}
}

// TestHeadSendsNoStream holds that HEAD of a stream ends at once.
func TestHeadSendsNoStream(t *testing.T) {
	f, s := seeded(t)
	f.logs["web.1"] = "x"
	for _, target := range []string{"/v2/events", "/v2/tasks/web.1/logs?follow=true"} {
		if w := do(s, "HEAD", target, "", "Accept", "text/event-stream"); w.Code != http.StatusOK || w.Body.Len() > 0 {
			t.Errorf("%s: %d %q", target, w.Code, w.Body)
		}
	}
}
