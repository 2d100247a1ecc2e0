package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestCanaryLabels(t *testing.T) {
	for labels, refused := range map[string]string{
		`"BERTH_CANARY_OF":"/web","BERTH_CANARY_WEIGHT":"10"`:  "",
		`"BERTH_CANARY_OF":"web","BERTH_CANARY_WEIGHT":"0"`:    "",
		`"BERTH_CANARY_OF":"/web","BERTH_CANARY_WEIGHT":"101"`: "expected percent",
		`"BERTH_CANARY_OF":"/web","BERTH_CANARY_WEIGHT":"10%"`: "expected percent",
		`"BERTH_CANARY_OF":"A b"`:                              "expected the id of an app",
		`"BERTH_CANARY_OF":"/a"`:                               "is the app itself",
	} {
		_, _, err := ParseApp(fmt.Appendf(nil, `{"id":"/a","cmd":"x","labels":{%s}}`, labels))
		if (err != nil) != (refused != "") || err != nil && !strings.Contains(fmt.Sprint(err), refused) {
			t.Errorf("%s: %v, want %q", labels, err, refused)
		}
	}
}

// A canary's share is no configuration: changing it must not replace its tasks.
func TestAChangeOfTheShareReplacesNothing(t *testing.T) {
	mk := func(labels map[string]string) *App { return &App{ID: "/a", Labels: labels} }
	ten := map[string]string{"X": "1", LabelCanaryWeight: "10"}
	for _, tt := range []struct {
		now  map[string]string
		want Change
	}{
		{map[string]string{"X": "1", LabelCanaryWeight: "10"}, ChangeNone},
		{map[string]string{"X": "1", LabelCanaryWeight: "20"}, ChangeScale},
		{map[string]string{"X": "1"}, ChangeScale},
		{map[string]string{"X": "2", LabelCanaryWeight: "10"}, ChangeConfig},
		{nil, ChangeConfig},
	} {
		if got := Compare(mk(ten), mk(tt.now)); got != tt.want {
			t.Errorf("to %v: %v, want %v", tt.now, got, tt.want)
		}
	}
	if len(ten) != 2 {
		t.Errorf("the labels were changed: %v", ten)
	}
}
