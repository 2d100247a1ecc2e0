package haproxy

import (
	"context"
	"fmt"
	"testing"

	"berth/mlb/plan"
)

// BenchmarkBatch is what commands cost that travel together: 1,000 servers come, are enabled, are put into maintenance and
// go.
func BenchmarkBatch(b *testing.B) {
	h := benchProxy(b)
	var commands []plan.Command
	for i := range 1000 {
		server := fmt.Sprintf("app_1/x%d", i)
		commands = append(commands, plan.Command{Line: "add server " + server + " 127.0.0.1:1", Want: []string{"New server registered."}},
			plan.Command{Line: "enable server " + server}, plan.Command{Line: "set server " + server + " state maint"})
	}
	for i := range 1000 {
		commands = append(commands, plan.Delete(fmt.Sprintf("app_1/x%d", i)))
	}
	for b.Loop() {
		if waiting, err := h.sock.send(context.Background(), commands); err != nil || len(waiting) > 0 {
			b.Fatalf("%d waiting, %v", len(waiting), err)
		}
	}
	b.ReportMetric(float64(len(commands)*b.N)/b.Elapsed().Seconds(), "commands/s")
}

func benchProxy(b *testing.B) *bench {
	h := newBench(b)
	h.mustReload(h.output("one"))
	return h
}
