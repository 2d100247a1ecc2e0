package health

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/orchestrator/api"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// What a series of probes means: "+" passes, "-" fails, one per 10 s; the outcome has "i" ignored, "c" changed verdict,
// "k" kill, "." nothing.
func TestCountingRules(t *testing.T) {
	tests := []struct {
		rule     string
		protocol string
		grace    float64
		max      int
		probes   string
		want     string
	}{
		{"failures in the grace period count for nothing", "HTTP", 25, 1, "--+", "iic"},
		{"after it they count", "HTTP", 15, 3, "-----", "ic..k"},
		{"a success ends the grace period", "HTTP", 300, 1, "+--", "cck"},
		{"the task is killed when the count exceeds the maximum", "HTTP", 0, 3, "+----", "cc..k"},
		{"a success resets the count", "TCP", 0, 2, "+--+--+---", "cc.cc.cc.k"},
		{"0 never kills", "HTTPS", 0, 0, "----------", "c........."},
		{"beside the task it is killed when the count reaches the maximum", "MESOS_HTTP", 0, 3, "+---", "cc.k"},
		{"beside the task 1 kills on the first failure", "MESOS_TCP", 0, 1, "+-", "ck"},
		{"beside the task 0 kills on the first failure", "COMMAND", 0, 0, "+-", "ck"},
		{"beside the task the grace period holds too", "COMMAND", 15, 1, "--", "ik"},
		{"a first failure is a verdict", "HTTP", 0, 3, "-", "c"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			check := &api.HealthCheck{Protocol: tt.protocol, GracePeriodSeconds: tt.grace, MaxConsecutiveFailures: tt.max}
			var prior *api.HealthResult
			got := ""
			for i, p := range tt.probes {
				cause := ""
				if p == '-' {
					cause = "refused"
				}
				o := Count(check, prior, began, began.Add(time.Duration(i+1)*10*time.Second), cause)
				switch {
				case o.Kill:
					got += "k"
				case o.Changed:
					got += "c"
				case o.Ignored:
					got += "i"
				default:
					got += "."
				}
				prior = o.Result
			}
			if got != tt.want {
				t.Errorf("%s gives %s, want %s", tt.probes, got, tt.want)
			}
		})
	}
}

func TestResultHoldsWhatHappened(t *testing.T) {
	check := &api.HealthCheck{Protocol: "HTTP"}
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	stamp := func(s int) api.Timestamp { return api.TimestampOf(at(s)) }
	r := Count(check, nil, began, at(1), "").Result
	r = Count(check, r, began, at(2), "").Result
	r = Count(check, r, began, at(3), "refused").Result
	r = Count(check, r, began, at(4), "time-out").Result
	want := &api.HealthResult{
		ConsecutiveFailures: 2, FirstSuccess: stamp(1), LastSuccess: stamp(2), LastFailure: stamp(4), LastFailureCause: "time-out",
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	r = Count(check, r, began, at(5), "").Result
	if !r.Alive || r.ConsecutiveFailures != 0 || r.FirstSuccess != stamp(1) {
		t.Errorf("after a success: %+v", r)
	}
}

func TestSecondsNeverOverflow(t *testing.T) {
	for in, want := range map[float64]time.Duration{-1: 0, 0: 0, 1.5: 1500 * time.Millisecond, 1e300: 1<<63 - 1} {
		if got := Seconds(in); got != want {
			t.Errorf("%g: %s, want %s", in, got, want)
		}
	}
}
