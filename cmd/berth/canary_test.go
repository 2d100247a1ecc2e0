package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseShares(t *testing.T) {
	for text, want := range map[string][]share{
		"10%": {10}, "10": {10}, "5%,25%, 100%": {5, 25, 100}, "0%": {0},
		"": nil, "101%": nil, "-1": nil, "x": nil, "50%,50%": nil, "50%,20%": nil, "10%,": nil, "1.5%": nil,
	} {
		got, err := parseShares(text)
		if d := cmp.Diff(want, got); d != "" || (err == nil) != (want != nil) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}

func TestInstancesOfACanary(t *testing.T) {
	for _, tt := range []struct {
		s       share
		n, want int
	}{{10, 3, 1}, {10, 10, 1}, {10, 11, 2}, {50, 3, 2}, {100, 4, 4}, {0, 4, 1}, {10, 0, 1}} {
		if got := tt.s.instances(tt.n); got != tt.want {
			t.Errorf("%v of %d: %d, want %d", tt.s, tt.n, got, tt.want)
		}
	}
}

func TestCanaryTakesNothingOfItsApp(t *testing.T) {
	definition := `{"id":"/web","instances":4,"mem":64.50,"labels":{"HAPROXY_0_VHOST":"web.test"},
		"portDefinitions":[{"port":10000,"name":"http","labels":{"VIP_0":"1.1.1.1:80","x":"y"}}],
		"container":{"docker":{"image":"web","portMappings":[{"containerPort":80,"servicePort":10001}]},
			"portMappings":[{"containerPort":80,"servicePort":10002,"labels":{"vip_0":"1.1.1.1:80"}}]}}`
	got, err := canaryOf("/web", []byte(definition), 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"/web-canary","instances":2,"mem":64.50,
		"labels":{"HAPROXY_0_VHOST":"web.test","BERTH_CANARY_OF":"/web","BERTH_CANARY_WEIGHT":"10"},
		"portDefinitions":[{"port":0,"name":"http","labels":{"x":"y"}}],
		"container":{"docker":{"image":"web","portMappings":[{"containerPort":80,"servicePort":0}]},
			"portMappings":[{"containerPort":80,"servicePort":0,"labels":{}}]}}`
	var a, b map[string]any
	for text, into := range map[string]*map[string]any{want: &a, string(got): &b} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	labels := b["labels"].(map[string]any)
	if labels["BERTH_CANARY_DEFINITION"] != definition {
		t.Errorf("definition carried along: %v", labels["BERTH_CANARY_DEFINITION"])
	}
	delete(labels, "BERTH_CANARY_DEFINITION")
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	_, err = canaryOf("/web", []byte(`{"id":"web","requirePorts":true,"ports":[80]}`), 10, 1)
	if err == nil || !strings.Contains(err.Error(), "requirePorts") {
		t.Errorf("fixed host ports: %v", err)
	}
}

func TestDefinitionWithoutInstancesKeepsTheNumber(t *testing.T) {
	for in, want := range map[string]string{
		`{"id":"/a"}`: `{"id":"/a","instances":5}`, `{"id":"/a","instances":2}`: `{"id":"/a","instances":2}`,
		`{"id":"/a","instances":null,"mem":1.0}`: `{"id":"/a","instances":5,"mem":1.0}`,
	} {
		if got, err := withInstances([]byte(in), 5); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}
