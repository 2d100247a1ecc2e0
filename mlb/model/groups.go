package model

import (
	"slices"
	"strings"
)

// splitList splits a comma list and trims its elements. An empty text is a list of one empty element, which matters for
// groups: such a label matches only the group that is the empty string.
func splitList(s string) []string {
	list := strings.Split(s, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// inGroup reports whether a port is served by a load balancer with these groups: by its own label where there is one,
// else by its app's (marathon-lb.md section 5). "*" is a wildcard only on the load balancer's side.
func inGroup(groups []string, labels map[string]string, portLabel string) bool {
	if slices.Contains(groups, "*") {
		return true
	}
	own, ok := labels[portLabel]
	if !ok {
		if own, ok = labels["HAPROXY_GROUP"]; !ok {
			return false
		}
	}
	for _, g := range splitList(own) {
		if slices.Contains(groups, g) {
			return true
		}
	}
	return false
}
