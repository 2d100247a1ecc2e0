package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAppsMayNotReachBeyondThemselves(t *testing.T) {
	for _, line := range []string{
		`http-request return status 200 content-type text/plain lf-string %[env(MARATHON_PASSWORD)]`,
		`http-request return status 200 content-type text/plain lf-string %["e"nv(X)]`,
		`http-request return status 200 content-type text/plain lf-string %[\x65nv(X)]`,
		`http-request return status 200 content-type text/plain file /etc/hostname`,
		`http-request return status 200 content-type text/plain lf-file /etc/hostname`,
		`errorfile 503 /etc/shadow`, `"errorfile" 503 /etc/shadow`, `er\x72orfile 503 /etc/shadow`,
		`acl x src -f /etc/passwd`, `http-request deny if { src -f /etc/passwd }`,
		`http-request set-header X %[path,map_beg(/etc/passwd)]`, `http-request set-header X %[path,map(/etc/passwd)]`,
		`http-request set-map(/etc/haproxy/domain2backend.map) good.test evil`, `http-request use-service prometheus-exporter`,
		`http-request lua.hello`, `http-request set-var(proc.x) int(1)`, `stats enable`, `stats admin if TRUE`,
		`server x unix@/run/docker.sock`, `server x /run/docker.sock`, `server x abns@mlb`, `bind /run/x.sock`,
		`use_backend %[req.hdr(x-backend)]`, `use_backend %[str(mlb_),concat(admin)] if a`, `bind *:1 ssl crt-list /etc/shadow`,
		`server-template s 1-100000 127.0.0.1:80`, `server-template s 1001 127.0.0.1:80`, `server-template s x 127.0.0.1:80`,
		`use_backend mlb_admin`, `use_backend "mlb"_admin`, `use_backend mlb\x5fadmin`, `filter spoe engine x config /etc/x`, `external-check command /bin/sh`,
	} {
		if err := checkReach(line); err == nil {
			t.Errorf("accepted: %s", line)
		} else if !strings.Contains(err.Error(), "operator") {
			t.Errorf("%s: %v does not say whose it is", line, err)
		}
	}
}

func TestOrdinaryLinesPass(t *testing.T) {
	for _, line := range []string{
		``, `  # a comment about env(X)`, `backend web_10000`, `  balance roundrobin`, `timeout server 30m`,
		`http-request set-header X-Path %[path,lower]`, `http-request set-var(txn.x) req.hdr(host)`,
		`server s 10.0.0.1:80 check ssl verify required ca-file /etc/ssl/certs/ca.pem`, `option httpchk GET /mapped`,
		`http-request deny if { path_beg /stats }`, `http-response set-header X-Map %[res.hdr(mapping)]`,
		`use_backend other_10001 if { req.hdr(x-canary) -m found }`, `server-template s 5 app.example.com:80`,
		`server-template s 1-1000 app.example.com:80`,
		`bind *:10000 accept-proxy`, `http-request redirect prefix https://files.example.com if { path /file }`,
	} {
		if err := checkReach(line); err != nil {
			t.Error(err)
		}
	}
}

func TestAppsMayNotChangeHowTheBalancerRoutes(t *testing.T) {
	row := templateByName["HTTP_FRONTEND_ACL"]
	for _, line := range []string{
		`http-request set-var(txn.backend) str(other_1) if a`, `http-request set-var(txn.host,ifexists) str(x) if a`,
		`http-request unset-var(txn.backend) if a`, `http-request set-var-fmt(txn.path) "/x" if a`,
		`http-request set-"var(txn.domain)" str(x) if a`,
	} {
		if err := checkLines(line, row); err == nil || !strings.Contains(err.Error(), "own variable") {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{
		`http-request set-var(txn.backend2) str(x) if a`, `http-request set-var(req.host) str(x) if a`,
		`acl a var(txn.host) -m end .example.com`,
	} {
		if err := checkLines(line, row); err != nil {
			t.Error(err)
		}
	}
}

func TestSplitLineReadsAsHAProxyDoes(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{`a  b	c`, []string{"a", "b", "c"}},
		{`a\ b "c d" 'e f'g`, []string{"a b", "c d", "e fg"}},
		{`a # b`, []string{"a"}},
		{`a\#b`, []string{"a#b"}},
		{`\x41\x7a \v`, []string{"Az", `\v`}},
		{`'\x41'`, []string{`\x41`}},
	} {
		var got []string
		for _, w := range splitLine(tt.line) {
			got = append(got, w.plain)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
}

func TestRulesInSharedFrontendsActOnlyForTheApp(t *testing.T) {
	const turn = "{ var(txn.turn0) -m found } "
	for _, tt := range []struct{ name, line, want, use string }{
		{"a condition gets one more term", `  http-request deny if TRUE`, `  http-request deny if ` + turn + `TRUE`, ""},
		{"each alternative does", `http-request deny if a b || c or !d`,
			`  http-request deny if ` + turn + `a b || ` + turn + `c || ` + turn + `!d`, ""},
		{"a backend is taken", `use_backend x_1 if a || b`, `  http-request set-var(txn.taken) str(x_1) if ` + turn +
			`a !mlb_own_taken || ` + turn + `b !mlb_own_taken`, "  use_backend x_1 if { var(txn.taken) -m str x_1 }\n"},
		{"its own backend needs no line of its own", `use_backend web_1 if a`, `  http-request set-var(txn.taken) str(web_1) if ` + turn +
			`a !mlb_own_taken`, ""},
		{"anonymous conditions stay whole", `http-request deny if { path /a || b } !{ ssl_fc }`,
			`  http-request deny if ` + turn + `{ path /a || b } !{ ssl_fc }`, ""},
		{"unless is turned round", `http-request deny unless a !b { src 10.0.0.1 }`,
			`  http-request deny if ` + turn + `!a || ` + turn + `b || ` + turn + `!{ src 10.0.0.1 }`, ""},
		{"redirects stay in their place", `redirect location /a%20b code 301 if a`,
			`  http-request redirect location /a%%20b code 301 if ` + turn + `a`, ""},
		{"ACLs stay", `  acl a path /x`, `  acl a path /x`, ""},
		{"but for those of others", `  acl "theirs" path /x "y z"`, `  acl theirs:web_1 path /x "y z"`, ""},
		{"which are meant in conditions", `http-request deny if a !theirs { path theirs }`,
			`  http-request deny if ` + turn + `a !theirs:web_1 { path theirs }`, ""},
		{"quotes stay", `http-request set-header X "a b" if a`, `  http-request set-header X "a b" if ` + turn + `a`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := confinement{service: "web_1", turn: "txn.turn0", strict: true, rename: map[string]string{"theirs": "theirs:web_1"}}
			got, use, err := c.line(tt.line)
			if err != nil || use != tt.use {
				t.Fatalf("use %q, %v", use, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	strict, lenient := confinement{service: "web_1", turn: "txn.turn0", strict: true}, confinement{service: "web_1", turn: "txn.turn0"}
	for _, line := range []string{
		`http-request deny`, `http-request deny if`, `http-request deny if { path /a`, `http-request deny unless a || b`,
		`http-request deny if || a`, `acl mlb_own_web_1 path /`, `http-request deny if mlb_own_web_1`, `acl`,
	} {
		if out, _, err := strict.line(line); err == nil {
			t.Errorf("%s became %s", line, out)
		}
	}
	for line, want := range map[string][2]string{
		"  # nothing":                      {"  # nothing", ""},
		"  http-request deny":              {"  http-request deny", ""},
		"  use_backend x":                  {"", "  use_backend x\n"},
		"  use_backend %[path,map(/m)]":    {"", "  use_backend %[path,map(/m)]\n"},
		"use_backend %[path,map(/m)] if a": {"", "  use_backend %[path,map(/m)] if { var(txn.turn0) -m found } a\n"},
	} {
		if out, use, err := lenient.line(line); err != nil || out != want[0] || use != want[1] {
			t.Errorf("an operator's %q became %q, %q, %v", line, out, use, err)
		}
	}
}
