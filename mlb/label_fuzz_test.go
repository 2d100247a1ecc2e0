package mlb_test

import (
	"strings"
	"testing"

	"berth/mlb/model"
	"berth/mlb/render"
	"berth/mlb/render/check"
	"berth/orchestrator/api"
)

// FuzzLabelStaysInItsSection gives one app a label with any value and looks at what another app and the load balancer itself
// have: not a line of theirs may change, and no section may appear that is not the app's own. Only in the three frontends
// that all apps share may the app have lines, and there only ACLs and rules with a condition.
func FuzzLabelStaysInItsSection(f *testing.F) {
	for i := range model.Labels {
		f.Add(uint16(i), "x")
		f.Add(uint16(i), "a.test\n  bind *:1\nbackend stolen")
	}
	for _, s := range []string{
		"backend {backend}\n  mode http\n\"frontend\" x\n  bind *:1", "frontend {backend}\r\n  bind *:10001\n\\\nglobal",
		"  acl x always_true\n  use_backend {backend}", "  server a 1.2.3.4:80 # \nlisten y", "{{ range .x }}\nbackend b\n{{ end }}",
		"{{if .backend}}\nbackend z{{end}}", "  http-request deny if TRUE\ndefaults", "'\nuserlist u\n'", ".if 1\nbackend x\n.endif",
		"  rspadd X:\\ y\nfrontend z", "a\vb\nglobal", "  http-request set-header X $'\nbackend q'",
	} {
		for i, l := range model.Labels {
			if l.Type == model.Template {
				f.Add(uint16(i), s)
			}
		}
	}
	f.Fuzz(func(t *testing.T, label uint16, value string) {
		l := model.Labels[int(label)%len(model.Labels)]
		key := strings.Replace(l.Key(), "<n>", "0", 1)
		for _, mode := range []string{"http", "tcp"} {
			base := map[string]string{"MODE": mode, "STICKY": "true", "USE_HSTS": "true", "VHOST": "evil.test,other.test"}
			before := fuzzRender(base, "", "")
			after := fuzzRender(base, key, value)
			compareSections(t, key, value, before, after)
		}
	})
}

func fuzzRender(labels map[string]string, key, value string) []section {
	task := api.Task{ID: "t", Host: "10.0.0.1", Ports: []int{9}, State: api.TaskRunning}
	evil := testApp("/evil", 10001, labels, task)
	if key != "" {
		evil.Labels[key] = value
	}
	good := testApp("/good", 10002, map[string]string{"VHOST": "good.test", "AUTH": "r:u:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"}, task)
	m, _ := model.Build([]*api.AppInfo{evil, good}, model.Options{Groups: []string{"*"}, KeepEmpty: true})
	out, _ := render.Files(m, render.Options{Certificates: []string{"/c.pem"}, Check: check.Fragment})
	return sections(string(out.Config()))
}

// section is one of the configuration, read by rules of our own rather than those of the code under test.
type section struct {
	head  string
	lines []string
}

func sections(config string) []section {
	keywords := " global defaults frontend backend listen userlist peers resolvers mailers cache program http-errors ring " +
		"log-forward fcgi-app crt-store traces log-profile "
	var all []section
	for line := range strings.Lines(config) {
		bare := strings.NewReplacer(`"`, "", "'", "", `\`, "").Replace(line)
		words := strings.Fields(bare)
		switch {
		case len(words) == 0:
		case strings.Contains(keywords, " "+words[0]+" "):
			s := section{head: strings.Join(words, " ")}
			if s.head == "global" && len(all) > 0 { // there are two of them, of which the second is mlb's own
				s.head = "global of mlb"
			}
			all = append(all, s)
		case len(all) > 0:
			s := &all[len(all)-1]
			s.lines = append(s.lines, strings.TrimSpace(line))
		}
	}
	return all
}

func compareSections(t *testing.T, key, value string, before, after []section) {
	t.Helper()
	was := make(map[string]section)
	for _, s := range before {
		was[s.head] = s
	}
	seen := make(map[string]bool)
	for _, s := range after {
		if seen[s.head] {
			t.Errorf("%s=%q: section %q twice", key, value, s.head)
		}
		seen[s.head] = true
		if strings.Contains(s.head, "evil_") || strings.HasPrefix(s.head, "backend blue_") || movedPort(s.head) {
			continue // its own, whatever its port or group is
		}
		old, ok := was[s.head]
		if !ok {
			t.Errorf("%s=%q: section %q is new", key, value, s.head)
		}
		if strings.HasPrefix(s.head, "frontend marathon_") {
			onlyAdds(t, key, value, old, s)
			continue
		}
		if a, b := meaning(old.lines), meaning(s.lines); a != b {
			t.Errorf("%s=%q: section %q changed:\n%s\n--- to\n%s", key, value, s.head, a, b)
		}
	}
}

// movedPort is for a deployment group, whose name the label says.
func movedPort(head string) bool {
	words := strings.Fields(head)
	return len(words) == 2 && strings.HasSuffix(words[1], "_10001")
}

// meaning leaves out the mark of the text.
func meaning(lines []string) string {
	var b strings.Builder
	for _, l := range lines {
		if !strings.HasPrefix(l, "description mlb:") {
			b.WriteString(l + "\n")
		}
	}
	return b.String()
}

// onlyAdds checks that a shared frontend has all of its lines, in order, and that added ones are ACLs or have a condition.
func onlyAdds(t *testing.T, key, value string, old, now section) {
	t.Helper()
	rest := old.lines
	for _, line := range now.lines {
		words := strings.Fields(line)
		switch {
		case len(rest) > 0 && line == rest[0]:
			rest = rest[1:]
		case strings.HasPrefix(line, "http-request set-var(txn.own"): // the balancer's own, which no label may set
		case words[0] == "acl", strings.Contains(line, " if "), strings.Contains(line, " unless "), strings.HasPrefix(line, "#"):
		case words[0] == "bind" && len(rest) > 0 && strings.HasPrefix(rest[0], "bind ") && strings.HasSuffix(key, "_SSL_CERT"):
			rest = rest[1:] // one certificate more
		default:
			t.Errorf("%s=%q: line %q in %q", key, value, line, now.head)
		}
	}
	if len(rest) > 0 {
		t.Errorf("%s=%q: %q lacks %q", key, value, now.head, rest[0])
	}
}
