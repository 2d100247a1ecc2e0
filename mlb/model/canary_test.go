package model

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"berth/orchestrator/api"
)

func TestWeightsComeClosestToTheShare(t *testing.T) {
	for _, tt := range []struct{ percent, canaries, others, canary, other int }{
		{10, 1, 1, 1, 9}, {10, 1, 9, 1, 1}, {10, 1, 3, 1, 3}, {50, 2, 2, 1, 1}, {25, 1, 1, 1, 3}, {75, 1, 1, 3, 1},
		{0, 1, 5, 0, 1}, {100, 1, 5, 1, 0}, {1, 1, 1, 1, 99}, {99, 4, 1, 99, 4}, {50, 1, 1000, 256, 1},
	} {
		if c, o := weights(tt.percent, tt.canaries, tt.others); c != tt.canary || o != tt.other {
			t.Errorf("%d%% with %d canaries and %d others: %d and %d, want %d and %d", tt.percent, tt.canaries, tt.others, c, o,
				tt.canary, tt.other)
		}
	}
	for percent := 1; percent < 100; percent++ {
		for canaries := 1; canaries <= 8; canaries++ {
			for others := 1; others <= 8; others++ {
				c, o := weights(percent, canaries, others)
				got := 100 * float64(c*canaries) / float64(c*canaries+o*others)
				if c < 1 || c > maxWeight || o < 1 || o > maxWeight || math.Abs(got-float64(percent)) > 0.5 && c != maxWeight && o != maxWeight {
					t.Fatalf("%d%% with %d canaries and %d others: weights %d and %d give %.2f%%", percent, canaries, others, c, o, got)
				}
			}
		}
	}
}

func TestCanary(t *testing.T) {
	mk := func(id string, n int, labels ...string) *api.AppInfo {
		a := &api.AppInfo{App: api.App{
			ID: id, Labels: map[string]string{"HAPROXY_GROUP": "g"}, PortDefinitions: []api.PortDefinition{{Port: 10000 + len(id)}},
		}}
		for i := 0; i+1 < len(labels); i += 2 {
			a.Labels[labels[i]] = labels[i+1]
		}
		for i := range n {
			a.Tasks = append(a.Tasks, api.Task{
				ID: fmt.Sprintf("%s.%d", id, i), Host: "10.0.0.1", Ports: []int{31000 + 10*len(id) + i}, State: api.TaskRunning,
			})
		}
		return a
	}
	web := mk("/web", 3, "HAPROXY_0_VHOST", "web.test")
	drained := mk("/web", 1)
	drained.Tasks[0].State = api.TaskKilling
	of := func(id, share string) *api.AppInfo {
		return mk(id, 1, "BERTH_CANARY_OF", "web", "BERTH_CANARY_WEIGHT", share)
	}
	tests := []struct {
		rule    string
		apps    []*api.AppInfo
		want    string // backend: weight of each server, c for a canary, - for no weight
		problem string
	}{
		{"a canary's tasks are servers of its app", []*api.AppInfo{web, of("/web-canary", "10")}, "web_10004: 3 3 3 1c", ""},
		{"whatever the order", []*api.AppInfo{of("/a-canary", "10"), web}, "web_10004: 3 3 3 1c", ""},
		{"without a share all are equal", []*api.AppInfo{web, mk("/canary", 1, "BERTH_CANARY_OF", "/web")}, "web_10004: - - - -c", ""},
		{"none of the traffic", []*api.AppInfo{web, of("/canary", "0")}, "web_10004: 1 1 1 0c", ""},
		{"all of it", []*api.AppInfo{web, of("/canary", "100")}, "web_10004: 0 0 0 1c", ""},
		{"a bad share says so", []*api.AppInfo{web, of("/canary", "101")}, "web_10004: - - - -c", "BERTH_CANARY_WEIGHT"},
		{"alone a canary stands in for its app", []*api.AppInfo{of("/canary", "10")}, "web_10007: -", ""},
		{"beside tasks that only drain it gets everything", []*api.AppInfo{drained, of("/canary", "0")}, "web_10004: - -c", ""},
		{"a canary without tasks changes nothing", []*api.AppInfo{web, mk("/canary", 0, "BERTH_CANARY_OF", "/web", "BERTH_CANARY_WEIGHT", "100")},
			"web_10004: - - -", ""},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			m, problems := Build(tt.apps, Options{Groups: []string{"g"}, KeepEmpty: true})
			var b strings.Builder
			for _, s := range m.Services {
				fmt.Fprintf(&b, "%s:", s.Name)
				for _, sv := range s.Servers {
					word := "-"
					if sv.Weighted {
						word = fmt.Sprint(sv.Weight)
					}
					if sv.Canary {
						word += "c"
					}
					b.WriteString(" " + word)
				}
			}
			if b.String() != tt.want {
				t.Errorf("got %q, want %q", b.String(), tt.want)
			}
			if text := fmt.Sprint(problems); (tt.problem == "") != (len(problems) == 0) || !strings.Contains(text, tt.problem) {
				t.Errorf("problems %s, want %q", text, tt.problem)
			}
		})
	}
}
