package mlb

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/mlb/haproxy"
	"berth/mlb/model"
)

func service(app string, port int, tasks ...string) *model.Service {
	s := &model.Service{App: app, Port: port, Name: app}
	for _, t := range tasks {
		s.Servers = append(s.Servers, model.Server{Name: "s-" + t, Task: t})
	}
	return s
}

// store is a backend in store, claimed by an app if there is one.
func store(n int, app string, tasks ...string) *model.Service {
	s := service(app, n, tasks...)
	s.Name, s.Spare = fmt.Sprintf("spare:%d", n), true
	return s
}

func TestServersThatLeaveAreStillCounted(t *testing.T) {
	a1, a2, b := service("/a", 1, "t1", "t2"), service("/a", 1, "t2", "t3"), service("/b", 2, "t4")
	at := func(list ...*model.Service) *model.Model { return &model.Model{Services: list} }
	for _, tt := range []struct {
		name     string
		from, to *model.Model
		gone     map[haproxy.Server]string
		want     map[haproxy.Server]string
	}{
		{"nothing changed", at(a1, b), at(a1, b), nil, nil},
		{"an app was deleted", at(a1, b), at(a1), nil, map[haproxy.Server]string{{Backend: "/b", Name: "s-t4"}: "t4"}},
		{"the first app was deleted", at(a1, b), at(b), nil, map[haproxy.Server]string{
			{Backend: "/a", Name: "s-t1"}: "t1", {Backend: "/a", Name: "s-t2"}: "t2"}},
		{"one server left, one came", at(a1, b), at(a2, b), nil, map[haproxy.Server]string{{Backend: "/a", Name: "s-t1"}: "t1"}},
		{"one that had left came back", at(a2), at(a1), map[haproxy.Server]string{{Backend: "/a", Name: "s-t1"}: "t1"},
			map[haproxy.Server]string{{Backend: "/a", Name: "s-t3"}: "t3"}},
		{"the first state", at(), at(a1), nil, nil},
		{"one came into a backend in store", at(store(1, ""), store(2, ""), a1, b), at(store(1, "/z", "t9"), store(2, ""), a1, b), nil, nil},
		{"and left it", at(store(1, "/z", "t9"), store(2, ""), a1), at(store(1, ""), store(2, ""), a1), nil,
			map[haproxy.Server]string{{Backend: "spare:1", Name: "s-t9"}: "t9"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &drainer{wake: make(chan struct{}, 1), gone: map[haproxy.Server]string{}}
			d.set(1, tt.from)
			maps.Copy(d.gone, tt.gone)
			d.set(2, tt.to)
			_, got := d.get()
			if tt.want == nil {
				tt.want = map[haproxy.Server]string{}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is kept from step to step is what a fresh look at the model gives.
func TestDrainingServersAreThoseOfTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDrainer(&LB{})
		byApp := map[string]*model.Service{}
		for step := range rapid.IntRange(1, 8).Draw(t, "steps") {
			app := rapid.SampledFrom([]string{"/a", "/b", "/c"}).Draw(t, "app")
			s := service(app, 1, rapid.SliceOfDistinct(rapid.SampledFrom([]string{"1", "2", "3"}), rapid.ID[string]).Draw(t, "tasks")...)
			for i := range s.Servers {
				s.Servers[i].Draining = rapid.Bool().Draw(t, "draining")
			}
			if byApp[app] = s; rapid.IntRange(0, 3).Draw(t, "removed") == 0 {
				delete(byApp, app)
			}
			m, want := new(model.Model), map[haproxy.Server]string{}
			for _, app := range slices.Sorted(maps.Keys(byApp)) {
				m.Services = append(m.Services, byApp[app])
				for _, server := range byApp[app].Servers {
					if server.Draining {
						want[haproxy.Server{Backend: app, Name: server.Name}] = server.Task
					}
				}
			}
			d.set(uint64(step), m)
			if diff := cmp.Diff(want, d.tasks); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

func TestServersWithoutSessionsAreForgotten(t *testing.T) {
	d := &drainer{gone: map[haproxy.Server]string{{Backend: "a", Name: "s"}: "t1", {Backend: "b", Name: "s"}: "t2"}}
	d.forget(map[haproxy.Server]int{{Backend: "a", Name: "s"}: 2})
	_, left := d.get()
	if diff := cmp.Diff(map[haproxy.Server]string{{Backend: "a", Name: "s"}: "t1"}, left); diff != "" {
		t.Error(diff)
	}
}
