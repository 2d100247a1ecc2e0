package model

import (
	"slices"
	"strings"

	"berth/orchestrator/api"
)

// unit is a logical app: one app with its canaries, or the members of one deployment group.
type unit struct {
	id      string
	grouped bool
	members []*api.AppInfo // in the source's order; canaries come after the app itself
}

const (
	labelDeployGroup  = "HAPROXY_DEPLOYMENT_GROUP"
	labelDeployStart  = "HAPROXY_DEPLOYMENT_STARTED_AT"
	labelDeployNew    = "HAPROXY_DEPLOYMENT_NEW_INSTANCES"
	labelDeployTarget = "HAPROXY_DEPLOYMENT_TARGET_INSTANCES"
)

// units gathers apps into logical apps, sorted by id; an app comes before a deployment group of the same id. The load
// balancer's own app is left out. Empty group labels are reported by the unit itself.
func units(apps []*api.AppInfo, self string) []unit {
	apps = slices.Clone(apps) // the caller may go on to change its list
	list := make([]unit, 0, len(apps))
	var groups map[string]int
	var canaries []*api.AppInfo
	for i, a := range apps {
		if a == nil || self != "" && strings.TrimPrefix(a.ID, "/") == self {
			continue
		}
		if canaryOf(a) != "" {
			canaries = append(canaries, a)
			continue
		}
		label, ok := a.Labels[labelDeployGroup]
		label = strings.TrimSpace(label)
		if !ok || label == "" {
			list = append(list, unit{id: a.ID, members: apps[i : i+1 : i+1]})
			continue
		}
		id := "/" + strings.TrimPrefix(label, "/")
		if at, ok := groups[id]; ok {
			list[at].members = append(list[at].members, a)
			continue
		}
		if groups == nil {
			groups = make(map[string]int)
		}
		groups[id] = len(list)
		list = append(list, unit{id: id, grouped: true, members: []*api.AppInfo{a}})
	}
	list = withCanaries(list, canaries)
	if !slices.IsSortedFunc(list, compareUnits) {
		slices.SortStableFunc(list, compareUnits)
	}
	return list
}

func compareUnits(a, b unit) int {
	if c := strings.Compare(a.id, b.id); c != 0 || a.grouped == b.grouped {
		return c
	}
	if b.grouped {
		return -1
	}
	return 1
}

// same reports whether u is made of the very same apps as v.
func (u unit) same(v unit) bool { return slices.Equal(u.members, v.members) }
