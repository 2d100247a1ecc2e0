package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth/orchestrator/execstream"
)

func TestExecRefusals(t *testing.T) {
	s := newServer(t, newFake(), Options{Credentials: []Credential{
		{Name: "ann", Password: "a"}, {Name: "bob", Password: "b", Role: RoleRead},
	}})
	upgrade := append(basic("ann", "a"), "Connection", "Upgrade", "Upgrade", execstream.Protocol)
	for _, tc := range []struct {
		rule, query string
		header      []string
		status      int
		want        string
	}{
		{"a reader runs nothing", "cmd=true", append(basic("bob", "b"), upgrade[2:]...), 403, "may only read"},
		{"nor a stranger", "cmd=true", upgrade[2:], 401, "credentials"},
		{"a command is needed", "", upgrade, 422, "expected the program"},
		{"that is not empty", "cmd=", upgrade, 422, "expected the program"},
		{"nor endless", strings.Repeat("cmd=x&", maxCommand+1), upgrade, 422, "at most 1000 words"},
		{"nor odd", "cmd=" + url.QueryEscape("a\x00b"), upgrade, 422, "cannot hold a NUL"},
		{"width", "cmd=x&width=0", upgrade, 422, `parameter width \"0\": expected a number from 1 to 10000`},
		{"height", "cmd=x&height=99999", upgrade, 422, "parameter height"},
		{"plain HTTP has no streams", "cmd=x", basic("ann", "a"), 426, "expected the header Upgrade: berth-exec"},
		{"an unknown task", "cmd=x", upgrade, 404, "Task 'x.1' does not exist"},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			w := do(s, "POST", "/v2/tasks/x.1/exec?"+tc.query, "", tc.header...)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	for range cap(s.sessions) {
		s.sessions <- struct{}{}
	}
	if w := do(s, "POST", "/v2/tasks/x.1/exec?cmd=x", "", upgrade...); w.Code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", w.Code)
	}
}
