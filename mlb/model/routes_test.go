package model

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

// webApp is an app with one task and labels of port 0.
func webApp(id string, port int, version api.Timestamp, labels map[string]string) *api.AppInfo {
	a := &api.AppInfo{App: api.App{
		ID: id, Version: version, Labels: map[string]string{}, PortDefinitions: []api.PortDefinition{{Port: port}},
	}}
	for k, v := range labels {
		a.Labels["HAPROXY_0_"+k] = v
	}
	a.Tasks = []api.Task{{ID: id, Host: "10.0.0.1", Ports: []int{port}, State: api.TaskRunning}}
	return a
}

func TestIDsThatDifferInCaseLeadToTheOlderApp(t *testing.T) {
	http := map[string]string{"MODE": "http"}
	m, found := Build([]*api.AppInfo{webApp("/A", 1, 9, http), webApp("/a", 2, 5, http), webApp("/b", 3, 1, http)},
		Options{Groups: []string{"*"}})
	want := []AppRoute{{App: "/a", Backend: "a_2"}, {App: "/b", Backend: "b_3"}}
	if d := cmp.Diff(want, m.AppIDs); d != "" {
		t.Error(d)
	}
	if len(found) != 1 || found[0].App != "/A" || !strings.Contains(found[0].Reason, "older app /a") {
		t.Errorf("problems %v: want one of /A", found)
	}
}

func TestProblemsOfOneAppAreBounded(t *testing.T) {
	labels := map[string]string{"VHOST": "a.test"}
	for i := range 3000 {
		labels[fmt.Sprintf("NONSENSE%04d", i)] = "x"
	}
	m, found := Build([]*api.AppInfo{webApp("/a", 1, 1, labels)}, Options{Groups: []string{"*"}})
	if len(m.Services) != 1 {
		t.Error("unknown labels do no harm")
	}
	if n := len(found); n != maxProblems+1 || found[n-1].Reason != "and 2950 more problems" {
		t.Errorf("%d problems, the last %v", n, found[n-1])
	}
}
