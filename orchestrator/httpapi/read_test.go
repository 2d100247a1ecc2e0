package httpapi

import (
	"fmt"
	"net/http"
	"strings"
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

// TestLegacyFields holds what Marathon had before 1.5 is shown on request alone.
func TestLegacyFields(t *testing.T) {
	f := newFake()
	doc := `{"id":"/web","cmd":"x","ports":[10004,10005],"uris":["http://h/a.tgz"]}`
	for _, legacy := range []bool{false, true} {
		s := newServer(t, f, Options{LegacyFields: legacy})
		if got := do(s, "PUT", "/v2/apps/web", doc); got.Code/100 != 2 {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		f.mu.Lock()
		version := f.versions["/web"][0].Version.String()
		f.mu.Unlock()
		for target, at := range map[string]string{
			"/v2/apps": "apps/0", "/v2/apps/web": "app", "/v2/groups": "apps/0", "/v2/apps/web/versions/" + version: "",
		} {
			doc := decoded(t, do(s, "GET", target, "").Body.Bytes())
			at = strings.TrimPrefix(at+"/ports", "/")
			want := "(absent)"
			if legacy {
				want = "[10004 10005]"
			}
			if got := fmt.Sprint(dig(doc, at)); got != want {
				t.Errorf("legacy %v, %s: ports %s, want %s", legacy, target, got, want)
			}
			if got := dig(doc, strings.TrimSuffix(at, "ports")+"uris/0"); legacy != (got == "http://h/a.tgz") {
				t.Errorf("legacy %v, %s: uris %v", legacy, target, got)
			}
		}
	}
}
