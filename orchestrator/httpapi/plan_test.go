package httpapi

import (
	"net/http"
	"testing"
)

func TestPlan(t *testing.T) {
	f, s := seeded(t)
	before := f.Index()
	for _, tc := range []struct {
		rule, target, body string
		status             int
		path               string
		want               any
	}{
		{"an app that is there is changed", "/v1/plan", `[{"id":"/web","cmd":"other"}]`, 200, "apps/0/cmd", "other"},
		{"what it leaves out stays", "/v1/plan", `[{"id":"/web","cmd":"other"}]`, 200, "apps/0/instances", 2.0},
		{"or not", "/v1/plan?partialUpdate=false", `[{"id":"/web","cmd":"other","cpus":1}]`, 200, "apps/0/instances", 1.0},
		{"one that is not would be made", "/v1/plan", `[{"id":"/new","cmd":"x"}]`, 200, "apps/0/id", "/new"},
		{"lists are never null", "/v1/plan", `[]`, 200, "placements", []any{}},
		{"an app is removed", "/v1/plan?remove=/web", `[]`, 200, "steps/0/actions/0/app", "/web"},
		{"but not one that is not there", "/v1/plan?remove=/none", `[]`, 404, "message", "App '/none' does not exist"},
		{"rules hold", "/v1/plan", `[{"id":"/web","cpus":0}]`, 422, "details/0/path", "(0)/cpus"},
		{"typos are named", "/v1/plan?strict=true", `[{"id":"/web","cpu":1}]`, 422, "details/0/path", "(0)/cpu"},
		{"a list is needed", "/v1/plan", `{"id":"/web"}`, 422, "details/0/path", "/"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := do(s, "POST", tc.target, tc.body)
			if w.Code != tc.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := dig(decoded(t, w.Body.Bytes()), tc.path); !same(got, tc.want) {
				t.Errorf("%s: %v, want %v in %s", tc.path, got, tc.want, w.Body)
			}
		})
	}
	if f.Index() != before {
		t.Error("a plan changed something")
	}
	if w := do(s, "GET", "/v1/plan", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", w.Code)
	}
}

func same(got, want any) bool {
	if l, ok := want.([]any); ok {
		g, isList := got.([]any)
		return isList && len(g) == len(l)
	}
	return got == want
}
