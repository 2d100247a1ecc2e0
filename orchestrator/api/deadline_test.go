package api

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestDeadlineLabels(t *testing.T) {
	tests := []struct {
		labels   string
		limit    time.Duration
		rollback bool
		refused  string
	}{
		{``, 0, false, ""},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"90"`, 90 * time.Second, false, ""},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"1.5","DEPLOYMENT_AUTO_ROLLBACK":"true"`, 1500 * time.Millisecond, true, ""},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"90","DEPLOYMENT_AUTO_ROLLBACK":"false"`, 90 * time.Second, false, ""},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"10m"`, 0, false, `expected seconds from 1 to 604800`},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"0"`, 0, false, `"0": expected seconds`},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"NaN"`, 0, false, `expected seconds`},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"604801"`, 0, false, `expected seconds`},
		{`"DEPLOYMENT_DEADLINE_SECONDS":"9","DEPLOYMENT_AUTO_ROLLBACK":"yes"`, 0, false, `expected true or false`},
		{`"DEPLOYMENT_AUTO_ROLLBACK":"true"`, 0, false, `needs the label DEPLOYMENT_DEADLINE_SECONDS`},
	}
	for _, tt := range tests {
		t.Run(tt.labels, func(t *testing.T) {
			a, _, err := ParseApp(fmt.Appendf(nil, `{"id":"/a","cmd":"x","labels":{%s}}`, tt.labels))
			if tt.refused != "" {
				if err == nil || !strings.Contains(fmt.Sprint(err), tt.refused) {
					t.Fatalf("error %v, want %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if limit, rollback := a.Deadline(); limit != tt.limit || rollback != tt.rollback {
				t.Errorf("%v %v", limit, rollback)
			}
		})
	}
}
