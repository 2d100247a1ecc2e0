package haproxy

import (
	"context"
	"fmt"
	"testing"
	"time"

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
	together := float64(len(commands)*b.N) / b.Elapsed().Seconds()
	b.ReportMetric(together, "commands/s")
	b.ReportMetric(together/alone(b, h), "ratio-to-one-by-one")
}

// alone is the number of commands a second when each has a connection of its own.
func alone(b *testing.B, h *bench) float64 {
	const count = 300
	began := time.Now()
	for range count {
		if _, err := h.sock.send(context.Background(), []plan.Command{{Line: "set server app_1/s1 state ready"}}); err != nil {
			b.Fatal(err)
		}
	}
	return count / time.Since(began).Seconds()
}

func benchProxy(b *testing.B) *bench {
	h := newBench(b)
	h.mustReload(h.output("one"))
	return h
}
