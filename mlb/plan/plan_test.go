package plan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"berth/mlb/model"
	"berth/mlb/render"
	"berth/orchestrator/api"
)

var opt = Options{MapDir: "/etc/mlb"}

func stateOf(t interface{ Fatalf(string, ...any) }, apps []*api.AppInfo, ro render.Options) State {
	ro.MapDir = "/etc/mlb"
	m, _ := model.Build(apps, model.Options{Groups: []string{"g"}, KeepEmpty: true})
	out, problems := render.Files(m, ro)
	for _, p := range problems {
		t.Fatalf("%s", p)
	}
	return State{Model: m, Output: out}
}

func app(id string, port int, labels map[string]string, tasks ...api.Task) *api.AppInfo {
	all := map[string]string{"HAPROXY_GROUP": "g"}
	for k, v := range labels {
		all["HAPROXY_0_"+k] = v
	}
	return &api.AppInfo{
		App:   api.App{ID: id, Labels: all, PortDefinitions: []api.PortDefinition{{Port: port}}},
		Tasks: tasks,
	}
}

func task(n int) api.Task {
	return api.Task{
		ID: fmt.Sprint("t", n), Host: fmt.Sprintf("10.0.0.%d", n), Ports: []int{31000}, State: api.TaskRunning,
	}
}

// canary is one of /app0.
func canary(share string, tasks ...api.Task) *api.AppInfo {
	a := app("/app0-canary", 10009, nil, tasks...)
	a.Labels["BERTH_CANARY_OF"], a.Labels["BERTH_CANARY_WEIGHT"] = "/app0", share
	return a
}

func killing(n int) api.Task {
	t := task(n)
	t.State = api.TaskKilling
	return t
}

func TestPlan(t *testing.T) {
	vhost := map[string]string{"VHOST": "a.test"}
	checked := func(a *api.AppInfo) *api.AppInfo {
		a.HealthChecks = []api.HealthCheck{{Protocol: "TCP", PortIndex: new(int), IntervalSeconds: 5}}
		return a
	}
	cases := []struct {
		rule     string
		from, to []*api.AppInfo
		cookies  bool
		options  render.Options
		want     string
	}{
		{
			rule: "a task more is added at run time",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1))}, to: []*api.AppInfo{app("/a", 10000, nil, task(1), task(2))},
			want: "runtime\nadd server a_10000/10_0_0_2_31000 10.0.0.2:31000 id 30503\nenable server a_10000/10_0_0_2_31000\n",
		},
		{
			rule: "a checked server's checks are switched on",
			from: []*api.AppInfo{checked(app("/a", 10000, nil, task(1)))},
			to:   []*api.AppInfo{checked(app("/a", 10000, nil, task(1), task(2)))},
			want: "runtime\nadd server a_10000/10_0_0_2_31000 10.0.0.2:31000 id 30503 check inter 5s fall 1\n" +
				"enable health a_10000/10_0_0_2_31000\nenable server a_10000/10_0_0_2_31000\n",
		},
		{
			rule: "a task less drains and goes",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1), task(2))}, to: []*api.AppInfo{app("/a", 10000, nil, task(1))},
			want: "runtime\nset server a_10000/10_0_0_2_31000 state maint\ndel server a_10000/10_0_0_2_31000\n",
		},
		{
			rule: "a task that is being killed drains",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1), task(2))},
			to:   []*api.AppInfo{app("/a", 10000, nil, task(1), killing(2))},
			want: "runtime\nset server a_10000/10_0_0_2_31000 state maint\n",
		},
		{
			rule: "a canary comes, and the others' weights change",
			from: []*api.AppInfo{app("/app0", 10000, nil, task(1))},
			to:   []*api.AppInfo{app("/app0", 10000, nil, task(1)), canary("10", task(8))},
			want: "runtime\nadd server app0_10000/10_0_0_8_31000 10.0.0.8:31000 weight 1 id 30912\n" +
				"enable server app0_10000/10_0_0_8_31000\nset server app0_10000/10_0_0_1_31000 weight 9\n",
		},
		{
			rule: "its share changes without a reload",
			from: []*api.AppInfo{app("/app0", 10000, nil, task(1)), canary("10", task(8))},
			to:   []*api.AppInfo{app("/app0", 10000, nil, task(1)), canary("25", task(8))},
			want: "runtime\nset server app0_10000/10_0_0_1_31000 weight 3\n",
		},
		{
			rule: "and goes, and the weights are as before",
			from: []*api.AppInfo{app("/app0", 10000, nil, task(1)), canary("25", task(8))},
			to:   []*api.AppInfo{app("/app0", 10000, nil, task(1))},
			want: "runtime\nset server app0_10000/10_0_0_1_31000 weight 1\n" +
				"set server app0_10000/10_0_0_8_31000 state maint\ndel server app0_10000/10_0_0_8_31000\n",
		},
		{
			rule: "a fixed hash table takes no weights at run time",
			from: []*api.AppInfo{app("/app0", 10000, map[string]string{"BALANCE": "source"}, task(1)), canary("10", task(8))},
			to:   []*api.AppInfo{app("/app0", 10000, map[string]string{"BALANCE": "source"}, task(1)), canary("25", task(8))},
			want: "reload\nbecause the weight of server app0_10000/10_0_0_1_31000 changed, which its backend does not allow at run time\n",
		},
		{
			rule: "a virtual host more of a backend that exists is a line in the map",
			from: []*api.AppInfo{app("/a", 10000, vhost, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, map[string]string{"VHOST": "a.test,b.test"}, task(1))},
			want: "runtime\nadd map /etc/mlb/domain2backend.map <<\nb.test a_10000\n",
		},
		{
			rule: "a path that changes is a line less and a line more",
			from: []*api.AppInfo{app("/a", 10000, map[string]string{"VHOST": "a.test", "PATH": "/x;y"}, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, map[string]string{"VHOST": "a.test", "PATH": "/z"}, task(1))},
			want: "runtime\nadd map /etc/mlb/path2backend.map <<\na.test/z a_10000\n" +
				`del map /etc/mlb/path2backend.map a.test/x\;y` + "\n",
		},
		{
			rule: "a new backend is a reload, and what drains is told to the old worker first",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1), task(2))},
			to:   []*api.AppInfo{app("/a", 10000, nil, task(1)), app("/b", 10001, nil, task(3))},
			want: "reload\nbecause backend b_10001 is new\nset server a_10000/10_0_0_2_31000 state maint\n",
		},
		{
			rule: "where nobody else is left, what goes serves on until the new worker takes over",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1), task(2))},
			to:   []*api.AppInfo{app("/a", 10000, nil, killing(2), task(3)), app("/b", 10001, nil, task(4))},
			want: "reload\nbecause backend b_10001 is new\n",
		},
		{
			rule: "but not if there is nobody afterwards either",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, nil, killing(1)), app("/b", 10001, nil, task(4))},
			want: "reload\nbecause backend b_10001 is new\nset server a_10000/10_0_0_1_31000 state maint\n",
		},
		{
			rule: "the old worker takes back what no longer drains, though the new one checks it",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1), killing(2))},
			to:   []*api.AppInfo{checked(app("/a", 10000, nil, killing(1), task(2)))},
			want: "reload\nbecause options of server a_10000/10_0_0_1_31000 changed\n" +
				"because options of server a_10000/10_0_0_2_31000 changed\nset server a_10000/10_0_0_1_31000 state maint\n" +
				"set server a_10000/10_0_0_2_31000 state ready\n",
		},
		{
			rule: "a task that drains no longer comes before one that begins to",
			from: []*api.AppInfo{app("/a", 10000, nil, task(1), killing(2))},
			to:   []*api.AppInfo{app("/a", 10000, nil, killing(1), task(2))},
			want: "runtime\nset server a_10000/10_0_0_2_31000 state ready\nset server a_10000/10_0_0_1_31000 state maint\n",
		},
		{
			rule: "another algorithm is a reload", from: []*api.AppInfo{app("/a", 10000, nil, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, map[string]string{"BALANCE": "leastconn"}, task(1))},
			want: "reload\nbecause balance of backend a_10000 changed\n",
		},
		{
			rule: "a fixed hash table takes no server at run time",
			from: []*api.AppInfo{app("/a", 10000, map[string]string{"BALANCE": "source"}, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, map[string]string{"BALANCE": "source"}, task(1), task(2))},
			want: "reload\nbecause backend a_10000 has new servers, and balance source takes none at run time\n",
		},
		{
			rule: "a sticky server is a reload where none can be added",
			from: []*api.AppInfo{app("/a", 10000, map[string]string{"MODE": "http", "STICKY": "true"}, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, map[string]string{"MODE": "http", "STICKY": "true"}, task(1), task(2))},
			want: "reload\nbecause server a_10000/10_0_0_2_31000 is new, and this HAProxy adds none with cookie at run time\n",
		},
		{
			rule: "and added where it can be", cookies: true,
			from: []*api.AppInfo{app("/a", 10000, map[string]string{"MODE": "http", "STICKY": "true"}, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, map[string]string{"MODE": "http", "STICKY": "true"}, task(1), task(2))},
			want: "runtime\nadd server a_10000/10_0_0_2_31000 10.0.0.2:31000 id 30503 check cookie 6c635c5d41\n" +
				"enable health a_10000/10_0_0_2_31000\nenable server a_10000/10_0_0_2_31000\n",
		},
		{
			rule: "servers that rely on default-server are a reload",
			options: render.Options{Overrides: []render.Override{
				{Name: "BACKEND_HEAD", Text: "backend {backend}\n  mode {mode}\n  default-server slowstart 5s\n"},
			}},
			from: []*api.AppInfo{app("/a", 10000, nil, task(1))}, to: []*api.AppInfo{app("/a", 10000, nil, task(1), task(2))},
			want: "reload\nbecause backend a_10000 has new servers and a default-server line, which servers added at run time " +
				"do not follow\n",
		},
		{
			rule: "redirecting an existing virtual host is a line in a map",
			from: []*api.AppInfo{app("/a", 10000, vhost, task(1))},
			to:   []*api.AppInfo{app("/a", 10000, map[string]string{"VHOST": "a.test", "REDIRECT_TO_HTTPS": "true"}, task(1))},
			want: "runtime\nadd map /etc/mlb/redirect2https.map <<\na_10000 https\n",
		},
	}
	for _, c := range cases {
		t.Run(c.rule, func(t *testing.T) {
			o := opt
			o.Cookies = c.cookies
			got := Make(stateOf(t, c.from, c.options), stateOf(t, c.to, c.options), o)
			if d := cmp.Diff(c.want, got.String()); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestSharedSectionsSayWhatChanged(t *testing.T) {
	apps := []*api.AppInfo{app("/a", 10000, nil, task(1))}
	got := Make(stateOf(t, apps, render.Options{}), stateOf(t, apps, render.Options{StatsPort: 9999, MaxConn: 7}), opt)
	want := "reload\nbecause fd-hard-limit of global changed\nbecause maxconn of global changed\n" +
		"because maxconn of defaults changed\n" +
		"because bind of listen stats changed\n"
	if d := cmp.Diff(want, got.String()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestUnknownStateReloads(t *testing.T) {
	to := stateOf(t, nil, render.Options{})
	if p := Make(State{}, to, opt); p.Rung != Reload || len(p.Reasons) != 1 {
		t.Errorf("from nothing: %s", p)
	}
	if p := Make(to, State{}, opt); p.Rung != None {
		t.Errorf("to nothing: %s", p)
	}
}

func TestReasonsAreBounded(t *testing.T) {
	var apps []*api.AppInfo
	for i := range 100 {
		apps = append(apps, app(fmt.Sprintf("/a%d", i), 10000+i, nil, task(1)))
	}
	p := Make(stateOf(t, nil, render.Options{}), stateOf(t, apps, render.Options{}), opt)
	if len(p.Reasons) != maxReasons+1 || p.Reasons[maxReasons] != "and 80 more" {
		t.Errorf("reasons: %q", p.Reasons)
	}
}

func TestLeftoverServerIsTakenBack(t *testing.T) {
	one := stateOf(t, []*api.AppInfo{app("/a", 10000, nil, task(1))}, render.Options{})
	two := stateOf(t, []*api.AppInfo{app("/a", 10000, nil, task(1), task(2))}, render.Options{})
	one.Leftover = map[string]string{"a_10000/10_0_0_2_31000": two.Output.Fragments[0].Servers[1].Line}
	want := "runtime\nset server a_10000/10_0_0_2_31000 state ready\n"
	if d := cmp.Diff(want, Make(one, two, opt).String()); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	one.Leftover["a_10000/10_0_0_2_31000"] = "  server 10_0_0_2_31000 10.9.9.9:1\n"
	if p := Make(one, two, opt); p.Rung != Reload {
		t.Errorf("a leftover with another address: %s", p)
	}
}

func TestLargeMapChangeIsOneTransaction(t *testing.T) {
	hosts := func(prefix string) map[string]string {
		var list []string
		for i := range 200 {
			list = append(list, fmt.Sprintf("%s%d.a-rather-long-name-to-fill-several-payloads.test", prefix, i))
		}
		return map[string]string{"VHOST": strings.Join(list, ",")}
	}
	from := stateOf(t, []*api.AppInfo{app("/a", 10000, hosts("a"), task(1))}, render.Options{})
	to := stateOf(t, []*api.AppInfo{app("/a", 10000, hosts("b"), task(1))}, render.Options{})
	p := Make(from, to, opt)
	if p.Rung != Runtime || !strings.HasPrefix(p.Commands[0].Line, "prepare map ") ||
		!strings.HasPrefix(p.Commands[len(p.Commands)-1].Line, "commit map @{version} ") || len(p.Commands) < 4 {
		t.Fatalf("plan: %s", p)
	}
	for _, c := range p.Commands {
		if len(c.Line)+len(c.Payload) > 16000 {
			t.Errorf("a command of %d bytes does not fit HAProxy's buffer", len(c.Payload))
		}
	}
	h := boot(from.Output)
	h.apply(t, p)
	if err := h.same(boot(to.Output)); err != nil {
		t.Error(err)
	}
}

// appsGen draws sets of apps that often differ in little.
func appsGen() *rapid.Generator[[]*api.AppInfo] {
	return rapid.Custom(func(t *rapid.T) []*api.AppInfo {
		var list []*api.AppInfo
		for i := range 3 {
			if rapid.IntRange(0, 9).Draw(t, "absent") == 0 {
				continue
			}
			labels := map[string]string{}
			pick := func(key string, values ...string) {
				if v := rapid.SampledFrom(values).Draw(t, key); v != "" {
					labels[key] = v
				}
			}
			pick("VHOST", "", "a.test", "a.test,b.test", "*.test", "c.test")
			pick("PATH", "", "/x", "/x /y;z", "/x/y")
			pick("BALANCE", "", "", "", "leastconn", "source")
			pick("STICKY", "", "", "true")
			pick("REDIRECT_TO_HTTPS", "", "true")
			pick("BACKEND_WEIGHT", "", "", "3")
			var tasks []api.Task
			for n := range rapid.IntRange(0, 4).Draw(t, "tasks") {
				tk := task(n + 1)
				if rapid.IntRange(0, 4).Draw(t, "killing") == 0 {
					tk.State = api.TaskKilling
				}
				tasks = append(tasks, tk)
			}
			list = append(list, app(fmt.Sprintf("/app%d", i), 10000+i, labels, tasks...))
		}
		if share := rapid.SampledFrom([]string{"", "", "0", "10", "55", "100"}).Draw(t, "share"); share != "" {
			list = append(list, canary(share, task(8), task(9)))
		}
		return list
	})
}

// The laws: a plan from a state to itself is nothing, and the commands of a runtime plan lead from one state to the
// other.
func TestPlanLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := stateOf(t, appsGen().Draw(t, "from"), render.Options{})
		to := stateOf(t, appsGen().Draw(t, "to"), render.Options{})
		for _, cookies := range []bool{false, true} {
			o := Options{Cookies: cookies, MapDir: "/etc/mlb"}
			if p := Make(from, from, o); p.Rung != None || len(p.Commands)+len(p.Reasons) > 0 {
				t.Fatalf("from a state to itself: %s", p)
			}
			p := Make(from, to, o)
			h := boot(from.Output)
			h.apply(t, p)
			switch err := h.same(boot(to.Output)); {
			case p.Rung == Reload && len(p.Reasons) == 0:
				t.Fatalf("a reload without a reason")
			case p.Rung != Reload && err != nil:
				t.Fatalf("%v after\n%s", err, p)
			}
		}
	})
}

func TestWhatTwoTextsHaveInCommonIsCutOffByLines(t *testing.T) {
	lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a 1\n", "a 2\n", "ba 1\n", "b 1\n", "c 1\n", "d d\n"}), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		from, to := strings.Join(lines.Draw(t, "from"), ""), strings.Join(lines.Draw(t, "to"), "")
		x, y := differ([]byte(from), []byte(to))
		i, j := len(from), len(to)
		for n := 0; n <= min(len(from), len(to)); n++ { // the longest beginning of whole lines, and the longest end of what is left
			if from[:n] == to[:n] && (n == 0 || from[n-1] == '\n') {
				i, j = len(from)-n, len(to)-n
			}
		}
		restFrom, restTo := from[len(from)-i:], to[len(to)-j:]
		end := 0
		for n := 0; n <= min(i, j); n++ {
			whole := func(s string) bool { return n == len(s) || s[len(s)-n-1] == '\n' }
			if restFrom[i-n:] == restTo[j-n:] && whole(restFrom) && whole(restTo) {
				end = n
			}
		}
		if string(x) != restFrom[:i-end] || string(y) != restTo[:j-end] {
			t.Fatalf("%q and %q differ by %q and %q: want %q and %q", from, to, x, y, restFrom[:i-end], restTo[:j-end])
		}
	})
}

// A builder and a renderer that remember give what new ones give, and the sum is that of the text and its maps.
func TestMemoryAndSumsAreTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		builder := model.NewBuilder(model.Options{Groups: []string{"g"}, KeepEmpty: true})
		r, _ := render.New(render.Options{MapDir: "/etc/mlb"})
		bySum := map[string]string{}
		for range 5 {
			apps := appsGen().Draw(t, "apps")
			m, _ := builder.Build(apps)
			got, _ := r.Render(m)
			want := stateOf(t, apps, render.Options{}).Output
			if d := cmp.Diff(string(want.Config()), string(got.Config())) + cmp.Diff(want.Maps, got.Maps, cmpopts.EquateEmpty()) + cmp.Diff(want.Sum, got.Sum); d != "" {
				t.Fatalf("-new +with memory\n%s", d)
			}
			text := string(got.Config())
			for _, f := range got.Maps {
				text += f.Name + "\n" + string(f.Data)
			}
			if was, ok := bySum[got.Sum]; ok && was != text {
				t.Fatalf("two texts of one sum: %s", cmp.Diff(was, text))
			}
			for sum, was := range bySum {
				if was == text && sum != got.Sum {
					t.Fatalf("one text of two sums")
				}
			}
			bySum[got.Sum] = text
		}
	})
}

func TestListOfCertificatesNeedsAReload(t *testing.T) {
	state := func(list string) State {
		return State{Model: new(model.Model), Output: &render.Output{Maps: []render.Map{{Name: render.CertList, Data: []byte(list)}}}}
	}
	if p := Make(state("/a.pem a.test\n"), state("/a.pem a.test\n"), Options{}); p.Rung != None {
		t.Errorf("the same list: %s", p)
	}
	p := Make(state("/a.pem a.test\n"), state("/b.pem a.test\n"), Options{})
	if want := "reload\nbecause certificates or TLS options of virtual hosts changed\n"; p.String() != want {
		t.Errorf("another list: %q, want %q", p, want)
	}
}
