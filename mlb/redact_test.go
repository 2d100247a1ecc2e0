package mlb

import (
	"strings"
	"testing"
)

func TestSecretsDontLeaveInAConfiguration(t *testing.T) {
	for name, line := range map[string]string{
		"hash in a userlist":           "  user joe password SECRET groups admins",
		"clear password in a userlist": "\tuser joe insecure-password SECRET",
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
