package haproxy

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/mlb/plan"
	"berth/mlb/render"
)

func TestVersionAndFeaturesAreRead(t *testing.T) {
	b, err := parseVersion("HAProxy version 3.0.11-1+deb13u1 2025/06/26 - https://haproxy.org/\n" +
		"Status: long-term\nFeature list : -51DEGREES +EPOLL +PROMEX -QUIC\n")
	if err != nil {
		t.Fatal(err)
	}
	want := &Binary{Version: Version{3, 0, 11},
		Features: map[string]bool{"51DEGREES": false, "EPOLL": true, "PROMEX": true, "QUIC": false}}
	if d := cmp.Diff(want, b); d != "" {
		t.Error(d)
	}
	if _, err := parseVersion("nginx 1.2"); err == nil {
		t.Error("something else was taken for HAProxy")
	}
}

func TestProcsTellCurrentFromOldWorkers(t *testing.T) {
	got, err := parseProcs(`#<PID>          <type>          <reloads>       <uptime>        <version>
18798           master          1 [failed: 2]   0d00h00m03s     2.6.12
# workers
19014           worker          0               0d00h00m01s     2.6.12
# old workers
18801           worker          1               0d00h00m09s     2.6.12
# programs
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Procs{Master: 18798, Workers: []int{19014}, Old: []int{18801}, Reloads: 1, Failed: 2}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int{18798, 19014, 18801}, got.PIDs()); d != "" {
		t.Error(d)
	}
}

func TestReasonsNameLineSectionAndMessage(t *testing.T) {
	config := []byte("global\ndefaults\nfrontend web\n  bind :80\nbackend app_1\n  bogus\n")
	got := parseReasons(`[NOTICE]   (1) : haproxy version is 2.6.12
[ALERT]    (1) : config : parsing [/x/haproxy.cfg:6] : unknown keyword 'bogus' in 'backend' section
[ALERT]    (1) : config : Proxy 'web': unable to find required default_backend: 'nope'.
[ALERT]    (1) : Starting frontend web: cannot bind socket (Address already in use) [0.0.0.0:80]
[ALERT]    (1) : backend 'app_1' has no server available!
[ALERT]    (1) : config : Error(s) found in configuration file : /x/haproxy.cfg
[ALERT] 300/120000 (1) : Fatal errors found in configuration.
`, config)
	want := []Reason{
		{"haproxy.cfg", 6, "app_1", "unknown keyword 'bogus' in 'backend' section", false},
		{"", 0, "web", "Proxy 'web': unable to find required default_backend: 'nope'.", false},
		{"", 0, "web", "Starting frontend web: cannot bind socket (Address already in use) [0.0.0.0:80]", true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestSummaryIsAReasonWhenThereIsNoOther(t *testing.T) {
	got := parseReasons("[ALERT]    (1) : config : Fatal errors found in configuration.\n", nil)
	if len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestStatisticsAreReadByColumnName(t *testing.T) {
	got, err := parseStat("# pxname,svname,qcur,qmax,scur,status,\napp_1,s1,2,0,3,UP,\n\"app_1\",s2,,,0,MAINT,\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []serverStat{{Server{"app_1", "s1"}, 5, "UP"}, {Server{"app_1", "s2"}, 0, "MAINT"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := parseStat("No such proxy."); err == nil {
		t.Error("an error message was taken for statistics")
	}
}

func TestStatesCarryHealthButNoAdministration(t *testing.T) {
	const head = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight\n"
	checked := map[string]bool{"b/s1": true}
	for rule, c := range map[string]struct{ row, want string }{
		"down":                          {"3 b 1 s1 127.0.0.1 0 0 1\n", "3 b 1 s1 127.0.0.1 0 0 1\n"},
		"draining by command":           {"3 b 1 s1 127.0.0.1 2 8 1\n", "3 b 1 s1 127.0.0.1 2 0 1\n"},
		"once disabled by the file":     {"3 b 1 s1 127.0.0.1 2 4 1\n", "3 b 1 s1 127.0.0.1 2 0 1\n"},
		"in maintenance":                {"3 b 1 s1 127.0.0.1 0 1 1\n", ""},
		"in maintenance since the file": {"3 b 1 s1 127.0.0.1 0 5 1\n", ""},
		"without an address":            {"3 b 1 s1 - 0 32 1\n", ""},
		"not checked from now on":       {"3 b 2 s2 127.0.0.1 0 0 1\n", ""},
	} {
		if got, err := healthOnly(head+c.row, checked); err != nil || got != head+c.want {
			t.Errorf("%s: %q, %v, want %q", rule, got, err, head+c.want)
		}
	}
	if _, err := healthOnly("[3]: permission denied", checked); err == nil {
		t.Error("an error was taken for states")
	}
}

func TestCheckedServersAreFound(t *testing.T) {
	got := checkedServers([]byte("backend a\n  server one 10.0.0.1:1 check inter 5s\n  server two 10.0.0.2:1 id 2\n" +
		"  # server no 10.0.0.3:1 check\n  option httpchk\n\nbackend check\n  server check 10.0.0.1:1 check-ssl\n" +
		"\tserver three 10.0.0.4:1 weight 3 check\n"))
	if want := map[string]bool{"a/one": true, "check/three": true}; !maps.Equal(got, want) {
		t.Errorf("checked: %v, want %v", got, want)
	}
}

func TestAnswersAreCutApart(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nothing":             {"", nil},
		"one":                 {"[6]: admin", []string{"[6]: admin"}},
		"empty in the middle": {"[6]: admin\n\n\n[3]: No such server.", []string{"[6]: admin", "", "[3]: No such server."}},
		"several lines":       {"[6]: admin\n\na\nb\n\nc", []string{"[6]: admin", "a\nb", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, splitAnswers(c.text)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOnlyTheAnswersAskedForMeanSuccess(t *testing.T) {
	silent := plan.Command{Line: "set server b/s state drain"}
	added := plan.Command{Line: "add server b/s 1.2.3.4:5", Want: []string{"New server registered."}}
	for _, c := range []struct {
		command plan.Command
		answer  string
		want    bool
	}{
		{silent, "", true},
		{silent, "[6]: something", false},
		{silent, "[3]: No such server.", false},
		{added, "[6]: New server registered.", true},
		{added, "New server registered.", true},
		{added, "[3]: New server registered.", false},
		{added, "", false},
	} {
		if got := accepted(c.command, c.answer); got != c.want {
			t.Errorf("%q answered by %q: %v, want %v", c.command.Line, c.answer, got, c.want)
		}
	}
}

func TestCommandsTravelTogetherUpToTheBuffer(t *testing.T) {
	var commands []plan.Command
	for i := range 500 {
		commands = append(commands, plan.Command{Line: "set server " + strings.Repeat("b", i%200) + "/s state ready"})
	}
	commands = append(commands, plan.Command{Line: "prepare map m"},
		plan.Command{Line: "add map @{version} m", Payload: "a b\n"}, plan.Command{Line: "commit map @{version} m"})
	var all []plan.Command
	groups := lines(commands)
	for _, line := range groups {
		size := 0
		for i, c := range line {
			size += len(c.Line) + len(c.Payload)
			if last := i == len(line)-1; !last && (c.Payload != "" || c.Line == "prepare map m") {
				t.Errorf("%q must end its line", c.Line)
			}
		}
		if size > maxLine {
			t.Errorf("a line of %d bytes, at most %d", size, maxLine)
		}
		all = append(all, line...)
	}
	if d := cmp.Diff(commands, all); d != "" || len(groups) > 12 {
		t.Errorf("%d lines; %s", len(groups), d)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		"", "[6]: admin\n\n\n[3]: No such server.", "Pid: 7\ndescription: mlb:0123456789abcdef\n",
		"#<PID> <type> <reloads>\n1 master 0 [failed: 1] x\n# workers\n2 worker 0\n",
		"# pxname,svname,scur,\na,b,1,\n", "1\n# h\n1 2 3 4 5 6 7 8\n",
		"[ALERT] (1) : config : parsing [haproxy.cfg:1] : x\n", "HAProxy version 2.6.1\nFeature list : +A\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if i, err := parseInfo(s); err == nil && i.PID <= 0 {
			t.Error("info without pid")
		}
		if p, err := parseProcs(s); err == nil && p.Master <= 0 {
			t.Error("processes without master")
		}
		if _, err := parseVersion(s); err == nil && !strings.Contains(s, "roxy version") {
			t.Error("version out of nothing")
		}
		rows, _ := parseStat(s)
		for _, r := range rows {
			if strings.ContainsAny(r.Backend, "\x00") && !strings.Contains(s, "\x00") {
				t.Error("a backend out of nothing")
			}
		}
		if states, err := healthOnly(s, nil); err == nil && !strings.HasPrefix(states, "1\n") {
			t.Error("states without version")
		}
		for _, r := range parseReasons(s, []byte(s)) {
			if r.Line < 0 {
				t.Errorf("line %d", r.Line)
			}
		}
		for _, a := range splitAnswers(s) {
			if strings.Contains(a, "\n\n") {
				t.Errorf("answer %q holds an empty line", a)
			}
		}
		parts := splitSections([]byte(s))
		for i, p := range parts {
			if i > 0 && p.line <= parts[i-1].line {
				t.Error("sections out of order")
			}
		}
	})
}

func TestMapsAreMovedAndNothingElse(t *testing.T) {
	list := []render.Map{{Name: "a.map"}, {Name: "b.map"}}
	got := string(moved([]byte("map(/etc/m/a.map) /etc/m/b.map,x /etc/m/cert.pem /etc/m/a.map"), "/etc/m", "/run/check-1", list))
	if want := "map(/run/check-1/a.map) /run/check-1/b.map,x /etc/m/cert.pem /run/check-1/a.map"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
