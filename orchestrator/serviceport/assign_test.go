package serviceport_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/orchestrator/api"
	"berth/orchestrator/serviceport"
)

// hostApp and bridgeApp are normalised apps with the given service ports.
func hostApp(ports ...int) *api.App {
	app := &api.App{ID: "/host", Networks: []api.Network{{Mode: api.NetworkHost}}, PortDefinitions: []api.PortDefinition{}}
	for _, p := range ports {
		app.PortDefinitions = append(app.PortDefinitions, api.PortDefinition{Port: p, Protocol: "tcp"})
	}
	return app
}

func bridgeApp(ports ...int) *api.App {
	app := &api.App{ID: "/bridge", Networks: []api.Network{{Mode: api.NetworkBridge}}, Container: &api.Container{}}
	for _, p := range ports {
		app.Container.PortMappings = append(app.Container.PortMappings, api.PortMapping{ServicePort: p, Protocol: "tcp"})
	}
	return app
}

func taken(ports ...int) func(int) bool {
	return func(p int) bool { return slices.Contains(ports, p) }
}

func assign(t *testing.T, app, previous *api.App, used func(int) bool) []int {
	t.Helper()
	if err := serviceport.Assign(app, previous, used, serviceport.DefaultMin, serviceport.DefaultMax); err != nil {
		t.Fatal(err)
	}
	return app.ServicePorts()
}

// TestRules goes through section 5.4.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name          string
		app, previous *api.App
		used          []int
		want          []int
	}{
		{"the range starts at 10000", bridgeApp(0), nil, nil, []int{10000}},
		{"host mode numbers its definitions", hostApp(0, 0), nil, nil, []int{10000, 10001}},
		{"no ports, no numbers", hostApp(), nil, nil, []int{}},
		{"the lowest that is free", bridgeApp(0, 0), nil, []int{10000, 10002}, []int{10001, 10003}},
		{"explicit numbers stay, inside the range or not", bridgeApp(80, 10005, 20001), nil, []int{80, 10005}, []int{80, 10005, 20001}},
		{"explicit numbers of the same request are respected", bridgeApp(0, 10000), nil, nil, []int{10001, 10000}},
		{"an explicit number twice is the app's own business", bridgeApp(10000, 10000, 0), nil, nil, []int{10000, 10000, 10001}},
		{"own previous numbers come first", bridgeApp(0, 0), bridgeApp(10007, 10003), []int{10000, 10003, 10007}, []int{10007, 10003}},
		{"also when another app has the same one", bridgeApp(0), bridgeApp(10007), []int{10007}, []int{10007}},
		{"a port added at the end", bridgeApp(0, 0, 0), bridgeApp(10004, 10002), []int{10002, 10004}, []int{10004, 10002, 10000}},
		{"fewer ports", bridgeApp(0), bridgeApp(10004, 10002), []int{10002, 10004}, []int{10004}},
		{"previous numbers outside the range are not taken up", bridgeApp(0, 0), bridgeApp(80, 10009), []int{80, 10009}, []int{10009, 10000}},
		{"previous numbers written out now are not taken up", bridgeApp(0, 10004), bridgeApp(10004, 10002), nil, []int{10002, 10004}},
		{"a previous number is taken up once", bridgeApp(0, 0), bridgeApp(10004, 10004), []int{10000}, []int{10004, 10001}},
		{"from host mode to bridge", bridgeApp(0), hostApp(10042), nil, []int{10042}},
		{"from bridge to host mode", hostApp(0), bridgeApp(10042), nil, []int{10042}},
		{"nothing to do", bridgeApp(10001), bridgeApp(10000), nil, []int{10001}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, assign(t, c.app, c.previous, taken(c.used...))); diff != "" {
				t.Errorf("service ports (-want +got):\n%s", diff)
			}
		})
	}
}

// The blog's next app after marathon-lb, which itself declares 10000 to 10100.
func TestNextAppAfterMarathonLBGets10101(t *testing.T) {
	ports := []string{"80", "443", "9090", "9091"}
	for p := 10000; p <= 10100; p++ {
		ports = append(ports, strconv.Itoa(p))
	}
	lb, _, err := api.ParseApp([]byte(`{"id":"/marathon-lb","args":["sse"],"requirePorts":true,"ports":[` +
		strings.Join(ports, ",") + `],"container":{"docker":{"image":"mesosphere/marathon-lb","network":"HOST"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	state := assign(t, lb, nil, taken())
	if len(state) != 105 || state[0] != 80 || state[104] != 10100 {
		t.Fatalf("explicit ports changed: %v", state)
	}
	web, _, err := api.ParseApp([]byte(`{"id":"web","instances":1,"cpus":0.1,"mem":64,"container":{"type":"DOCKER",
		"docker":{"image":"nginx","network":"BRIDGE","portMappings":[{"containerPort":80,"hostPort":0}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := assign(t, web, nil, taken(state...)); !slices.Equal(got, []int{10101}) {
		t.Errorf("found %v, expected [10101]", got)
	}
}

func TestFirstAppOfTheBlogGets10000(t *testing.T) {
	web, _, err := api.ParseApp([]byte(`{"id":"web","container":{"docker":{"image":"nginx","network":"BRIDGE",
		"portMappings":[{"containerPort":80,"hostPort":0}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	assign(t, web, nil, taken())
	if got := web.Container.PortMappings[0].ServicePort; got != 10000 {
		t.Errorf("found %d", got)
	}
}

func TestMarathonLBInstalledLaterIsAccepted(t *testing.T) {
	if got := assign(t, hostApp(80, 10000), nil, taken(10000)); !slices.Equal(got, []int{80, 10000}) {
		t.Errorf("found %v", got)
	}
}

func TestExhaustedRangeNamesEachPortAndChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		app  *api.App
		want []string
	}{
		"bridge": {bridgeApp(0, 0, 80, 0, 0), []string{"/container/portMappings(3)/servicePort", "/container/portMappings(4)/servicePort"}},
		"host":   {hostApp(0, 0, 80, 0), []string{"/portDefinitions(3)/port"}},
	} {
		before := slices.Clone(c.app.ServicePorts())
		err := serviceport.Assign(c.app, nil, taken(10001), 10000, 10002)
		var e *api.Error
		if !errors.As(err, &e) || e.Code != api.CodeInvalid {
			t.Fatalf("%s: %v", name, err)
		}
		var paths []string
		for _, d := range e.Details {
			paths = append(paths, d.Path)
		}
		if diff := cmp.Diff(c.want, paths); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(before, c.app.ServicePorts()); diff != "" {
			t.Errorf("%s: the app was changed: %s", name, diff)
		}
	}
	full := func(int) bool { return true }
	if err := serviceport.Assign(bridgeApp(80), nil, full, 10000, 10000); err != nil {
		t.Errorf("no zero, no need of a range: %v", err)
	}
	if err := serviceport.Assign(bridgeApp(0), bridgeApp(10000), full, 10000, 10000); err != nil {
		t.Errorf("own numbers do not come from the free ones: %v", err)
	}
}

func TestContainerModeWithoutAContainer(t *testing.T) {
	app := &api.App{Networks: []api.Network{{Mode: api.NetworkContainer, Name: "n"}}}
	if err := serviceport.Assign(app, nil, taken(), 1, 2); err != nil {
		t.Error(err)
	}
}

// genPorts draws service ports near the start of the range, with zeros among them.
func genPorts(t *rapid.T, name string) []int {
	port := rapid.OneOf(rapid.Just(0), rapid.IntRange(9998, 10012))
	return rapid.SliceOfN(port, 0, 6).Draw(t, name)
}

func genUsed(t *rapid.T) map[int]bool {
	used := map[int]bool{}
	for _, p := range rapid.SliceOfN(rapid.IntRange(9998, 10020), 0, 12).Draw(t, "used") {
		used[p] = true
	}
	return used
}

func genApp(t *rapid.T, name string) *api.App {
	if rapid.Bool().Draw(t, name+" in host mode") {
		return hostApp(genPorts(t, name)...)
	}
	return bridgeApp(genPorts(t, name)...)
}

func TestAssignmentKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app, previous, used := genApp(t, "app"), genApp(t, "previous"), genUsed(t)
		before := app.ServicePorts()
		err := serviceport.Assign(app, previous, func(p int) bool { return used[p] }, 10000, 10050)
		if err != nil {
			t.Fatal(err)
		}
		if err := promises(before, app.ServicePorts(), previous.ServicePorts(), used); err != nil {
			t.Fatal(err)
		}
		again := app.Clone()
		if err := serviceport.Assign(again, app, func(p int) bool { return used[p] }, 10000, 10050); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(app, again); diff != "" {
			t.Fatalf("a second assignment changed something:\n%s", diff)
		}
	})
}

// promises checks that explicit numbers stay, and that new ones are in the range, unique in the app, and free or its own.
func promises(before, after, previous []int, used map[int]bool) error {
	count := map[int]int{}
	for _, p := range after {
		count[p]++
	}
	for i, p := range after {
		switch {
		case before[i] != 0 && p != before[i]:
			return fmt.Errorf("explicit port %d became %d", before[i], p)
		case before[i] != 0:
		case p < 10000 || p > 10050:
			return fmt.Errorf("port %d is outside the range", p)
		case count[p] > 1:
			return fmt.Errorf("port %d twice in %v", p, after)
		case used[p] && !slices.Contains(previous, p):
			return fmt.Errorf("port %d is another app's", p)
		}
	}
	return nil
}

// Restart, scale, rename, full replacement with zeros and a port added at the end all keep the numbers.
func TestNumbersSurviveChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, more, used := rapid.IntRange(0, 5).Draw(t, "ports"), rapid.IntRange(0, 3).Draw(t, "more"), genUsed(t)
		isUsed := func(p int) bool { return used[p] }
		app := bridgeApp(make([]int, n)...)
		if err := serviceport.Assign(app, nil, isUsed, 10000, 10050); err != nil {
			t.Fatal(err)
		}
		numbers := app.ServicePorts()
		for _, p := range numbers {
			used[p] = true
		}
		changed := bridgeApp(make([]int, n+more)...)
		changed.Instances, changed.Labels = 7, map[string]string{"new": ""}
		for i := range changed.Container.PortMappings {
			changed.Container.PortMappings[i].Name = fmt.Sprintf("renamed-%d", i)
		}
		if err := serviceport.Assign(changed, app, isUsed, 10000, 10050); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(numbers, changed.ServicePorts()[:n]); diff != "" {
			t.Fatalf("(-before +after):\n%s", diff)
		}
	})
}

func BenchmarkAssignInAFullRange(b *testing.B) {
	app := bridgeApp(0)
	used := map[int]bool{}
	for p := 10000; p < 20000; p++ {
		used[p] = true
	}
	for b.Loop() {
		app.Container.PortMappings[0].ServicePort = 0
		if err := serviceport.Assign(app, nil, func(p int) bool { return used[p] }, 10000, 20000); err != nil {
			b.Fatal(err)
		}
	}
}
