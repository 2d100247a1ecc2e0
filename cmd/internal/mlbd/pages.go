package mlbd

import (
	"fmt"
	"strings"

	"berth/mlb/model"
	"berth/mlb/offline"
	"berth/mlb/render"
	"berth/templates"
)

const generated = "\nThis page is made from the tables that mlb itself reads labels and templates by: " +
	"`go test ./cmd/internal/mlbd -run Pages -update`.\n"

// labelsPage is the reference of labels, with what each of them adds to the configuration of an example.
func labelsPage() string {
	var b strings.Builder
	b.WriteString("# Labels\n\nLabels of an app say how mlb serves it. `<n>` is the position of the service port, from 0. Booleans are\n" +
		"true, t, yes or y in any case; every other word is false. A value that cannot be used leaves the port out, or the\n" +
		"setting, and is told on `/_mlb_problems`; nobody else is harmed. An unknown `HAPROXY_` label gives a warning with the\n" +
		"nearest known name.\n\n" +
		"The examples show what a label adds for an app `/web` with service port 10000, the label\n" +
		"`HAPROXY_0_VHOST=web.example.com`, one task, and an HTTP health check: `+` is a line more, `-` a line less.\n" + generated)
	b.WriteString("\n## Of the app\n")
	settings, texts, dead := false, false, false
	for _, l := range model.Labels {
		if l.PerPort && l.Type != model.Template && !settings {
			settings = true
			b.WriteString("\n## Of a service port\n")
		}
		if l.Type != model.Template {
			writeLabel(&b, l)
		}
	}
	for _, l := range model.Labels {
		switch {
		case l.Type != model.Template:
		case l.Dead:
			if !dead {
				dead = true
				b.WriteString("\n\n## Without effect\n\nAs in marathon-lb; each gives a warning.\n\n")
			}
			fmt.Fprintf(&b, "- `%s`: use `HAPROXY_<n>_%s`\n", l.Key(), l.Instead)
		default:
			if !texts {
				texts = true
				b.WriteString("\n## Templates of a service port\n\nThe text replaces the template of the same name for this port: see " +
					"[templates](templates.md).\n\n")
			}
			fmt.Fprintf(&b, "[`%s`](templates.md#%s)\n", l.Key(), strings.ToLower(l.Name))
		}
	}
	return b.String()
}

func writeLabel(b *strings.Builder, l model.Label) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", l.Key(), l.Doc)
	fmt.Fprintf(b, "%s", l.Type)
	if l.Default != "" {
		fmt.Fprintf(b, ", default %s", l.Default)
	}
	fmt.Fprintf(b, ", at most %d bytes.", l.Limit())
	key := strings.Replace(l.Key(), "<n>", "0", 1)
	fmt.Fprintf(b, " Example: `%s=%s`\n", key, l.Example)
	if diff := difference(exampleText(""), exampleText(key, key, l.Example)); diff != "" {
		b.WriteString("\n```diff\n" + diff + "```\n")
	}
}

// exampleText is the configuration and the maps of the example app with labels more.
func exampleText(without string, labels ...string) []string {
	all := map[string]string{"HAPROXY_GROUP": "external", "HAPROXY_0_VHOST": "web.example.com"}
	delete(all, without)
	for i := 0; i+1 < len(labels); i += 2 {
		all[labels[i]] = labels[i+1]
	}
	var list strings.Builder
	for k, v := range all {
		if list.Len() > 0 {
			list.WriteString(", ")
		}
		fmt.Fprintf(&list, "%q: %q", k, v)
	}
	doc := fmt.Sprintf(`[{"id": "/web", "labels": {%s}, "portDefinitions": [{"port": 10000}],
		"healthChecks": [{"protocol": "HTTP", "path": "/health", "portIndex": 0, "intervalSeconds": 10, "timeoutSeconds": 5}],
		"tasks": [{"id": "web.1", "host": "10.0.0.1", "ports": [31000], "state": "TASK_RUNNING"}]}]`, list.String())
	out, _, err := offline.Render([]byte(doc), model.Options{Groups: []string{"external"}},
		render.Options{Certificates: []string{"/etc/ssl/cert.pem"}, MapDir: "/etc/haproxy"})
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	section := ""
	for line := range strings.Lines(string(out.Config())) {
		line = strings.TrimRight(line, "\n")
		if line != "" && line[0] != ' ' {
			section = line
		}
		if line != "" && !strings.Contains(line, "description mlb:") {
			lines = append(lines, section+"\x00"+line)
		}
	}
	for _, m := range out.Maps {
		for line := range strings.Lines(string(m.Data)) {
			lines = append(lines, m.Name+"\x00"+m.Name+": "+strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// difference shows lines that came and went, below the section they are in.
func difference(before, after []string) string {
	count := make(map[string]int)
	for _, l := range before {
		count[l]++
	}
	var b strings.Builder
	under := ""
	show := func(sign, l string) {
		section, line, _ := strings.Cut(l, "\x00")
		if section != under && line != section && !strings.HasPrefix(line, section+": ") {
			b.WriteString("  " + section + "\n")
		}
		under = section
		b.WriteString(sign + " " + line + "\n")
	}
	for _, l := range after {
		if count[l] > 0 {
			count[l]--
			continue
		}
		show("+", l)
	}
	for _, l := range before {
		if count[l] > 0 {
			count[l]--
			show("-", l)
		}
	}
	return b.String()
}

// templatesPage is the reference of templates.
func templatesPage() string {
	var b strings.Builder
	b.WriteString("# Templates\n\nEvery part of the configuration is a text that can be replaced: by a file `HAPROXY_<NAME>` or `<NAME>.tmpl` in\n" +
		"the directory of `--template-dir`, which is watched; by an environment variable `HAPROXY_<NAME>`, in which `\\n` is a\n" +
		"line break; and where it says so by a label `HAPROXY_<n>_<NAME>` for one port. Label wins over environment, environment\n" +
		"over file, file over the default.\n\n" +
		"Two languages are understood, told apart for each text. A text with `{{.name}}`, `{{if …}}` or the like is Go's\n" +
		"text/template, with variables, `if`, and the functions and, or, not, eq, ne, lt, le, gt, ge, len. Any other text is\n" +
		"marathon-lb's: `{name}` is a variable, `{name:05d}` one of a width, `{healthCheck[path]}` a field, and doubled braces\n" +
		"stand for single ones; single braces around anything that is no name stay. In the literal texts of marathon-lb, marked\n" +
		"below, nothing is replaced. Directives that HAProxy has removed are translated with a warning, or refused with what to\n" +
		"write instead. A text that an app brings cannot open another section, and what it puts into a frontend that all apps\n" +
		"share needs a condition.\n" + generated)
	for _, t := range render.Templates {
		if t.Fixed {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s", t.Name, t.Doc)
		if t.Label {
			fmt.Fprintf(&b, " Label: `HAPROXY_<n>_%s`.", t.Name)
		}
		if t.Literal {
			b.WriteString(" Literal in marathon-lb's language.")
		}
		if len(t.Vars) > 0 {
			fmt.Fprintf(&b, "\n\nVariables: %s.", strings.Join(t.Vars, ", "))
		}
		text, err := templates.Files.ReadFile(t.Name + ".tmpl")
		if err != nil || len(text) == 0 {
			b.WriteString("\n\nEmpty by default.\n")
			continue
		}
		b.WriteString("\n\n```\n" + strings.TrimRight(string(text), "\n") + "\n```\n")
	}
	b.WriteString("\n## Without effect\n\nThese are accepted, with a warning.\n\n")
	for _, t := range render.FormerTemplates {
		fmt.Fprintf(&b, "- `%s`: %s\n", t.Name, t.Why)
	}
	return b.String()
}
