package httpapi

import (
	"fmt"
	"net/http"
	"testing"
)

// TestUpdates follows single apps through the two kinds of update and looks at what is stored.
func TestUpdates(t *testing.T) {
	for _, tc := range []struct {
		rule, method, target, body string
		want                       map[string]string
	}{
		{"a partial update keeps what it does not name", "PUT", "/v2/apps/web", `{"cpus":0.5}`,
			map[string]string{"cpus": "0.5", "instances": "2", "cmd": "sleep 1", "labels/tier": "front"}},
		{"null keeps as well", "PATCH", "/v2/apps/web", `{"labels":null,"instances":4}`,
			map[string]string{"instances": "4", "labels/tier": "front"}},
		{"objects are replaced wholly", "PUT", "/v2/apps/web", `{"labels":{"new":"1"}}`,
			map[string]string{"labels/tier": "(absent)", "labels/new": "1"}},
		{"a full replacement returns to defaults", "PUT", "/v2/apps/web?partialUpdate=false", `{"cmd":"new"}`,
			map[string]string{"cmd": "new", "instances": "1", "cpus": "1", "labels": "map[]", "id": "/web"}},
		{"the old style is shown in the new one", "PUT", "/v2/apps/web?partialUpdate=false",
			`{"container":{"type":"DOCKER","docker":{"image":"nginx","network":"BRIDGE","portMappings":[{"containerPort":80}]}}}`,
			map[string]string{"networks/0/mode": "container/bridge", "container/portMappings/0/containerPort": "80",
				"container/docker/network": "(absent)", "container/docker/portMappings": "(absent)"}},
		{"in bulk", "PATCH", "/v2/apps", `[{"id":"web","instances":7},{"id":"/prod/db","instances":0}]`,
			map[string]string{"instances": "7"}},
		{"a dry run stores nothing", "DELETE", "/v2/apps/web?dryRun=true", "", map[string]string{"instances": "2"}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			_, s := seeded(t)
			if w := do(s, tc.method, tc.target, tc.body); w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			app := dig(decoded(t, do(s, "GET", "/v2/apps/web", "").Body.Bytes()), "app")
			for path, want := range tc.want {
				if got := fmt.Sprint(dig(app, path)); got != want {
					t.Errorf("%s: %s, want %s", path, got, want)
				}
			}
		})
	}
}

// TestAllMistakesInOneAnswer holds that a list is checked to its end, each place with its position.
func TestAllMistakesInOneAnswer(t *testing.T) {
	_, s := seeded(t)
	w := do(s, "PUT", "/v2/apps?partialUpdate=false", `[{"id":"/a","cmd":"x","instances":-1},{"id":"/b","cmd":"x"},{"id":"/c"}]`)
	doc := decoded(t, w.Body.Bytes())
	if first := dig(doc, "details/0/path"); w.Code != http.StatusUnprocessableEntity || first != "(0)/instances" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if second := fmt.Sprint(dig(doc, "details/1/path")); len(second) < 3 || second[:3] != "(2)" {
		t.Errorf("second path %s in %s", second, w.Body)
	}
	if w := do(s, "GET", "/v2/apps/b", ""); w.Code != http.StatusNotFound {
		t.Error("a part of a refused list was stored")
	}
}
