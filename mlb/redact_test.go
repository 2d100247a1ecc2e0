package mlb

import (
	"strings"
	"testing"
)

func TestSecretsDontLeaveInAConfiguration(t *testing.T) {
	for name, line := range map[string]string{
		"hash in a userlist":           "  user joe password SECRET groups admins",
		"clear password in a userlist": "\tuser joe insecure-password SECRET",
		"groups first":                 "  user joe groups admins insecure-password SECRET",
		"quoted words":                 `  "user" joe insecure-password "SECRET SECRET"`,
		"single quotes":                `  user joe 'insecure-password' 'SECRET SECRET'`,
		"escaped blanks":               `  user joe insecure-password a\ SECRET`,
		"statistics page":              "  stats auth admin:SECRET",
		"header set by a template":     `  http-request set-header Authorization "Basic SECRET"`,
	} {
		t.Run(name, func(t *testing.T) {
			got := string(redact([]byte("userlist u\n" + line + "\nbackend b\n")))
			if strings.Contains(got, "SECRET") || !strings.Contains(got, "[redacted]") {
				t.Errorf("got %q", got)
			}
			if !strings.HasSuffix(got, "\nbackend b\n") || strings.Count(got, "\n") != 3 {
				t.Errorf("the rest has changed: %q", got)
			}
		})
	}
}

func TestSecretsDontLeaveInProblems(t *testing.T) {
	r := newRig(t)
	a := appWith("/web", 10001, "", 1)
	a.Labels["HAPROXY_0_BACKEND_HEAD"] = "backend {backend}\n  http-request set-header Authorization \"Basic SECRET\"\n  stats enable\n"
	a.Labels["HAPROXY_0_BACKEND_HTTP_OPTIONS"] = "  http-request set-header Authorization \"Basic SECRET\" if { env(X) -m found }\n"
	r.acked(r.give(a))
	found := 0
	for _, p := range r.Problems() {
		if strings.Contains(p.String(), "SECRET") {
			t.Errorf("%s", p)
		}
		if strings.Contains(p.String(), "[redacted]") {
			found++
		}
	}
	if found == 0 {
		t.Errorf("problems %v: expected one about a text with a password", r.Problems())
	}
}
