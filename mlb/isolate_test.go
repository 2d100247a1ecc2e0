package mlb

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"berth/mlb/model"
	"berth/orchestrator/api"
)

func TestBisectFindsExactlyTheGuilty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "suspects")
		bad := rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), 0, min(n, 4), rapid.ID).Draw(t, "guilty")
		var suspects []string
		want := map[string]bool{}
		for i := range n {
			suspects = append(suspects, fmt.Sprintf("/app%03d", i))
			if slices.Contains(bad, i) {
				want[suspects[i]] = true
			}
		}
		checks := 0
		got, err := bisect(context.Background(), suspects, func(_ context.Context, without map[string]bool) (bool, error) {
			checks++
			for g := range want {
				if !without[g] {
					return false, nil
				}
			}
			return true, nil
		})
		if err != nil || !cmp.Equal(got, want) {
			t.Fatalf("got %v, %v; want %v", got, err, want)
		}
		if most := 1 + 2*len(bad)*(1+int(math.Ceil(math.Log2(float64(n)+1)))); checks > most {
			t.Fatalf("%d checks for %d guilty among %d: at most %d wanted", checks, len(bad), n, most)
		}
	})
}

func svc(app string, port int, task string, hosts ...string) *model.Service {
	return &model.Service{App: "/" + app, Port: port, Name: fmt.Sprintf("%s_%d", app, port), Mode: model.HTTP, VHosts: hosts,
		Servers: []model.Server{{Name: task, Task: task}}}
}

// modelOf routes services as they ask.
func modelOf(services ...*model.Service) *model.Model {
	m := &model.Model{Services: services}
	m.Hosts, m.AppIDs = model.Routes(services)
	return m
}

func names(m *model.Model) (list []string) {
	for _, s := range m.Services {
		list = append(list, s.Name+"="+s.Servers[0].Task)
	}
	return list
}

func TestGuiltyAppIsKeptAsItWasWithItsNewTasks(t *testing.T) {
	good, bad := svc("bad", 10, "old", "b.test"), svc("bad", 10, "new", "worse.test")
	good.Balance, bad.Balance = "roundrobin", "nonsense"
	last, now := modelOf(good), modelOf(svc("a", 9, "t", "a.test"), bad)
	got := substitute(now, last, map[string]bool{"/bad": true})
	if d := cmp.Diff([]string{"a_9=t", "bad_10=new"}, names(got)); d != "" {
		t.Error(d)
	}
	if got.Services[1].Balance != "roundrobin" || good.Servers[0].Task != "old" {
		t.Error("the old labels must come back, and the old model must stay as it was")
	}
	want := []model.HostRoute{{Host: "a.test", Backend: "a_9"}, {Host: "b.test", Backend: "bad_10"}}
	if d := cmp.Diff(want, got.Hosts); d != "" {
		t.Error(d)
	}
	if len(got.AppIDs) != 2 {
		t.Errorf("app ids %v: want the old one, too", got.AppIDs)
	}
}

func TestGuiltyAppWithoutPastIsLeftOut(t *testing.T) {
	now := modelOf(svc("a", 9, "t"), svc("bad", 10, "t", "b.test"))
	for _, last := range []*model.Model{nil, {}} {
		got := substitute(now, last, map[string]bool{"/bad": true})
		if d := cmp.Diff([]string{"a_9=t"}, names(got)); d != "" || len(got.Hosts) != 0 || len(got.AppIDs) != 1 {
			t.Errorf("%s, hosts %v, app ids %v", d, got.Hosts, got.AppIDs)
		}
	}
}

func TestNobodyLosesAHostToAnAppThatIsLeftOut(t *testing.T) {
	bad := svc("bad", 10, "t", "a.test")
	bad.Weight = 100
	now := modelOf(svc("a", 9, "t", "a.test"), bad)
	if now.Hosts[0].Backend != "bad_10" {
		t.Fatalf("%v: the larger weight goes first", now.Hosts)
	}
	got := substitute(now, nil, map[string]bool{"/bad": true})
	if d := cmp.Diff([]model.HostRoute{{Host: "a.test", Backend: "a_9"}}, got.Hosts); d != "" {
		t.Error(d)
	}
}

func TestGuiltyAppDoesNotGetAPortBackThatSomebodyElseHas(t *testing.T) {
	last := &model.Model{Services: []*model.Service{svc("bad", 10, "t")}}
	now := &model.Model{Services: []*model.Service{svc("a", 10, "t"), svc("bad", 11, "t")}}
	got := substitute(now, last, map[string]bool{"/bad": true})
	if d := cmp.Diff([]string{"a_10=t"}, names(got)); d != "" {
		t.Error(d)
	}
}

func TestSuspectsAreTheAppsThatChanged(t *testing.T) {
	a, b := svc("a", 1, "t"), svc("b", 2, "t")
	last := &model.Model{Services: []*model.Service{a, b}}
	now := &model.Model{Services: []*model.Service{a, svc("b", 2, "u"), svc("c", 3, "t")}}
	if d := cmp.Diff([]string{"/b", "/c"}, changedApps(last, now)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"/a", "/b"}, changedApps(nil, last)); d != "" {
		t.Error(d)
	}
}

// The memory changes nothing but where the routes lie.
func TestSubstituteWithMemory(t *testing.T) {
	ids := []string{"/a", "/b", "/c"}
	rapid.Check(t, func(t *rapid.T) {
		builder := model.NewBuilder(model.Options{Groups: []string{"x"}, KeepEmpty: true})
		memory, guilty := new(aside), map[string]bool{}
		byID := map[string]*api.AppInfo{}
		var last *model.Model
		for range 8 {
			id := rapid.SampledFrom(ids).Draw(t, "app")
			switch rapid.IntRange(0, 5).Draw(t, "change") {
			case 0:
				delete(byID, id)
			case 1:
				guilty = map[string]bool{id: true}
			case 2:
				guilty = map[string]bool{}
			default:
				// Ports and hosts are few, so that apps take them from one another.
				a := appWith(id, rapid.IntRange(10001, 10003).Draw(t, "port"), "", rapid.IntRange(0, 3).Draw(t, "tasks"))
				a.Labels["HAPROXY_0_VHOST"] = rapid.SampledFrom([]string{"a.test", "b.test", "a.test,c.test"}).Draw(t, "hosts")
				byID[id] = a
			}
			var apps []*api.AppInfo
			for _, id := range slices.Sorted(maps.Keys(byID)) {
				apps = append(apps, byID[id])
			}
			m, _ := builder.Build(apps)
			want := substitute(m, last, guilty)
			got := memory.substitute(m, last, maps.Clone(guilty))
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("guilty %v: -without +with memory\n%s", guilty, d)
			}
			if rapid.IntRange(0, 4).Draw(t, "applied") > 0 {
				last = got
			}
		}
	})
}
