package preview

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

func known(t *testing.T, doc string) *api.AppInfo {
	t.Helper()
	a, err := api.DecodeAppInfo([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const web = `{"id":"/web","cmd":"run","instances":2,"cpus":1,"mem":32,"networks":[{"mode":"host"}],
	"portDefinitions":[{"port":10000,"protocol":"tcp","labels":{"VIP_0":"1.1.1.1:80"}}],
	"labels":{"HAPROXY_GROUP":"external","HAPROXY_0_VHOST":"web.example.com"},"healthChecks":[{"protocol":"TCP","portIndex":0}],
	"tasks":[{"id":"web.1","appId":"/web","host":"10.0.0.1","slaveId":"a1","ports":[31001],"state":"TASK_RUNNING","healthCheckResults":[{"alive":true}]},
	{"id":"web.2","appId":"/web","host":"10.0.0.1","slaveId":"a1","ports":[31002],"state":"TASK_RUNNING","healthCheckResults":[{"alive":true}]}]}`

func all(string) bool { return true }

// sections computes all three and fails on an error.
func sections(t *testing.T, before, after []*api.AppInfo) (balancer, names, vips Section) {
	t.Helper()
	balancer, err := Balancer([]string{"*"}, before, after, all)
	if err != nil {
		t.Fatal(err)
	}
	if names, err = Names(before, after); err != nil {
		t.Fatal(err)
	}
	if vips, err = VIPs(before, after, all); err != nil {
		t.Fatal(err)
	}
	return balancer, names, vips
}

func TestNothingChangesNothing(t *testing.T) {
	now := []*api.AppInfo{known(t, web)}
	then := After(now, now, []api.Placement{{App: "/web", Keep: []string{"web.1", "web.2"}}})
	for i, s := range slices.Collect(func(yield func(Section) bool) {
		b, n, v := sections(t, now, then)
		_ = yield(b) && yield(n) && yield(v)
	}) {
		if !s.Empty() || i == 0 && s.Action != "none" {
			t.Errorf("section %d: %+v", i, s)
		}
	}
}

func TestATaskMoreAndATaskLess(t *testing.T) {
	now := []*api.AppInfo{known(t, web)}
	then := After(now, now, []api.Placement{{
		App: "/web", Action: api.ActionScale, Keep: []string{"web.1"}, Stop: []string{"web.2"},
		Start: []api.PlannedTask{{Agent: "a1", Host: "node2", IP: "10.0.0.2", Ports: []int{31003}}},
	}})
	balancer, names, vips := sections(t, now, then)
	want := Section{
		Action: "runtime", Removed: []string{"server 10.0.0.1:31002 in web_10000"},
		Added: []string{"server 10.0.0.2:31003 in web_10000"}, Problems: []string{},
	}
	if diff := cmp.Diff(want, balancer); diff != "" {
		t.Errorf("balancer (-want +got):\n%s", diff)
	}
	if !slices.Contains(names.Added, "web.marathon.mesos. 5 IN A 10.0.0.2") {
		t.Errorf("names: %+v", names)
	}
	wantVIPs := Section{
		Removed: []string{"VIP tcp/1.1.1.1:80 → 10.0.0.1:31002"}, Added: []string{"VIP tcp/1.1.1.1:80 → 10.0.0.2:31003"},
		Problems: []string{},
	}
	if diff := cmp.Diff(wantVIPs, vips); diff != "" {
		t.Errorf("virtual addresses (-want +got):\n%s", diff)
	}
}

func TestANewAppARemovedAppAndABadLabel(t *testing.T) {
	now := []*api.AppInfo{known(t, web)}
	other := known(t, strings.NewReplacer("/web", "/new", "web.example", "new.example", "10000", "10001", "1.1.1.1", "1.1.1.2").
		Replace(web))
	other.Tasks = nil
	other.Labels["HAPROXY_0_MODE"] = "odd"
	then := After(now, []*api.AppInfo{other}, []api.Placement{
		{App: "/web", Action: api.ActionStop, Stop: []string{"web.1", "web.2"}},
		{App: "/new", Action: api.ActionScale, Start: []api.PlannedTask{{Agent: "a1", IP: "10.0.0.3", Ports: []int{31001}}}},
	})
	if len(then) != 1 || then[0].ID != "/new" || len(then[0].Tasks) != 1 || !then[0].Tasks[0].Healthy(1) {
		t.Fatalf("afterwards: %+v", then)
	}
	balancer, names, vips := sections(t, now, then)
	if balancer.Action != "reload" || len(balancer.Reasons) == 0 || len(balancer.Problems) == 0 ||
		!strings.Contains(balancer.Problems[0], "odd") {
		t.Errorf("balancer: %+v", balancer)
	}
	if !slices.Contains(names.Removed, "web.marathon.mesos. 5 IN A 10.0.0.1") ||
		!slices.Contains(names.Added, "new.marathon.mesos. 5 IN A 10.0.0.3") {
		t.Errorf("names: %+v", names)
	}
	if !slices.Contains(vips.Removed, "VIP tcp/1.1.1.1:80") || !slices.Contains(vips.Added, "VIP tcp/1.1.1.2:80 → 10.0.0.3:31001") {
		t.Errorf("virtual addresses: %+v", vips)
	}
}

func TestFields(t *testing.T) {
	from, to := known(t, web).App, known(t, web).App
	to.Cmd, to.Mem = "other", 64
	to.Labels = map[string]string{"HAPROXY_GROUP": "internal", "NEW": "1"}
	to.Version, to.VersionInfo = 7, &api.VersionInfo{}
	fields, err := Fields(&from, &to)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range fields {
		got = append(got, f.Path+" "+string(f.Old)+" "+string(f.New))
	}
	want := []string{
		`/cmd "run" "other"`, `/labels/HAPROXY_0_VHOST "web.example.com" `, `/labels/HAPROXY_GROUP "external" "internal"`,
		`/labels/NEW  "1"`, `/mem 32 64`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if same, err := Fields(&from, &from); err != nil || len(same) != 0 {
		t.Errorf("nothing: %v, %v", same, err)
	}
}
