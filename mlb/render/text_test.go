package render

import (
	"bytes"
	"strings"
	"testing"

	"berth/mlb/model"
	"berth/templates"
)

func TestEveryTemplateHasARowAndATextOfItsOwn(t *testing.T) {
	files, err := templates.Files.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(Templates) {
		t.Errorf("%d files for %d rows", len(files), len(Templates))
	}
	for _, row := range Templates {
		if row.Doc == "" || templateByName[row.Name] == nil {
			t.Errorf("row %s has no description", row.Name)
		}
		if row.Label && row.Fixed {
			t.Errorf("%s is fixed and has a label", row.Name)
		}
	}
	for _, l := range model.Labels {
		if l.Type == model.Template && !l.Dead && templateByName[l.Name] == nil {
			t.Errorf("label %s replaces no template", l.Key())
		}
	}
}

func TestLanguages(t *testing.T) {
	row := &Template{Name: "T", Vars: vars("backend servicePort path healthCheck.path mode")}
	values := []string{"web_1", "80", "/x", "/ping", "http"}
	for in, want := range map[string]string{
		"backend {backend}":                       "backend web_1",
		"{servicePort:05d}|{mode:6}|{mode:2}":     "00080|http  |http",
		"{healthCheck[path]}":                     "/ping",
		"if {{ ssl_fc }} {path}":                  "if { ssl_fc } /x",
		"deny if { ssl_fc } {backend}":            "deny if { ssl_fc } web_1",
		"%{+Q}o %[src]":                           "%{+Q}o %[src]",
		"{{ ssl_fc }}":                            "{ ssl_fc }",
		"{{.backend}}:{{ .servicePort }}":         "web_1:80",
		"{{.healthCheck.path}}":                   "/ping",
		`{{if eq .mode "http"}}H{{else}}T{{end}}`: "H",
		"{{- .backend -}} x":                      "web_1x",
		"{":                                       "{",
		"}":                                       "}",
		"":                                        "",
	} {
		c, err := compile(row, in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		var b bytes.Buffer
		if err := c.execute(&b, values); err != nil || b.String() != want {
			t.Errorf("%q gives %q, %v; want %q", in, b.String(), err, want)
		}
	}
	for in, want := range map[string]string{
		"{nosuch}":                          "unknown variable",
		"{{.nosuch}}":                       "unknown variable",
		"{{.backend":                        "not a Go template",
		"{backend:>99999}":                  "format",
		`{{.backend}}{{define "x"}}{{end}}`: "definitions",
		`{{.backend}}{{template "T"}}`:      "not allowed",
		`{{range .backend}}{{end}}`:         "not allowed",
		`{{.backend}}{{printf "%9d" 1}}`:    "function printf",
		`{{.backend.x}}`:                    "unknown variable",
	} {
		if _, err := compile(row, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

func TestLiteralTemplatesKeepTheirBraces(t *testing.T) {
	row := &Template{Name: "T", Literal: true}
	for _, in := range []string{"{ ssl_fc }", "{{ ssl_fc }}", "{backend}"} {
		c, err := compile(row, in)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := c.execute(&b, nil); err != nil || b.String() != in {
			t.Errorf("%q gives %q, %v", in, b.String(), err)
		}
	}
}

func TestLines(t *testing.T) {
	for line, good := range map[string]bool{
		`  http-request set-header X "a b"`: true, `  x 'a"b'`: true, `  x a\ b`: true, `  x "a\"b"`: true,
		`  x # it's`: true, `  http-request deny if { path_reg "^/a$" }`: true, ``: true,
		`  x "a`: false, `  x 'a`: false, `  x a\`: false, `  x "$HOME"`: false, `  x "${HOME}"`: false,
		"  x a\x01": false, strings.Repeat("x ", 65): false, strings.Repeat("x", 9000): false,
	} {
		if err := checkWords(line); (err == nil) != good {
			t.Errorf("%q: %v", model.Shorten(line), err)
		}
	}
}

func TestTextsThatLeaveTheirSectionAreFound(t *testing.T) {
	for _, text := range []string{
		"backend x\nfrontend y\n", "backend x\n  \"back\"end y\n", "backend x\n  b\\ackend y\n", "backend y\n", "  mode http\n",
		"backend x\n  .if 1\n", "backend x y\n", "backend x\n\tglobal#\n", "backend x\n  defaults\n", "listen x\n", "\n",
	} {
		if err := checkSection(text, "backend", "x", true); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	if err := checkSection("# remark\nbackend x\n  mode http\n", "backend", "x", true); err != nil {
		t.Error(err)
	}
}

func TestOverridesThatWouldSpoilEveryServiceAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"BACKEND_HEAD": "mode http\n", "BACKEND_HTTP_OPTIONS": "frontend x\n", "FRONTEND_HEAD": "", "GLOBAL": "global\n",
		"BACKEND_AUTH": "", "NOSUCH": "", "USERLIST_HEAD": "userlist {nosuch}",
	} {
		r, found := New(Options{Overrides: []Override{{Name: name, Text: text, Source: "file"}}})
		if len(found) != 1 || found[0].Field != "file" || len(r.replaced) != 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
	if _, found := New(Options{Overrides: []Override{{Name: "HEAD", Text: "global\n  maxconn 5\ndefaults\n"}}}); len(found) != 0 {
		t.Error(found)
	}
}
