package zone

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
)

func twoFrameworks(t testing.TB) *Builder {
	t.Helper()
	o := DefaultOptions()
	o.Frameworks = []string{"Staging.Prod"}
	o, err := o.Validate()
	if err != nil {
		t.Fatal(err)
	}
	return NewBuilder(o)
}

// The same app id in two clusters is two apps, with names of their own.
func TestFrameworksDoNotMerge(t *testing.T) {
	const second = "staging.prod"
	b := twoFrameworks(t)
	b.SetInfra(Infra{Leader: "10.9.0.1:8080", Leaders: map[string]string{second: "10.9.0.2:8081", "unknown": "10.9.0.3:80"}})
	ours, theirs := hostApp("/a/web", 1000), hostApp("/a/web", 2000)
	theirs.Tasks[0].Host = "10.0.0.2"
	z := b.Update([]*api.AppInfo{ours}, 1)
	check(t, z, map[string][]string{"web-a.marathon.mesos": {"A 10.0.0.1"}})
	for _, name := range []string{"web-a.staging.prod.mesos", "no.mesos", "x.dcos.thisdcos.directory"} {
		if got := z.Lookup(name, TypeA).Answer; got != Pending {
			t.Errorf("%s before the apps of %s are known: %v", name, second, got)
		}
	}
	z = b.UpdateOf(second, []*api.AppInfo{theirs}, 2)
	h := idHash("t1")
	check(t, z, map[string][]string{
		"web-a.marathon.mesos":                   {"A 10.0.0.1"},
		"web-a.staging.prod.mesos":               {"A 10.0.0.2"},
		"web.a.staging.prod.mesos":               {"A 10.0.0.2"},
		"web-a.staging.prod.slave.mesos":         {"A 10.0.0.2"},
		"_web-a._tcp.staging.prod.mesos":         {"SRV 0 1 2000 web-a-" + h + "-s1.staging.prod.slave.mesos."},
		"_framework._tcp.staging.prod.mesos":     {"SRV 0 1 8081 staging.prod.mesos."},
		"staging.prod.mesos":                     {"A 10.9.0.2"},
		"marathon.mesos":                         {"A 10.9.0.1"},
		"leader.mesos":                           {"A 10.9.0.1"},
		"slave.mesos":                            {"A 10.0.0.1", "A 10.0.0.2"},
		"web-a.marathon.agentip." + dcosZone:     {"A 10.0.0.1"},
		"web-a.staging-prod.agentip." + dcosZone: {"A 10.0.0.2"},
	})
	if got := z.Lookup("no.mesos", TypeA).Answer; got != NXDomain {
		t.Errorf("no such name, and all is known: %v", got)
	}
	if p := b.Problems(); len(p) != 0 {
		t.Errorf("%+v", p)
	}
	z = b.Update(nil, 3)
	check(t, z, map[string][]string{"web-a.marathon.mesos": nil, "web-a.staging.prod.mesos": {"A 10.0.0.2"}})
	z = b.UpdateOf(second, nil, 4)
	check(t, z, map[string][]string{"web-a.staging.prod.mesos": nil, "staging.prod.mesos": {"A 10.9.0.2"}})
}

// Names that two frameworks give one app each are reported with the framework.
func TestProblemsNameTheFramework(t *testing.T) {
	b := twoFrameworks(t)
	sick := hostApp("/web", 1)
	sick.HealthChecks = []api.HealthCheck{{Protocol: "HTTP"}}
	sick.Tasks[0].HealthCheckResults = []api.HealthResult{{Alive: false}}
	sick.Labels = map[string]string{LabelNames: "shop", LabelTTL: "x"}
	b.Update([]*api.AppInfo{sick}, 1)
	b.UpdateOf("staging.prod", []*api.AppInfo{sick}, 1)
	wrong := `label BERTH_DNS_TTL="x": expected seconds from 0 to 86400`
	want := []Problem{
		{"", []string{"/web"}, wrong},
		{"", []string{"staging.prod:/web"}, wrong},
		{"web.marathon.mesos", []string{"/web"}, reasonFallback},
		{"web.staging.prod.mesos", []string{"staging.prod:/web"}, reasonFallback},
		{"shop.mesos", []string{"/web", "staging.prod:/web"}, reasonShared},
	}
	if diff := cmp.Diff(want, b.Problems()); diff != "" {
		t.Error(diff)
	}
}

func TestFrameworkNamesThatAreWrong(t *testing.T) {
	for name, list := range map[string][]string{
		"the main one's": {"Marathon"}, "twice": {"a", "A."}, "empty": {"@"}, "too long": {strings.Repeat("a.", 40) + "a"},
	} {
		o := DefaultOptions()
		o.Frameworks = list
		if _, err := o.Validate(); err == nil {
			t.Errorf("%s: %v is taken", name, list)
		}
	}
}

// Whatever order the apps of two clusters come in, the zone is that of all of them.
func TestIncrementalOfFrameworksEqualsFresh(t *testing.T) {
	o := DefaultOptions()
	o.Frameworks = []string{"other"}
	o, err := o.Validate()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := NewBuilder(o)
		apps := map[string][]*api.AppInfo{}
		var z *Zone
		for step := range rapid.IntRange(1, 8).Draw(t, "steps") {
			f := rapid.SampledFrom([]string{o.Framework, "other"}).Draw(t, "framework")
			apps[f] = drawApps(t, apps[f])
			z = b.UpdateOf(f, apps[f], uint32(step+1))
		}
		fresh := NewBuilder(o)
		want := fresh.zone
		for f, list := range apps {
			want = fresh.UpdateOf(f, list, 1)
		}
		if diff := cmp.Diff(records(want), records(z)); diff != "" || want.Count() != z.Count() || want.pending != z.pending {
			t.Fatalf("%s\n%+v, %+v", diff, want.Count(), z.Count())
		}
		if diff := cmp.Diff(fresh.Problems(), b.Problems()); diff != "" {
			t.Fatal(diff)
		}
	})
}
