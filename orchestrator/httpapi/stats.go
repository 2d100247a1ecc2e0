package httpapi

import (
	"slices"
	"time"

	"berth/orchestrator/api"
)

// taskStats groups an app's tasks by age (marathon-api.md section 7.2). A group without tasks is left out.
type taskStats struct {
	StartedAfterLastScaling *statsGroup `json:"startedAfterLastScaling,omitempty"`
	WithLatestConfig        *statsGroup `json:"withLatestConfig,omitempty"`
	WithOutdatedConfig      *statsGroup `json:"withOutdatedConfig,omitempty"`
	TotalSummary            *statsGroup `json:"totalSummary,omitempty"`
}

type statsGroup struct {
	Stats stats `json:"stats"`
}

type stats struct {
	Counts   statsCounts `json:"counts"`
	LifeTime *lifeTime   `json:"lifeTime,omitempty"` // only if a task has started
}

type statsCounts struct {
	Staged    int `json:"staged"`
	Running   int `json:"running"`
	Healthy   int `json:"healthy"`
	Unhealthy int `json:"unhealthy"`
}

type lifeTime struct {
	AverageSeconds float64 `json:"averageSeconds"`
	MedianSeconds  float64 `json:"medianSeconds"`
}

func statsOf(a *api.AppInfo, now time.Time) taskStats {
	var scaling, config api.Timestamp
	if a.VersionInfo != nil {
		scaling, config = a.VersionInfo.LastScalingAt, a.VersionInfo.LastConfigChangeAt
	}
	return taskStats{
		StartedAfterLastScaling: groupOf(a.Tasks, now, func(t *api.Task) bool { return t.Version >= scaling }),
		WithLatestConfig:        groupOf(a.Tasks, now, func(t *api.Task) bool { return t.Version >= config }),
		WithOutdatedConfig:      groupOf(a.Tasks, now, func(t *api.Task) bool { return t.Version < config }),
		TotalSummary:            groupOf(a.Tasks, now, func(*api.Task) bool { return true }),
	}
}

func groupOf(tasks []api.Task, now time.Time, in func(*api.Task) bool) *statsGroup {
	var g statsGroup
	var ages []float64
	n := 0
	for i := range tasks {
		t := &tasks[i]
		if !in(t) {
			continue
		}
		n++
		g.Stats.Counts.count(t)
		if !t.StartedAt.IsZero() {
			ages = append(ages, max(0, now.Sub(t.StartedAt.Time()).Seconds()))
		}
	}
	if n == 0 {
		return nil
	}
	g.Stats.LifeTime = lifeTimeOf(ages)
	return &g
}

// count sorts a task in by the rules of the tasks* counts: without a health result it is neither healthy nor unhealthy.
func (c *statsCounts) count(t *api.Task) {
	switch t.State {
	case api.TaskStaging:
		c.Staged++
	case api.TaskRunning:
		c.Running++
	}
	if len(t.HealthCheckResults) == 0 {
		return
	}
	if slices.ContainsFunc(t.HealthCheckResults, func(r api.HealthResult) bool { return !r.Alive }) {
		c.Unhealthy++
	} else {
		c.Healthy++
	}
}

func lifeTimeOf(ages []float64) *lifeTime {
	if len(ages) == 0 {
		return nil
	}
	slices.Sort(ages)
	sum := 0.0
	for _, a := range ages {
		sum += a
	}
	mid := len(ages) / 2
	median := ages[mid]
	if len(ages)%2 == 0 {
		median = (ages[mid-1] + ages[mid]) / 2
	}
	return &lifeTime{AverageSeconds: sum / float64(len(ages)), MedianSeconds: median}
}
