package model

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"berth/orchestrator/api"
)

// maxWeight is the largest weight of a server (HAProxy's manual, section 5.2, "weight").
const maxWeight = 256

// canaryOf is the id of the app that a is a canary of, or "".
func canaryOf(a *api.AppInfo) string {
	id := strings.Trim(strings.TrimSpace(a.Labels[api.LabelCanaryOf]), "/")
	if id == "" || "/"+id == a.ID {
		return ""
	}
	return "/" + id
}

// withCanaries puts each canary into the unit of its app. One whose app is not there stands in for it.
func withCanaries(list []unit, canaries []*api.AppInfo) []unit {
	if len(canaries) == 0 {
		return list
	}
	at := make(map[string]int, len(list))
	for i, u := range list {
		if !u.grouped {
			at[u.id] = i
		}
	}
	slices.SortStableFunc(canaries, func(a, b *api.AppInfo) int { return strings.Compare(a.ID, b.ID) })
	for _, a := range canaries {
		id := canaryOf(a)
		i, ok := at[id]
		if !ok {
			at[id] = len(list)
			list = append(list, unit{id: id, members: []*api.AppInfo{a}})
			continue
		}
		list[i].members = append(slices.Clip(list[i].members), a)
	}
	return list
}

// withCanary joins an app and its canaries: the definition is the app's, the tasks are everybody's, and the first canary's
// label says which share of the traffic the canaries get.
func withCanary(u unit, p *problems) merged {
	m := single(u.id, u.members[0])
	for _, a := range u.members[1:] {
		for _, t := range single(u.id, a).tasks {
			t.canary = true
			m.tasks = append(m.tasks, t)
		}
	}
	text, ok := u.members[1].Labels[api.LabelCanaryWeight]
	if !ok {
		return m
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 || n > 100 {
		p.errorf(api.LabelCanaryWeight, text, "expected percent from 0 to 100; every task gets the same share")
		return m
	}
	m.share, m.shared = n, true
	return m
}

// weigh gives the servers weights by which canaries get so many percent of new requests. Where either side has no server
// that takes any, the other gets all.
func weigh(servers []Server, percent int) {
	canaries, others := 0, 0
	for i := range servers {
		switch {
		case servers[i].Draining:
		case servers[i].Canary:
			canaries++
		default:
			others++
		}
	}
	if canaries == 0 || others == 0 {
		return
	}
	canary, other := weights(percent, canaries, others)
	for i := range servers {
		servers[i].Weighted, servers[i].Weight = true, other
		if servers[i].Canary {
			servers[i].Weight = canary
		}
	}
}

// weights are those of one canary and one other server that come closest to the share; of equally good ones the smallest.
func weights(percent, canaries, others int) (canary, other int) {
	switch percent {
	case 0:
		return 0, 1
	case 100:
		return 1, 0
	}
	ratio := float64(percent*others) / float64((100-percent)*canaries)
	best := math.Inf(1)
	for n := 1; n <= maxWeight; n++ {
		c, o := n, int(math.Round(float64(n)/ratio))
		if ratio < 1 {
			c, o = int(math.Round(float64(n)*ratio)), n
		}
		c, o = min(max(c, 1), maxWeight), min(max(o, 1), maxWeight)
		if off := math.Abs(float64(c)/float64(o)/ratio - 1); off < best-1e-12 {
			best, canary, other = off, c, o
		}
	}
	return canary, other
}
