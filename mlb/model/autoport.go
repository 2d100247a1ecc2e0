package model

import (
	"crypto/sha1"
	"encoding/binary"
	"strconv"

	"berth/orchestrator/api"
)

// autoPorts gives service ports to container apps that have none (marathon-lb.md section 4.5). It is made anew for every
// build and asked in the order of app ids, so equal apps get equal ports.
type autoPorts struct {
	min, max int
	used     map[int]bool
}

const autoTries = 50

func newAutoPorts(low, high int) *autoPorts {
	if low <= 0 || high < low || high > maxPort {
		return nil
	}
	return &autoPorts{min: low, max: high, used: make(map[int]bool)}
}

// assign gives a port to one task port of an app, or 0 when the range is used up.
func (a *autoPorts) assign(app string, taskPort int) int {
	size := a.max - a.min + 1
	if len(a.used) >= size {
		return 0
	}
	for i := range autoTries {
		sum := sha1.Sum([]byte(app + "-" + strconv.Itoa(taskPort) + "-" + strconv.Itoa(i)))
		port := a.min + int(binary.BigEndian.Uint32(sum[:4])%uint32(size))
		if !a.used[port] {
			a.used[port] = true
			return port
		}
	}
	for port := a.min; ; port++ {
		if !a.used[port] {
			a.used[port] = true
			return port
		}
	}
}

// forUnit returns the ports of a unit that has none of its own, or nil.
func (a *autoPorts) forUnit(u unit) []int {
	if a == nil {
		return nil
	}
	m := u.members[0]
	if m.Mode() != api.NetworkContainer || len(m.Tasks) == 0 || len(servicePorts(&m.App, nil)) > 0 {
		return nil
	}
	taken := make(map[int]int)
	ports := taskPorts(&m.App, &m.Tasks[0])
	auto := make([]int, len(ports))
	for i, port := range ports {
		if _, ok := taken[port]; !ok {
			taken[port] = a.assign(u.id, port)
		}
		auto[i] = taken[port]
	}
	return auto
}
