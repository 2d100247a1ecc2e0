package dnsd

import (
	"testing"
	"time"

	"berth/dnsd/server"
	"berth/dnsd/zone"
	"berth/orchestrator/api"
	"berth/orchestrator/client"
	"berth/orchestrator/client/clienttest"
)

func clientOf(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URLs: []string{url}, Subscriber: "dnsd-test", Role: "dnsd"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Two clusters are followed at once: neither's apps are another's, and each is acknowledged to whom it belongs.
func TestTwoFrameworks(t *testing.T) {
	prod, staging := clienttest.NewServer(t), clienttest.NewServer(t)
	prod.SetApp(app("/web", "10.0.0.1"))
	staging.SetApp(app("/web", "10.0.0.2"))
	o := zone.DefaultOptions()
	o.Frameworks = []string{"staging"}
	o, err := o.Validate()
	if err != nil {
		t.Fatal(err)
	}
	b := zone.NewBuilder(o)
	s, err := server.New(server.DefaultConfig(), b.Update(nil, 1), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{
		Source: clientOf(t, prod.URL()), Server: s, Builder: zone.NewBuilder(o),
		Frameworks: []Framework{{"staging", clientOf(t, staging.URL())}},
	})
	runUntilEnd(t, d)
	wait(t, "apps of both", func() bool { return has(s, "web.marathon.mesos") && has(s, "web.staging.mesos") })
	if a := d.Zone().Lookup("web.staging.mesos", zone.TypeA).Set.Records(); len(a) != 1 || a[0].Addr.String() != "10.0.0.2" {
		t.Errorf("%v", a)
	}
	gone := app("/web", "10.0.0.2").Tasks[0]
	gone.State = api.TaskKilling
	staging.SetTasks("/web", gone)
	wait(t, "a task that is to end is gone", func() bool { return !has(s, "web.staging.mesos") })
	for name, src := range map[string]*clienttest.Server{"marathon": prod, "staging": staging} {
		wait(t, name+" is told", func() bool {
			acks := src.Acks()
			return len(acks) > 0 && acks[len(acks)-1].Index == src.Index()
		})
	}
	if !has(s, "web.marathon.mesos") {
		t.Error("a change of one cluster took from the other")
	}
	if st := d.Status(); len(st.Frameworks) != 1 || !st.Frameworks[0].Loaded || st.Frameworks[0].Apps != 1 || st.Apps != 1 {
		t.Errorf("%+v", st)
	}
}

// A cluster that is silent makes all answers say so; only if every cluster is, they end.
func TestAgesOfFrameworks(t *testing.T) {
	began := time.Now()
	long := began.Add(2 * time.Hour)
	for _, tt := range []struct {
		rule          string
		main, other   time.Time
		stale, expire bool
	}{
		{"both are heard", long, long, false, false},
		{"the other one is silent", long, began, true, false},
		{"the main one is silent", began, long, true, false},
		{"both are silent", began, began, true, true},
	} {
		o := zone.DefaultOptions()
		o.Frameworks = []string{"staging"}
		o, err := o.Validate()
		if err != nil {
			t.Fatal(err)
		}
		b := zone.NewBuilder(o)
		s, err := server.New(server.DefaultConfig(), b.Update(nil, 1), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		d := New(Options{
			Source: &quiet{last: tt.main}, Server: s, Builder: zone.NewBuilder(o), ExpireAfter: time.Hour,
			Frameworks: []Framework{{"staging", &quiet{last: tt.other}}},
		})
		d.deliverOf(t.Context(), d.others[0], &client.Snapshot{Apps: []*api.AppInfo{app("/web", "10.0.0.2")}, Time: began})
		if !unloaded(s) {
			t.Errorf("%s: served before the main one is known", tt.rule)
		}
		d.deliver(t.Context(), &client.Snapshot{Apps: []*api.AppInfo{app("/web", "10.0.0.1")}, Time: began})
		d.checkAge(long)
		if st := d.Status(); st.Stale != tt.stale || st.Expired != tt.expire {
			t.Errorf("%s: stale %v, expired %v", tt.rule, st.Stale, st.Expired)
		}
	}
}
