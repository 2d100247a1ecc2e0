package model

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/orchestrator/api"
)

// merged is a logical app: whose definition it follows and the tasks of all its members.
type merged struct {
	id    string
	app   *api.App
	tasks []memberTask

	shared bool // canaries get share percent of the traffic
	share  int
}

type memberTask struct {
	*api.Task
	owner    *api.AppInfo // whose health checks and networks apply
	draining bool
	canary   bool
}

func single(id string, a *api.AppInfo) merged {
	m := merged{id: id, app: &a.App, tasks: make([]memberTask, len(a.Tasks))}
	for i := range a.Tasks {
		m.tasks[i] = memberTask{Task: &a.Tasks[i], owner: a}
	}
	return m
}

// merge folds the members of a deployment group into one app (marathon-lb.md section 4.1): the definition is that of the
// old member; as many of its tasks drain as the new member has healthy ones beyond the target.
func merge(u unit, p *problems) merged {
	m := single(u.id, u.members[0])
	switch {
	case len(u.members) == 1:
		return m
	case !u.grouped:
		return withCanary(u, p)
	}
	current := u.members[0]
	started := make(map[*api.AppInfo]time.Time, len(u.members))
	for _, a := range u.members {
		started[a] = startedAt(a, p)
	}
	for _, a := range u.members[1:] {
		old, next := current, a
		// On a tie the member that is met later is the old one.
		if !started[current].Before(started[a]) {
			old, next = a, current
		}
		old, next, target := hybrid(old, next, p)
		m = join(m, old, next, a, target)
		current = old
	}
	return m
}

// hybrid swaps the roles when the old member of a hybrid deployment was scaled last, and returns the target.
func hybrid(old, next *api.AppInfo, p *problems) (o, n *api.AppInfo, target int) {
	if _, ok := next.Labels[labelDeployNew]; !ok {
		return old, next, 1
	}
	if lastScaled(old) > lastScaled(next) {
		old, next = next, old
	}
	text, ok := next.Labels[labelDeployTarget]
	if !ok {
		return old, next, 1
	}
	target, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || target < 0 {
		p.warnf(labelDeployTarget, text, "expected a number of instances; 1 is used")
		return old, next, 1
	}
	return old, next, target
}

func lastScaled(a *api.AppInfo) api.Timestamp {
	if a.VersionInfo == nil {
		return 0
	}
	return a.VersionInfo.LastScalingAt
}

// join puts the tasks of old before those of next and marks the first ones of old as draining. m holds what was merged
// so far, with one of the two as its current member; met is the member that is met now.
func join(m merged, old, next, met *api.AppInfo, target int) merged {
	split := func(a *api.AppInfo) []memberTask {
		if a == met {
			return single(m.id, a).tasks
		}
		return m.tasks
	}
	oldTasks, nextTasks := slices.Clone(split(old)), split(next)
	slices.SortStableFunc(oldTasks, func(a, b memberTask) int { return strings.Compare(a.ID, b.ID) })
	healthy := next.Instances
	if len(met.HealthChecks) > 0 {
		healthy = 0
		for _, t := range nextTasks {
			if anyAlive(t.HealthCheckResults) {
				healthy++
			}
		}
	}
	drain := min(len(oldTasks), healthy, max(0, healthy+old.Instances-target))
	for i := range max(0, drain) {
		oldTasks[i].draining = true
	}
	return merged{id: m.id, app: &old.App, tasks: append(oldTasks, nextTasks...)}
}

func anyAlive(results []api.HealthResult) bool {
	return slices.ContainsFunc(results, func(r api.HealthResult) bool { return r.Alive })
}

// Forms of HAPROXY_DEPLOYMENT_STARTED_AT; without a zone it is read as UTC.
var dateForms = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04", "2006-01-02",
}

// startedAt is the zero time, the oldest possible, when the label is missing or cannot be read.
func startedAt(a *api.AppInfo, p *problems) time.Time {
	text, ok := a.Labels[labelDeployStart]
	if !ok {
		return time.Time{}
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, strings.TrimSpace(text)); err == nil {
			return t
		}
	}
	p.errorf(labelDeployStart, text, "expected an ISO 8601 time; the app counts as the oldest of its group")
	return time.Time{}
}
