package haproxy

import (
	"fmt"
	"testing"

	"berth/mlb/plan"
)

func TestManyServersComeAndGoInOnePlan(t *testing.T) {
	b := newBench(t)
	b.mustReload(b.output("one"))
	for _, n := range []int{1, 2, 3, 50} {
		var in, out, gone []plan.Command
		for i := range n {
			server := fmt.Sprintf("app_1/x%d", i)
			in = append(in, plan.Command{Line: "add server " + server + " 127.0.0.1:1", Want: []string{"New server registered."}},
				plan.Command{Line: "enable server " + server})
			out = append(out, plan.Command{Line: "set server " + server + " state maint"})
			gone = append(gone, plan.Delete(server))
		}
		note := 0
		for _, commands := range [][]plan.Command{in, append(out, gone...)} {
			note++
			r, err := b.Apply(t.Context(), Change{Output: b.output(fmt.Sprint(n, note)),
				Plan: plan.Plan{Rung: plan.Runtime, Commands: commands}})
			if err != nil || r.Rung != plan.Runtime || len(r.Waiting) > 0 {
				t.Fatalf("%d servers, %d commands: %+v, %v", n, len(commands), r, err)
			}
		}
	}
	// A refusal among deletions is told from the others.
	commands := []plan.Command{plan.Delete("app_1/s1"), plan.Delete("app_1/s1")}
	r, err := b.Apply(t.Context(), Change{Output: b.output("last"), Plan: plan.Plan{Rung: plan.Runtime, Commands: commands}})
	if err != nil || len(r.Waiting) != 2 {
		t.Fatalf("two servers in use: %+v, %v: want both to wait", r, err)
	}
}
