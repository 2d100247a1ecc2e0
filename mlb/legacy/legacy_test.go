package legacy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTranslate(t *testing.T) {
	cases := []struct{ rule, old, want string }{
		{"a text of today stays as it is", "  option forwardfor\n  http-request deny if x\n", "  option forwardfor\n  http-request deny if x\n"},
		{"marathon-lb's HSTS", `  rspadd  Strict-Transport-Security:\ max-age=15768000` + "\n",
			"  http-response add-header Strict-Transport-Security 'max-age=15768000'\n"},
		{"a condition stays", `  reqadd X-Forwarded-Proto:\ https if { ssl_fc }`,
			"  http-request add-header X-Forwarded-Proto 'https' if { ssl_fc }"},
		{"doubled braces stay", `  reqadd X-A:\ b if {{ ssl_fc }}`, "  http-request add-header X-A 'b' if {{ ssl_fc }}"},
		{"quotes around a header", `  rspadd "X-Frame-Options: SAMEORIGIN"`, "  http-response add-header X-Frame-Options 'SAMEORIGIN'"},
		{"a percent sign is no variable", `  rspadd X-P:\ 100%`, "  http-response add-header X-P '100%%'"},
		{"a quote within a value", `  rspadd X-P:\ it\'s`, `  http-response add-header X-P 'it'\''s'`},
		{"a header is taken away", "  rspidel ^Server:.*", "  http-response del-header Server"},
		{"a header is replaced in any case", `  rspirep ^Location:\ http://(.*) Location:\ https://\1`,
			`  http-response replace-header Location '^(?i)http://(.*)' 'https://\1'`},
		{"a header is replaced", `  reqrep ^Host:\ (.*) Host:\ new.\1`, `  http-request replace-header Host '^(.*)' 'new.\1'`},
		{"block", "  block if bad", "  http-request deny if bad"},
		{"old timeouts", "  clitimeout 5s", "  timeout client 5s"},
		{"an old option", "  option forceclose", "  option httpclose"},
		{"what means nothing is left out", "global\n  daemon\n  nbproc 4\n  maxconn 5\n", "global\n  maxconn 5\n"},
		{"Lua pages are mlb's own",
			"  lua-load /marathon-lb/getpids.lua\n  lua-load /mine.lua\n" +
				"  http-request use-service lua.getpids if { path /_haproxy_getpids }\n" +
				"  http-request use-service lua.getconfig if { path /_haproxy_getconfig }\n",
			"  lua-load /mine.lua\n  use_backend mlb_admin if { path_beg /_haproxy_ /_mlb_ }\n"},
	}
	for _, c := range cases {
		got, notes, err := Translate(c.old)
		if err != nil {
			t.Errorf("%s: %v", c.rule, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.rule, diff)
		}
		if (len(notes) > 0) != (c.old != c.want) {
			t.Errorf("%s: notes %q", c.rule, notes)
		}
		if again, notes, err := Translate(got); err != nil || again != got || len(notes) > 0 {
			t.Errorf("%s: translated again: %q, %q, %v", c.rule, again, notes, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for old, instead := range map[string]string{
		`  reqirep "^([^ :]*)\ /api/?(.*)" "\1\ /\2"`: "replace-path",
		"  rspirep ^HTTP/1.1\\ 500 x":                 "replace-header",
		"  reqideny ^Host:\\ bad":                     "http-request deny",
		"  appsession JSESSIONID len 52":              "STICKY",
		"  rspadd nonsense":                           "add-header",
		"  rspdel ^X-(.*):.*":                         "del-header",
		"  option http-tunnel":                        "leave it out",
	} {
		_, _, err := Translate(old)
		if err == nil || !strings.Contains(err.Error(), instead) || !strings.Contains(err.Error(), "any more") {
			t.Errorf("%s: %v, want a word about %s", old, err, instead)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	for _, s := range []string{`  rspadd X:\ y if { a }`, "  reqirep ^Host:\\ (.*) Host:\\ a", "option", "  http-request use-service lua.getpids"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, _, err := Translate(s)
		if err == nil && strings.Count(got, "\n") > strings.Count(s, "\n") {
			t.Errorf("%q has more lines than %q", got, s)
		}
	})
}
