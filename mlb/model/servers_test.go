package model

import (
	"testing"

	"pgregory.net/rapid"
)

func TestServerIDVectors(t *testing.T) {
	taken := make(map[int]bool)
	for _, c := range []struct {
		name string
		want int
	}{{"10_0_0_1_31000", 28035}, {"10_0_0_1_31001", 26814}, {"10_0_0_1_1", 10835}, {"10_0_0_1_1", 27001}} {
		got := serverID(c.name, taken)
		if got != c.want {
			t.Errorf("serverID(%q) = %d, want %d", c.name, got, c.want)
		}
		taken[got] = true
	}
}

func TestServerIDsAreUniqueAndPositive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		taken := make(map[int]bool)
		for _, name := range rapid.SliceOfN(rapid.StringMatching(`[a-z0-9_]{1,4}`), 1, 50).Draw(t, "names") {
			id := serverID(name, taken)
			if id < 1 || id >= idModulus || taken[id] {
				t.Fatalf("serverID(%q) = %d", name, id)
			}
			taken[id] = true
		}
	})
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ rule, got, want string }{
		{"slashes become underscores, dots stay", BackendName("/team/web.api", 10001), "team_web.api_10001"},
		{"host and address", ServerName("agent1", "10.0.0.5", 31000), "agent1_10_0_0_5_31000"},
		{"an address alone", ServerName("10.0.0.1", "10.0.0.1", 31000), "10_0_0_1_31000"},
		{"the app id's ACL", "app_" + Clean("/x/y"), "app__x_y"},
		{"hyphens stay", Clean("a-b.c"), "a-b_c"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.rule, c.got, c.want)
		}
	}
}

func TestAutoPortVector(t *testing.T) {
	if got := newAutoPorts(10050, 10100).assign("/c", 80); got != 10093 {
		t.Errorf("port of /c: %d, want 10093", got)
	}
}

func TestAutoPortsEndWithTheRange(t *testing.T) {
	a := newAutoPorts(1, 3)
	seen := make(map[int]bool)
	for i := range 4 {
		seen[a.assign("/app", i)] = true
	}
	if len(seen) != 4 || !seen[0] {
		t.Errorf("ports from a range of three: %v, want three ports and none", seen)
	}
	for _, r := range [][2]int{{0, 0}, {0, 5}, {5, 4}, {1, 70000}} {
		if newAutoPorts(r[0], r[1]) != nil {
			t.Errorf("range %v is accepted", r)
		}
	}
}
