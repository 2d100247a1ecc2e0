package health

import (
	"strings"
	"time"

	"berth/orchestrator/api"
)

// Outcome is what one probe means.
type Outcome struct {
	Result  *api.HealthResult // the check's new state; nil while there is no result yet
	Ignored bool              // a failure in the grace period, which counts for nothing
	Changed bool              // the first result, or another verdict than before
	Kill    bool              // the failures are too many
}

// Count applies the rules of marathon-api.md section 11.1 to one probe: cause is "" for a success. prior is the check's
// state before, nil if it has none; started is when the task began to run.
func Count(check *api.HealthCheck, prior *api.HealthResult, started, now time.Time, cause string) Outcome {
	if cause == "" {
		return success(prior, now)
	}
	passed := prior != nil && !prior.FirstSuccess.IsZero()
	if !passed && now.Before(started.Add(Seconds(check.GracePeriodSeconds))) {
		return Outcome{Result: prior, Ignored: true}
	}
	r := api.HealthResult{}
	if prior != nil {
		r = *prior
	}
	r.Alive = false
	r.ConsecutiveFailures++
	r.LastFailure = api.TimestampOf(now)
	r.LastFailureCause = cause
	return Outcome{
		Result:  &r,
		Changed: prior == nil || prior.Alive,
		Kill:    tooMany(check, r.ConsecutiveFailures),
	}
}

func success(prior *api.HealthResult, now time.Time) Outcome {
	r := api.HealthResult{}
	if prior != nil {
		r = *prior
	}
	r.Alive = true
	r.ConsecutiveFailures = 0
	r.LastSuccess = api.TimestampOf(now)
	if r.FirstSuccess.IsZero() {
		r.FirstSuccess = r.LastSuccess
	}
	return Outcome{Result: &r, Changed: prior == nil || !prior.Alive}
}

// tooMany: checks from the orchestrator kill when the count exceeds the maximum, 0 meaning never; those beside the task
// when it reaches it, 0 and 1 meaning at once.
func tooMany(check *api.HealthCheck, failures int) bool {
	if Beside(check) {
		return failures >= max(check.MaxConsecutiveFailures, 1)
	}
	return check.MaxConsecutiveFailures > 0 && failures > check.MaxConsecutiveFailures
}

// Beside reports whether Marathon runs the check next to the task rather than from its own host: MESOS_* and COMMAND.
func Beside(check *api.HealthCheck) bool {
	return check.Protocol == api.ProtocolCommand || strings.HasPrefix(check.Protocol, "MESOS_")
}

// Seconds converts a number of seconds, however large.
func Seconds(s float64) time.Duration {
	const limit = float64(1<<63-1) / float64(time.Second)
	switch {
	case s <= 0 || s != s:
		return 0
	case s >= limit:
		return 1<<63 - 1
	}
	return time.Duration(s * float64(time.Second))
}
