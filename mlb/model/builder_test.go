package model

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

// drawApp draws one app of few ids, hosts and ports, so that apps get in each other's way.
func drawApp(t *rapid.T, id string) *api.AppInfo {
	labels := map[string]string{"HAPROXY_GROUP": "g"}
	pick := func(key string, values ...string) {
		if v := rapid.SampledFrom(values).Draw(t, key); v != "" {
			labels[key] = v
		}
	}
	pick("HAPROXY_0_VHOST", "", "a.test", "b.test,a.test", "*.test", "bad host", "x.sub.test", "*.sub.test")
	pick("HAPROXY_0_PATH", "", "", "/x", "/x/y /z")
	pick("HAPROXY_0_BACKEND_WEIGHT", "", "", "2", "-1", "many")
	pick("HAPROXY_0_MODE", "", "", "tcp", "http")
	pick("HAPROXY_DEPLOYMENT_GROUP", "", "", "", "blue")
	pick("HAPROXY_DEPLOYMENT_STARTED_AT", "", "2024-01-01T00:00:00", "never")
	pick("BERTH_CANARY_OF", "", "", "", "/app0", "app1", "/nobody")
	pick("BERTH_CANARY_WEIGHT", "", "10", "0", "half")
	a := &api.AppInfo{App: api.App{
		ID: id, Labels: labels, Instances: 2,
		Version:         api.Timestamp(rapid.IntRange(0, 3).Draw(t, "version")),
		PortDefinitions: []api.PortDefinition{{Port: 10000 + rapid.IntRange(0, 3).Draw(t, "port")}},
	}}
	for i := range rapid.IntRange(0, 3).Draw(t, "tasks") {
		a.Tasks = append(a.Tasks, api.Task{
			ID: fmt.Sprint(id, i), Host: rapid.SampledFrom([]string{"10.0.0.1", "agent1", "agent2", ""}).Draw(t, "host"),
			Ports: []int{31000 + i}, State: rapid.SampledFrom([]api.TaskState{"TASK_RUNNING", "TASK_KILLING", ""}).Draw(t, "state"),
		})
	}
	return a
}

func drawApps(t *rapid.T) []*api.AppInfo {
	var list []*api.AppInfo
	for i := range rapid.IntRange(0, 5).Draw(t, "apps") {
		list = append(list, drawApp(t, fmt.Sprintf("/app%d", i)))
	}
	return list
}

func testOptions() Options {
	return Options{
		Groups: []string{"g"}, Reserved: map[int]string{10003: "stats"}, AutoPortMin: 10050, AutoPortMax: 10060,
		Resolve: func(h string) (string, bool) { return "10.1.1.1", h == "agent1" },
	}
}

// A Builder that has seen other apps before gives what a new one gives.
func TestMemoryChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apps := drawApps(t)
		b := NewBuilder(testOptions())
		b.Build(apps)
		for range 3 {
			apps = slices.Clone(apps)
			switch n := len(apps); {
			case n > 0 && rapid.Bool().Draw(t, "one changes"):
				i := rapid.IntRange(0, n-1).Draw(t, "which")
				apps[i] = drawApp(t, apps[i].ID)
			case n > 0 && rapid.Bool().Draw(t, "one goes"):
				apps = slices.Delete(apps, 0, 1)
			default:
				apps = append(apps, drawApp(t, fmt.Sprintf("/new%d", n)))
			}
			got, problems := b.Build(apps)
			want, wantProblems := Build(apps, testOptions())
			if d := gocmp.Diff(want, got) + gocmp.Diff(wantProblems, problems); d != "" {
				t.Fatalf("-new +with memory\n%s", d)
			}
		}
	})
}

// Equal apps give equal models, in whatever order they come. The order counts within a deployment group, so there is
// none here.
func TestOrderOfAppsMeansNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		apps := drawApps(t)
		for _, a := range apps {
			delete(a.Labels, labelDeployGroup)
		}
		want, _ := Build(apps, testOptions())
		rand.Shuffle(len(apps), func(i, j int) { apps[i], apps[j] = apps[j], apps[i] })
		got, _ := Build(apps, testOptions())
		if d := gocmp.Diff(want, got); d != "" {
			t.Fatalf("-sorted +shuffled\n%s", d)
		}
	})
}

// What the model promises of its routes, whatever the apps ask for.
func TestModelKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := Build(drawApps(t), testOptions())
		names, ports := make(map[string]bool), make(map[int]bool)
		for _, s := range m.Services {
			if names[s.Name] || !s.Unbound && ports[s.Port] || s.Port == 10003 && !s.Unbound {
				t.Fatalf("service %s: name or port %d is taken", s.Name, s.Port)
			}
			names[s.Name] = true
			if !s.Unbound {
				ports[s.Port] = true
			}
			if !slices.IsSortedFunc(s.Servers, func(a, b Server) int {
				return cmp.Or(strings.Compare(a.Host, b.Host), a.Port-b.Port)
			}) {
				t.Fatalf("servers of %s: %v", s.Name, s.Servers)
			}
		}
		seen := make(map[string]bool)
		for _, h := range m.Hosts {
			if seen[h.Host+h.Path] || !names[h.Backend] {
				t.Fatalf("route %v is double or leads nowhere", h)
			}
			seen[h.Host+h.Path] = true
		}
	})
}

func TestOneTaskMoreSharesEverythingElse(t *testing.T) {
	apps := synthetic(10, 2)
	b := NewBuilder(Options{Groups: []string{"external"}})
	before, _ := b.Build(apps)
	c := *apps[5]
	c.Tasks = append(slices.Clone(c.Tasks), api.Task{ID: "x", Host: "10.9.9.9", Ports: []int{1}, State: api.TaskRunning})
	apps[5] = &c
	after, _ := b.Build(apps)
	for i := range after.Services {
		if (before.Services[i] == after.Services[i]) != (i != 5) {
			t.Errorf("service %d is the same: %t", i, before.Services[i] == after.Services[i])
		}
	}
	if &before.Hosts[0] != &after.Hosts[0] || len(after.Services[5].Servers) != 3 {
		t.Error("the routes were built anew, or the task is missing")
	}
}

func TestHealthIsRememberedWhileMarathonHasForgottenIt(t *testing.T) {
	with := func(results ...api.HealthResult) []*api.AppInfo {
		a := oneApp(nil)
		a.HealthChecks = []api.HealthCheck{{Protocol: "TCP", PortIndex: new(int)}}
		a.Tasks = []api.Task{a.Tasks[0]}
		a.Tasks[0].HealthCheckResults = results
		return []*api.AppInfo{a}
	}
	b := NewBuilder(Options{Groups: []string{"*"}, HealthCheck: true})
	for _, c := range []struct {
		rule string
		apps []*api.AppInfo
		want int
	}{
		{"nothing known: not served", with(), 0},
		{"healthy: served", with(api.HealthResult{Alive: true}), 1},
		{"forgotten: still served", with(), 1},
		{"and once more", with(), 1},
		{"unhealthy: not served", with(api.HealthResult{}), 0},
		{"forgotten after that: not served", with(), 0},
	} {
		if m, _ := b.Build(c.apps); len(m.Services) != c.want {
			t.Errorf("%s: %d services", c.rule, len(m.Services))
		}
	}
}

func TestAnotherAddressOfAHostIsNoticed(t *testing.T) {
	ip := "10.0.0.1"
	a := oneApp(nil)
	a.Tasks[0].Host = "agent"
	b := NewBuilder(Options{Groups: []string{"*"}, Resolve: func(string) (string, bool) { return ip, ip != "" }})
	var got []string
	for _, ip = range []string{"10.0.0.1", "10.0.0.2", "", "not an address"} {
		m, _ := b.Build([]*api.AppInfo{a})
		if len(m.Services) == 0 {
			got = append(got, "")
			continue
		}
		got = append(got, m.Services[0].Servers[0].IP)
	}
	if want := []string{"10.0.0.1", "10.0.0.2", "", ""}; !reflect.DeepEqual(got, want) {
		t.Errorf("addresses %q, want %q", got, want)
	}
}

func TestOwnAppAndUnreadableAppsAreSkipped(t *testing.T) {
	m, found := Build([]*api.AppInfo{nil, {}, oneApp(nil)}, Options{Groups: []string{"*"}, Self: "a"})
	if len(m.Services)+len(found) != 0 {
		t.Errorf("services %v, problems %v", m.Services, found)
	}
}

func TestCertificateThatCannotBeUsedClosesThePort(t *testing.T) {
	a := oneApp(map[string]string{"HAPROXY_0_SSL_CERT": "/no/such.pem", "HAPROXY_0_VHOST": "a.test"})
	m, found := Build([]*api.AppInfo{a}, Options{
		Groups: []string{"*"}, Certificate: func(p string) error { return fmt.Errorf("cannot read %s", p) },
	})
	if s := m.Services[0]; !s.Unbound || s.SSLCert != "" || len(m.Hosts) != 1 || len(found) != 1 {
		t.Errorf("service %+v, problems %v", s, found)
	}
}
